"""What a run did: of one partition as soon as it is done, of one asset, and the sentence that it ends with where something failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from clip_pipeline.display.left_out import Row, added_rows
from clip_pipeline.errors import RunFailedError
from clip_pipeline.pipeline.builder import Incomplete
from clip_pipeline.pipeline.checks.evaluate import CheckResult
from clip_pipeline.storage.artifacts import Materialised


@dataclass
class AssetOutcome:
    """What a run did for one asset.

    partitions: what is there now, by partition. failures: the error of each that could not be built; under "" where its partitions
    could not even be found out. skipped: why each was left out, as the end of "skipped, since ...". incomplete: what those of them
    that are there lack for now. seconds: altogether.
    """

    asset: str
    partitions: dict[str, Materialised] = field(default_factory=dict)
    seconds: float = 0.0
    failures: dict[str, Exception] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    incomplete: dict[str, Incomplete] = field(default_factory=dict)

    @property
    def built(self) -> int:
        return sum(not outcome.hit for outcome in self.partitions.values())

    @property
    def hits(self) -> int:
        return sum(outcome.hit for outcome in self.partitions.values())

    @property
    def left_out(self) -> list[Row]:
        """What its partitions left out, together."""
        return added_rows(materialised.artifact.facts for materialised in self.partitions.values())

    @property
    def failed_checks(self) -> list[CheckResult]:
        """Those that stop what comes after them."""
        return [result for result in self.checks if result.stops]

    @property
    def warnings(self) -> list[CheckResult]:
        return [result for result in self.checks if result.warns]


@dataclass(frozen=True)
class PartitionDone:
    """One partition of a run is done, and how far the asset is.

    materialised: None where it failed or was skipped. error: why it failed. skipped: why it was left out. done, total: partitions.
    seconds: since the asset began. per_minute: partitions built a minute, hits left out; None before the first. minutes_left: at this rate, if no hit is left.
    """

    asset: str
    partition: str
    materialised: Materialised | None
    error: Exception | None
    skipped: str
    done: int
    total: int
    seconds: float
    per_minute: float | None
    minutes_left: float | None

    @property
    def pace(self) -> str:
        """Such as "120 of 1,000 partitions, 4.2 a minute, 210 minutes left"."""
        line = f"{self.done:,} of {self.total:,} partitions"
        if self.per_minute is None or self.minutes_left is None:
            return line
        left = self.minutes_left
        return f"{line}, {self.per_minute:,.1f} a minute, " + (
            f"{60 * left:.0f} seconds left" if left < 2 else f"{left:,.0f} minutes left"
        )


def skipped_sentence(outcome: AssetOutcome) -> str:
    """How many partitions of an asset were left out, why, and one of them, without a full stop; "" where none was."""
    if not outcome.skipped:
        return ""
    partition, reason = next(iter(outcome.skipped.items()))
    whole = not outcome.partitions and not outcome.failures
    of_all = len(outcome.skipped) + len(outcome.partitions) + len(outcome.failures)
    example = f", such as {partition}" if partition and of_all > 1 else ""
    count = "" if whole else f" {len(outcome.skipped):,} of {of_all:,}"
    return f"{outcome.asset} skipped{count}{example}, since {reason.removesuffix('.')}"


def incomplete_sentence(outcomes: Iterable[AssetOutcome]) -> str:
    """How many artifacts lack something for now, and what one of them lacks; "" where none does."""
    lacking = {
        name_of(outcome.asset, key): incomplete
        for outcome in outcomes
        for key, incomplete in outcome.incomplete.items()
    }
    if not lacking:
        return ""
    name, first = next(iter(lacking.items()))
    others = f"; {len(lacking) - 1:,} more lack {sum(one.count for one in lacking.values()) - first.count:,}"
    return f"Incomplete: {name} {first.sentence}{others if len(lacking) > 1 else ''}"


def name_of(asset: str, partition: str) -> str:
    """As artifacts are named, also for a key that none can have."""
    return f"{asset}[{partition}]" if partition else asset


def failures_of(outcomes: Iterable[AssetOutcome]) -> dict[str, Exception | str]:
    """What failed, by the name of the artifact: its error, or the sentence of a check that stops what comes after."""
    failures: dict[str, Exception | str] = {}
    for outcome in outcomes:
        failures |= {name_of(outcome.asset, key): error for key, error in outcome.failures.items()}
        for result in outcome.failed_checks:
            failures[f"{result.name}, the check {result.check.name}"] = result.outcome.found
    return failures


def raise_failures(outcomes: Sequence[AssetOutcome]) -> None:
    """Raises RunFailedError with the list where something failed, from the first error."""
    failures = failures_of(outcomes)
    if not failures:
        return
    first = next((error for error in failures.values() if isinstance(error, Exception)), None)
    skipped = [sentence for outcome in outcomes if (sentence := skipped_sentence(outcome))]
    raise RunFailedError(failures, skipped) from first
