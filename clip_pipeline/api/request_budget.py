"""The count of requests to a photo search: what is left of it, and what the service said of it forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of

if TYPE_CHECKING:
    from clip_pipeline.sources.web.request_ledger import BudgetState, RequestLedger

LEDGER_PLACE = Path(".ledger") / "requests.sqlite"


def request_budgets(data: str | Path, recipe: str | Recipe = "", settings: Settings = ()) -> list[BudgetState]:
    """What is left of the budget of each key, the last used first; empty where no request was made.

    data: the data folder, whose ledger is read unless `links.ledger` names another.
    """
    with _ledger(data, recipe, settings) as ledger:
        return ledger.states() if ledger else []


def forget_answers(data: str | Path, recipe: str | Recipe = "", settings: Settings = ()) -> int:
    """Forgets the limits and pauses that the service has told, and returns for how many keys. Requests of the last hour count on."""
    with _ledger(data, recipe, settings) as ledger:
        return ledger.forget_answers() if ledger else 0


@contextmanager
def _ledger(data: str | Path, recipe: str | Recipe, settings: Settings) -> Iterator[RequestLedger | None]:
    from clip_pipeline.sources.web.request_ledger import RequestLedger

    named = recipe_of(recipe, settings).links.ledger
    path = Path(named).expanduser() if named else Path(data) / LEDGER_PLACE
    if not path.exists():
        yield None
        return
    ledger = RequestLedger(path)
    try:
        yield ledger
    finally:
        ledger.close()
