"""What a data folder holds: whether it is fresh, and why not; whether it is as it was written; what is left of the requests to a photo search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.pipeline.checks.data_folder import Verification, verify_data_folder
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.graph import select as steps_of
from clip_pipeline.pipeline.removal import end_begun_take_down
from clip_pipeline.pipeline.status import ArtifactStatus, pipeline_status
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.storage.artifacts import Store

if TYPE_CHECKING:
    from clip_pipeline.sources.web.request_ledger import BudgetState, RequestLedger


def status(
    recipe: str | Recipe = "sandbox",
    data: str | Path = "data",
    *,
    settings: Settings = (),
    variants: Sequence[str] = (),
) -> list[ArtifactStatus]:
    """One entry an artifact that exists or that the recipe would make, in the order of the flow. Builds nothing; a
    take-down that was killed is brought to its end.

    recipe, data, settings, variants: as for `run`. Raises SettingsError for unknown names.
    """
    with Workspace(data, recipe_of(recipe, settings), variants=variants) as workspace:
        for name in variants:
            workspace.find_variant(name)
        end_begun_take_down(workspace, rebuild=False)
        return pipeline_status(workspace, list(STEPS.values()))


def verify(
    data: str | Path = "data",
    *,
    deep: bool = False,
    sample: float = 0.0,
    seed: int | None = None,
    select: str = "",
    partition: str = "",
    repair: bool = False,
    progress: bool = False,
) -> Verification:
    """Compares every artifact with its manifest, and names what else lies in the data folder that should not. Changes nothing but for
    `repair`.

    deep: read all bytes; without it sizes, presence and the manifests' own checksums are looked at, and the bytes of files whose time
    changed. sample: read this share of the bytes, in percent, of files that are drawn by chance with `seed` (drawn anew for None; the
    result says it). select, partition: only these artifacts, as for `run`, and nothing beside them. repair: set aside the artifacts that
    are damaged, so that the next run builds them. progress: show a bar on a terminal. The field `damaged` of the result is empty where
    all is well. Raises StoreError for a folder that is none, SettingsError for unknown names.
    """
    root = Path(data).expanduser().absolute()
    assets = [step.name for step in steps_of(select)] if select else []
    with shown_progress(progress):
        return verify_data_folder(
            root, deep=deep, percent=sample, seed=seed, assets=assets, partition=partition, repair=repair
        )


LEDGER_PLACE = Path(".ledger") / "requests.sqlite"


def request_budgets(data: str | Path, recipe: str | Recipe = "", settings: Settings = ()) -> list[BudgetState]:
    """What is left of the budget of each key, the last used first; empty where no request was made.

    data: the data folder, whose ledger is read unless `links.ledger` names another. Raises as `forget_answers`.
    """
    with _ledger(data, recipe, settings) as ledger:
        return ledger.states() if ledger else []


def forget_answers(data: str | Path, recipe: str | Recipe = "", settings: Settings = ()) -> int:
    """Forgets the limits and pauses that the service has told, and returns for how many keys. Requests of the last hour count on.

    Raises SettingsError for unknown settings, StoreError for a data folder that is a file, and DamagedArtifactError for a file that is no ledger.
    """
    with _ledger(data, recipe, settings) as ledger:
        return ledger.forget_answers() if ledger else 0


@contextmanager
def _ledger(data: str | Path, recipe: str | Recipe, settings: Settings) -> Iterator[RequestLedger | None]:
    from clip_pipeline.sources.web.request_ledger import RequestLedger

    named = recipe_of(recipe, settings).links.ledger
    path = Path(named).expanduser() if named else Path(data) / LEDGER_PLACE
    Store(data).check_place()
    if not path.exists():
        yield None
        return
    ledger = RequestLedger(path)
    try:
        yield ledger
    finally:
        ledger.close()
