"""Errors in the words of the page: what to do names an asset and its partition, with a link, and the job that does it."""

import re

import dagster as dg

from clip_pipeline.display.printable import printable
from clip_pipeline.errors import (
    MAX_LISTED,
    AnotherDataFolder,
    ClipPipelineError,
    Command,
    Materialise,
    Remedy,
    RunFailedError,
)

WHOLE_GRAPH_JOB = "run_pipeline"


def page_sentence(error: ClipPipelineError) -> str:
    """What was found, and what to do about it on the page."""
    if isinstance(error, RunFailedError):
        return error.text(page_sentence)
    return printable(f"{error.found} {_advice(error.remedy)}" if error.remedy else str(error))


def page_failure(error: ClipPipelineError, allow_retries: bool = True) -> dg.Failure:
    """The error as the run's page shows it, with a link to the asset that mends it; `raise page_failure(error) from error`."""
    return dg.Failure(page_sentence(error), metadata=page_links(error), allow_retries=allow_retries)


def page_links(error: ClipPipelineError) -> dict[str, dg.MetadataValue]:
    """The asset to materialise as a link, or those that failed of a whole run; empty for an error that no asset mends."""
    if isinstance(error, RunFailedError):
        return {
            name: dg.MetadataValue.asset(dg.AssetKey(_asset_of(name))) for name in list(error.failures)[:MAX_LISTED]
        }
    if not isinstance(error.remedy, Materialise):
        return {}
    links: dict[str, dg.MetadataValue] = {
        "Asset to materialize": dg.MetadataValue.asset(dg.AssetKey(error.remedy.asset))
    }
    if error.remedy.partition:
        links["Partition"] = dg.MetadataValue.text(error.remedy.partition)
    return links


def _asset_of(failed: str) -> str:
    """`image_shards` of "image_shards[00012]" and of "image_shards, the check photos_decode"."""
    return re.split(r"[\[,]", failed)[0]


def _advice(remedy: Remedy) -> str:
    match remedy:
        case Materialise(asset, partition, again, alone):
            where = f"materialize {asset}, partition {partition}," if partition else f"materialize {asset}"
            how = f"{where} with force in its launchpad" if again else f"{where} on its page in the catalog"
            job = "" if alone or again else f" Or launch the job {WHOLE_GRAPH_JOB}, which builds whatever is missing."
            return f"{'To build it again' if again else 'First'}, {how}.{job}"
        case AnotherDataFolder(otherwise):
            return f"{otherwise}, or start the page on another data folder (CLIP_PIPELINE_DATA)."
        case Command(purpose, command):
            return f"{purpose} in a terminal with: {command}"
