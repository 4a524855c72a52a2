"""`run`, `status` and `takedown` as people see them on a terminal."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from clip_pipeline.cli.sentences import terminal_sentence
from clip_pipeline.display.counts import counts_text
from clip_pipeline.display.left_out import FACT, added_rows, left_out_sentences
from clip_pipeline.display.printable import terminal_of
from clip_pipeline.display.text_table import text_table
from clip_pipeline.errors import error_sentence
from clip_pipeline.images.takedown import TAKEDOWNS_FILE, read_takedowns
from clip_pipeline.pipeline.checks.evaluate import CheckResult
from clip_pipeline.pipeline.outcomes import AssetOutcome, PartitionDone, incomplete_sentence, skipped_sentence
from clip_pipeline.pipeline.progress_lines import progress_lines
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.status import ArtifactStatus
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.takedown import TakedownOutcome
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.manifest import Artifact

MAX_LISTED = 5
EXPLAINED = ("stale", "waiting", "unreadable", "old", "incomplete")
"""States whose reason stands in the table of `status`."""

MAX_NOT_SCORED = 6

Report = Callable[[Workspace, Sequence[AssetOutcome]], None]


class RunOutput:
    """What `run` prints: one line an asset, how much was built, and the scoreboard at a glance. also: is handed the same report."""

    def __init__(self, recipe: str, data: str, also: Report):
        self._title = f"Recipe {recipe}, artifacts in {Path(data).absolute()}"
        self._also = also
        self._started = time.monotonic()
        self._say_pace = progress_lines(lambda line: click.echo(f"    {line}"))

    def start(self, step: Step) -> None:
        if self._title:
            click.echo(self._title)
            self._title = ""
        if sys.stdout.isatty():
            click.echo(f"  {step.name:<20} …", nl=False)

    def partition(self, done: PartitionDone) -> None:
        """How far an asset of several partitions is: on a terminal on its line, elsewhere a line every ten seconds."""
        if not sys.stdout.isatty():
            self._say_pace(done)
        elif done.total > 1 and done.per_minute is not None:
            click.echo(f"\r  {done.asset:<20} {done.pace} …\x1b[K", terminal_of(sys.stdout), nl=False)

    def done(self, outcome: AssetOutcome) -> None:
        say_done(outcome)

    def report(self, workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
        built, hits = sum(outcome.built for outcome in outcomes), sum(outcome.hits for outcome in outcomes)
        click.echo(
            f"{built} built, {hits} cache hits in {time.monotonic() - self._started:,.1f} s{_checks_text(outcomes)}"
        )
        self._also(workspace, outcomes)
        if any(outcome.asset == "benchmark_report" and outcome.partitions for outcome in outcomes):
            _say_scores(workspace, outcomes)
        if incomplete := incomplete_sentence(outcomes):
            click.echo(incomplete)


def say_done(outcome: AssetOutcome) -> None:
    """Prints the line of one asset: what was built, in what time, how many rows."""
    if sys.stdout.isatty():
        click.echo("\r\x1b[K", terminal_of(sys.stdout), nl=False)
    done = "cache: hit" if outcome.hits and not outcome.built else f"{outcome.built} built"
    if outcome.built and outcome.hits:
        done += f", {outcome.hits} cache: hit"
    if not outcome.partitions:
        done = "nothing to do"
    if outcome.failures:
        done = f"{len(outcome.failures)} failed" + (f", {done}" if outcome.partitions else "")
    elif outcome.skipped:
        done = "skipped" if not outcome.partitions else f"{len(outcome.skipped)} skipped, {done}"
    click.echo(f"  {outcome.asset:<20} {done:<22} {outcome.seconds:>7.1f} s   {_rows_text(outcome)}")
    for line in _trouble_lines(outcome):
        click.echo(f"    {line}")


def _trouble_lines(outcome: AssetOutcome) -> list[str]:
    """What failed, what was left out, and what the checks say against what was built."""
    failed = [
        f"{key or outcome.asset} failed: {error_sentence(error, terminal_sentence)}"
        for key, error in outcome.failures.items()
    ]
    lines = failed[:MAX_LISTED]
    if len(failed) > MAX_LISTED:
        lines.append(f"and {len(failed) - MAX_LISTED:,} more")
    lines += _check_lines(outcome.failed_checks, "stops what comes after", outcome)
    lines += _check_lines(outcome.warnings, "warns", outcome)
    skipped = skipped_sentence(outcome)
    return [*lines, skipped] if skipped else lines


def _check_lines(results: Sequence[CheckResult], does: str, outcome: AssetOutcome) -> list[str]:
    """A line a check: what it found, of the first partition where it is several."""
    lines = []
    for name in dict.fromkeys(result.check.name for result in results):
        first, *others = [result for result in results if result.check.name == name]
        where = f" for {len(others) + 1:,} of {len(outcome.partitions):,} partitions, such as {first.key.partition}"
        lines.append(f"{name} {does}{where if first.key.partition else ''}: {first.outcome.found}")
    return lines


def _checks_text(outcomes: Sequence[AssetOutcome]) -> str:
    """How many checks there were, how many of them complain, and how many were not made again."""
    results = [result for outcome in outcomes for result in outcome.checks]
    if not results:
        return ""
    bad = {"failed": sum(result.stops for result in results), "warn": sum(result.warns for result in results)}
    remembered = sum(result.remembered for result in results)
    text = f"; {len(results)} check{'s' if len(results) > 1 else ''}" + "".join(
        f", {count} {word}" for word, count in bad.items() if count
    )
    return text + (f", {remembered} remembered" if remembered else "")


def _rows_text(outcome: AssetOutcome) -> str:
    totals: dict[str, int] = {}
    for materialised in outcome.partitions.values():
        for name, count in materialised.artifact.rows.items():
            totals[name] = totals.get(name, 0) + count
    return counts_text(totals) if totals else ""


def _say_scores(workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
    from clip_pipeline.evaluation.report.terminal_table import glance
    from clip_pipeline.evaluation.report.variants import COMPARISON_FILE, terminal_text
    from clip_pipeline.evaluation.scores import read_scores

    report = workspace.get("benchmark_report")
    rows = read_scores(report.file("scores.json"))
    by_variant = _rows_by_variant(rows)
    own = next(iter(by_variant), workspace.variant)
    click.echo("\n" + glance([*by_variant.get(own, []), *_best_adaptation(workspace, own)]))
    if len(by_variant) > 1:
        comparison = json.loads(report.file(COMPARISON_FILE).read_text(encoding="utf-8"))
        click.echo("\n" + terminal_text(by_variant, comparison))
    lacking = report.facts.get("not scored", [])
    for sentence in lacking[:MAX_NOT_SCORED]:
        click.echo(f"Not scored: {sentence}")
    if len(lacking) > MAX_NOT_SCORED:
        click.echo(f"Not scored: {len(lacking) - MAX_NOT_SCORED} more, named in the report")
    click.echo(f"\nThese are the headlines; all {len(rows):,} scores, with examples and curves, are in the report.")
    click.echo(f"Report    {report.folder / 'report.html'}")
    for name in by_variant:
        click.echo(f"Model     {workspace.store.folder(artifact_key('clip_checkpoint', name))}")
    for outcome in outcomes:
        if outcome.asset == "search_index":
            _say_search(workspace, [done.artifact for done in outcome.partitions.values()])
    look = "make dev" if Path("Makefile").is_file() else "clip-pipeline dev"
    click.echo(f"Look      {look}, then http://127.0.0.1:3000")


def _say_search(workspace: Workspace, indexes: Sequence[Artifact]) -> None:
    """How to search the photos, with words that some of them show."""
    for index in indexes:
        words = index.facts.get("example", "")
        if not words:  # no captions, no phrase
            continue
        data = (
            ""
            if workspace.store.root == Path("data").absolute()
            else f" --data {shlex.quote(str(workspace.store.root))}"
        )
        model = f" --model {index.key.partition}" if len(indexes) > 1 else ""
        click.echo(f"Search    clip-pipeline search {shlex.quote(words)}{data}{model}")


def _rows_by_variant(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each training variant, in the order of the report: that which it is of first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["provenance"]["model"], []).append(row)
    return found


def _best_adaptation(workspace: Workspace, variant: str) -> list[dict[str, Any]]:
    """The best score of the adaptation as a row of the scoreboard, with the interval over its seeds; none where there is none."""
    from clip_pipeline.adaptation.results import read_table
    from clip_pipeline.evaluation.scores import SCORES_FILE, read_scores

    curves = workspace.store.find(artifact_key("adaptation_curves", variant))
    if curves is None:
        return []
    best = max(read_table(curves.folder), key=lambda row: row["top1"])
    of_best = next(
        row
        for row in read_scores(curves.file(SCORES_FILE))
        if (row["method"], row["percent"], row["metric"]) == (best["method"], best["percent"], "top1")
    )
    share = "" if best["percent"] == 100 else f", {best['percent']:g} % of the photos"
    names = {"dataset": of_best["dataset"].replace(":", " "), "split": f"by {best['method']}{share}"}
    interval = {"value": best["top1"], "low": best["low"], "high": best["high"]}
    return [of_best | interval | names | {"task": "adaptation"}]


def say_takedowns(folder: str) -> None:
    """Prints what was taken down in a data folder, or in a folder of shards."""
    photos = read_takedowns(Path(folder) / TAKEDOWNS_FILE).photos
    click.echo(f"{len(photos):,} photos were taken down in {folder}")
    if photos:
        click.echo(text_table([(photo.date, photo.id or photo.sha256, photo.reason) for photo in photos], indent="  "))


def say_taken_down(outcome: TakedownOutcome) -> None:
    """Prints what went, what only looks the same, and what still knows the photo from learning."""
    for photo in outcome.found.photos:
        click.echo(f"Taken down: {photo.id or 'no photo here yet'}  sha256 {photo.sha256 or 'unknown'}")
    look_alikes = outcome.found.look_alikes
    if look_alikes:
        click.echo(f"{len(look_alikes)} more look the same and were left: {', '.join(look_alikes[:10])}")
    if outcome.stale:
        click.echo(f"Learnt with the photo, until the next clip-pipeline run: {', '.join(outcome.stale)}")


def status_table(statuses: Sequence[ArtifactStatus]) -> str:
    """The statuses as text: one line an asset, partitions of equal state together, then the reasons."""
    rows = []
    for asset in dict.fromkeys(status.asset for status in statuses):
        of_asset = [status for status in statuses if status.asset == asset]
        size = _size_text(sum(status.bytes for status in of_asset))
        rows.append((of_asset[0].stage, asset, _states_text(of_asset), size, _why_text(of_asset)))
    table = text_table(rows, ("stage", "asset", "state", "size", "why"), right=(3,))
    return "\n".join([table, *_left_out_lines(statuses)])


def _left_out_lines(statuses: Sequence[ArtifactStatus]) -> list[str]:
    lines = []
    for asset in dict.fromkeys(status.asset for status in statuses):
        rows = added_rows({FACT: status.left_out} for status in statuses if status.asset == asset)
        lines += [f"Left out of {asset}: {sentence}" for sentence in left_out_sentences(rows)]
    return lines


def _states_text(statuses: Sequence[ArtifactStatus]) -> str:
    counts: dict[str, int] = {}
    for status in statuses:
        counts[status.state] = counts.get(status.state, 0) + 1
    if len(statuses) == 1 and not statuses[0].partition:
        return statuses[0].state
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _why_text(statuses: Sequence[ArtifactStatus]) -> str:
    first = next((status for status in statuses if status.state in EXPLAINED), None)
    if first is None:
        return ""
    return f"{first.partition}: {first.why}" if first.partition else first.why


def _size_text(size_bytes: int) -> str:
    if not size_bytes:
        return "-"
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
