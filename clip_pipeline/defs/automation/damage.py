"""The job that looks for damage in the data folder: `clip-pipeline verify` on the page."""

from typing import Any

import dagster as dg
from pydantic import Field

from clip_pipeline.defs.page.run_log import package_lines_in
from clip_pipeline.defs.page.sentences import page_failure
from clip_pipeline.defs.resources import PipelineResource
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.checks.data_folder import NOTES, Verification, verify_data_folder
from clip_pipeline.storage.damage import Finding

LOOK = "look_for_damage"
"""The op whose configuration says how it looks."""

MAX_SHOWN = 200


class VerifySettings(dg.Config):
    """How the data folder is looked at."""

    deep: bool = Field(False, description="Read all bytes, not only sizes and times.")
    sample: float = Field(0.0, description="Read this share of the bytes, in percent, of files drawn by chance.")
    seed: int = Field(-1, description="Draw the sample of this number; -1 draws another each time.")
    repair: bool = Field(False, description="Set aside what is damaged, so that the next run builds it anew.")


@dg.op(name=LOOK, out=dg.Out(dg.Nothing))
def look_for_damage(context: dg.OpExecutionContext, config: VerifySettings, pipeline: PipelineResource) -> None:
    """Fails, with the list, where something is damaged. Changes nothing unless it is asked to repair."""
    seed = None if config.seed < 0 else config.seed
    try:
        with package_lines_in(context.log), pipeline.workspace() as workspace:
            root = workspace.store.root
            found = verify_data_folder(root, deep=config.deep, percent=config.sample, seed=seed, repair=config.repair)
    except ClipPipelineError as error:
        raise page_failure(error, allow_retries=False) from error
    context.log.info(_looked_text(found))
    for kind in NOTES:
        findings = [finding for finding in found.findings if finding.kind == kind]
        if findings:
            more = len(findings) - 1 + found.left_out.get(kind, 0)
            context.log.info(f"{kind}: {_sentence(findings[0])}" + (f", and {more:,} more" if more else ""))
    if found.damaged:
        raise dg.Failure(_damage_text(found), metadata={"Damage": _table(found.damaged)}, allow_retries=False)


def _looked_text(found: Verification) -> str:
    how = "all of them were read" if found.deep else f"{found.bytes_read:,} of them were read"
    if found.percent and not found.deep:
        how += f", a sample of {found.percent:g} % drawn with the seed {found.seed}"
    return (
        f"{found.artifacts:,} artifacts, {found.files:,} files, {found.bytes:,} bytes; {how} in {found.seconds:,.1f} s."
    )


def _damage_text(found: Verification) -> str:
    first, more = _sentence(found.damaged[0]), len(found.damaged) - 1
    others = f", and {more:,} more" if more else ""
    if found.repaired:
        todo = f"{', '.join(found.repaired[:5])} were set aside: the next run builds them."
    else:
        todo = "Launch this job with repair on, then run_pipeline: it builds what is damaged."
    return f"{first}{others}. {todo}"


def _sentence(finding: Finding) -> str:
    of = f"{finding.asset}[{finding.partition}]" if finding.partition else finding.asset or finding.place
    return f"{of}: {finding.found}"


def _table(findings: list[Finding]) -> Any:
    rows = [
        dg.TableRecord(
            {"artifact": one.asset or one.place, "partition": one.partition, "found": one.found, "what to do": one.todo}
        )
        for one in findings[:MAX_SHOWN]
    ]
    return dg.MetadataValue.table(rows)


@dg.job(
    name="verify_data",
    description="Looks for damage in the data folder: every artifact against its manifest. Fails where some is found; builds nothing.",
    executor_def=dg.in_process_executor,
)
def verify_data() -> None:
    """One op; it reads the folder of the page."""
    look_for_damage()
