"""What the page says of an asset before anything is built: what it is, reads and writes, its settings, its code, who owns it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from clip_pipeline.defs.page.columns import columns
from clip_pipeline.pipeline import declared
from clip_pipeline.pipeline.asset import Asset, Page, Partitions
from clip_pipeline.pipeline.asset_settings import fingerprinted_settings, settings_version
from clip_pipeline.pipeline.stages import STAGES
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.fields import SettingField

GROUPS = {stage: f"{number}_{stage}" for number, stage in enumerate(STAGES, start=1)}
"""Dagster sorts groups by name: the number puts them in the order of the flow."""

MAX_LISTED_SETTINGS = 20
"""A table of more would push the numbers of the asset off the screen; the settings are named then."""

PARTITION_FOLDERS: Mapping[Partitions, str] = {
    Partitions.NONE: "",
    Partitions.DUMP_PARTS: "PART/",
    Partitions.WORD_BUCKETS: "BUCKET/",
    Partitions.SHARDS: "SHARD/",
    Partitions.DATASETS: "DATASET/",
    Partitions.IMAGE_FORMATS: "SIZE/",
    Partitions.VARIANTS: "VARIANT/",
    Partitions.DATASETS_BY_VARIANT: "DATASET/VARIANT/",
    Partitions.SHARDS_BY_VARIANT: "SHARD/VARIANT/",
    Partitions.TRIALS_BY_VARIANT: "TRIAL/VARIANT/",
    Partitions.ADAPTED_VARIANTS: "VARIANT/",
    Partitions.LANGUAGE_MODELS: "MODEL/",
}
"""The folders of the partitions below the asset's."""

REQUEST_JOBS: Mapping[str, str] = {
    "parallelism_benchmark": "measure_parallelism",
    "character_corpus": "language_models",
    "character_model": "language_models",
    "language_scores": "language_models",
}
"""The jobs that start the assets which have no button, since they run when somebody asks for them."""

_DATASET_KEY = (
    "a dataset that needs no files, such as `digits`, or `pets=PATH` for photos of yours, in one folder a class"
)
_VARIANT_KEY = (
    "training settings, such as `epochs=20+seed=1` or `pooling.kind=windows`, or a model, such as `laptop_small`"
)

ADDED_PARTITIONS: Mapping[Partitions, str] = {
    Partitions.DATASETS: f"a dataset each. *Materialize*, then *Add a partition*, takes {_DATASET_KEY}",
    Partitions.VARIANTS: f"a training variant each. *Materialize*, then *Add a partition*, takes {_VARIANT_KEY}",
    Partitions.SHARDS_BY_VARIANT: "a shard and a training variant each. Add a variant on the page of `clip_checkpoint`",
    Partitions.DATASETS_BY_VARIANT: (
        "a dataset and a training variant each. Add a dataset on the page of `benchmark_dataset`, a variant on that of `clip_checkpoint`"
    ),
}
"""What to type where the page asks for no more than a name."""


def described(step: Step, workspace: Workspace) -> dict[str, Any]:
    """Arguments of `dg.asset` and `dg.AssetSpec`: group, description, kinds, owners, tags, columns and code."""
    asset = step.asset
    metadata: dict[str, Any] = {"dagster/code_references": code_references(step)}
    if asset.columns:
        metadata["dagster/column_schema"] = columns(asset.columns)
    return {
        "group_name": GROUPS[asset.stage],
        "description": description(step, workspace),
        "kinds": set(asset.kinds),
        "owners": [f"team:{asset.owner}"],
        "tags": tags(asset),
        "metadata": metadata,
    }


def tags(asset: Asset) -> dict[str, str]:
    """To search for on the page: the stage, what the asset needs, and what it holds."""
    found = {"stage": asset.stage}
    if asset.pool:
        found[asset.pool] = "needed"
    if asset.holds_photos or asset.learnt_from_photos:
        found["photos"] = "held" if asset.holds_photos else "learnt_from"
    if asset.on_request:
        found["runs"] = "on_request"
    return found


def description(step: Step, workspace: Workspace) -> str:
    """Markdown. Its first line is the sentence of the declaration, which lists of assets show."""
    asset = step.asset
    folder = f"{asset.stage}/{asset.name}/{PARTITION_FOLDERS[asset.partitions]}"
    lines = [asset.about, ""]
    reads = ", ".join(f"`{name}`" for name in (*asset.after, *asset.sources))
    lines.append(f"**Reads** {reads or 'nothing that was built before'}")
    lines += ["", f"**Writes** `{folder}` below the data folder"]
    if job := REQUEST_JOBS.get(asset.name):
        lines += ["", f"**Started** by the job `{job}`: *Materialize all* passes it by"]
    if added := ADDED_PARTITIONS.get(asset.partitions):
        lines += ["", f"**Partitions** {added}"]
    for page in (kind for kind in asset.preview if isinstance(kind, Page)):
        place = workspace.store.root / folder / page.file
        lines += ["", f"**Open** `file://{place}` in a browser, or copy that folder to where yours is"]
    lines += ["", *_settings_lines(fingerprinted_settings(step, workspace), workspace)]
    return "\n".join(lines)


def _settings_lines(fields: list[SettingField], workspace: Workspace) -> list[str]:
    if not fields:
        return ["**Settings** none: it depends on what it reads alone"]
    recipe = workspace.recipe
    head = f"**Settings** that decide its bytes, with the values of the recipe {recipe.name}, version {settings_version(recipe)}"
    changed = [field for field in fields if _value(field, workspace) != field.default]
    shown = fields if len(fields) <= MAX_LISTED_SETTINGS else changed
    lines = [head, ""]
    if shown:
        lines += ["| setting | value | what it does |", "|---|---|---|"]
        lines += [f"| {field.full_name} | {_value(field, workspace)!r} | {_cell(field.help)} |" for field in shown]
    if rest := [field for field in fields if field not in shown]:
        lines += ["", f"At their defaults: {', '.join(field.full_name for field in rest)}"]
    return lines


def _value(field: SettingField, workspace: Workspace) -> Any:
    return getattr(getattr(workspace.recipe, field.section), field.name)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def code_references(step: Step) -> dg.CodeReferencesMetadataValue:
    """The function that builds the asset, and its declaration, on the machine that the page runs on. The page writes "Open …
    in editor" around the labels."""
    build = step.builder.build.__code__
    places = [(Path(build.co_filename), build.co_firstlineno, build.co_name)]
    for path in sorted(Path(declared.__file__).parent.glob("*.py")):
        places += [(path, line, step.name) for line in _lines_of(path, f'name="{step.name}"')]
    return dg.CodeReferencesMetadataValue(
        code_references=[
            dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=f"{path.name}: {name}")
            for path, line, name in places
        ]
    )


def _lines_of(path: Path, text: str) -> list[int]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, start=1) if text in line]
