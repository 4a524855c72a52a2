"""`run`, `status`, `plan` and `takedown` as people see them on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from clip_pipeline.images.takedown import TAKEDOWNS_FILE, Found, read_takedowns
from clip_pipeline.pipeline.graph import select
from clip_pipeline.pipeline.partitions import model_names
from clip_pipeline.pipeline.photo_sources.registry import photo_source
from clip_pipeline.pipeline.run import AssetOutcome, run_steps
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.pipeline.status import ArtifactStatus
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.training.model.initial_model import check_initial_model
from clip_pipeline.training.options import architecture_of


def run_command(
    recipe: Recipe,
    data_folder: str,
    selection: str,
    partition: str,
    force: bool,
    report: Callable[[Workspace, Sequence[AssetOutcome]], None],
) -> None:
    """Runs the selected steps and prints one line an asset, then the scoreboard. `report` is told what was done."""
    steps = select(selection)
    started = time.monotonic()
    with Workspace(data_folder, recipe) as workspace:
        click.echo(f"Recipe {recipe.name}, artifacts in {workspace.store.root}")
        if any(step.name == "image_links" for step in steps):
            photo_source(workspace).check()
        if any(step.name == "clip_checkpoint" for step in steps):
            check_initial_model(architecture_of(recipe.training), recipe.training.init_from)
        outcomes = run_steps(workspace, steps, partition, force, on_start=_say_start, on_done=_say_done)
        built, hits = sum(outcome.built for outcome in outcomes), sum(outcome.hits for outcome in outcomes)
        click.echo(f"{built} built, {hits} cache hits in {time.monotonic() - started:,.1f} s")
        report(workspace, outcomes)
        _say_scores(workspace, outcomes)


def say_takedowns(folder: Path) -> None:
    """Prints what was taken down in a data folder, or in a folder of shards."""
    photos = read_takedowns(folder / TAKEDOWNS_FILE).photos
    click.echo(f"{len(photos):,} photos were taken down in {folder}")
    for photo in photos:
        click.echo(f"  {photo.date}  {photo.id or photo.sha256}  {photo.reason}")


def say_taken_down(found: Found) -> None:
    """Prints what went, and what only looks the same."""
    for photo in found.photos:
        click.echo(f"Taken down: {photo.id or 'no photo here yet'}  sha256 {photo.sha256 or 'unknown'}")
    if found.look_alikes:
        shown = ", ".join(found.look_alikes[:10])
        click.echo(f"{len(found.look_alikes)} more look the same and were left: {shown}")


def takedown_command(recipe: Recipe, data_folder: str, names: Sequence[str], reason: str) -> None:
    """Takes photos down and says what went."""
    from clip_pipeline.pipeline.takedown import take_down

    with Workspace(data_folder, recipe) as workspace:
        outcome = take_down(workspace, names, reason, _say_done)
        say_taken_down(outcome.found)
        if outcome.stale:
            click.echo(f"Learnt with the photo, until the next clip-pipeline run: {', '.join(outcome.stale)}")


def _say_start(step: Step) -> None:
    if sys.stdout.isatty():
        click.echo(f"  {step.name:<20} …", nl=False)


def _say_done(outcome: AssetOutcome) -> None:
    if sys.stdout.isatty():
        click.echo("\r", nl=False)
    done = "cache: hit" if outcome.hits and not outcome.built else f"{outcome.built} built"
    if outcome.built and outcome.hits:
        done += f", {outcome.hits} cache: hit"
    if not outcome.partitions:
        done = "nothing to do"
    click.echo(f"  {outcome.asset:<20} {done:<22} {outcome.seconds:>7.1f} s   {_rows_text(outcome)}")


def _rows_text(outcome: AssetOutcome) -> str:
    totals: dict[str, int] = {}
    for materialised in outcome.partitions.values():
        for name, count in materialised.artifact.rows.items():
            totals[name] = totals.get(name, 0) + count
    return ", ".join(f"{count:,} {name}" for name, count in totals.items())


def _say_scores(workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
    if not any(outcome.asset == "benchmark_report" for outcome in outcomes):
        return
    from clip_pipeline.evaluation.report.terminal_table import scoreboard
    from clip_pipeline.evaluation.scores import read_scores

    report = workspace.get("benchmark_report")
    click.echo("\n" + scoreboard(read_scores(report.file("scores.json"))))
    click.echo(f"\nReport    {report.folder / 'report.html'}")
    click.echo(f"Model     {workspace.store.folder(artifact_key('clip_checkpoint', model_names(workspace.recipe)[0]))}")
    click.echo("Look      make dev, then http://127.0.0.1:3000")


def status_table(statuses: Sequence[ArtifactStatus]) -> str:
    """The statuses as text: one line an asset, partitions of equal state together, then the reasons."""
    lines = [f"{'stage':<12}{'asset':<20}{'state':<28}{'size':>10}   why"]
    for asset in dict.fromkeys(status.asset for status in statuses):
        of_asset = [status for status in statuses if status.asset == asset]
        size = _size_text(sum(status.bytes for status in of_asset))
        lines.append(
            f"{find_asset(asset).stage:<12}{asset:<20}{_states_text(of_asset):<28}{size:>10}   {_why_text(of_asset)}"
        )
    return "\n".join(line.rstrip() for line in lines)


def plan_table(workspace: Workspace) -> str:
    """What the search for photos will cost, one line a number. Raises SettingsError for a source that is not searched."""
    from clip_pipeline.pipeline.photo_sources.link_plan import plan_rows
    from clip_pipeline.pipeline.photo_sources.registry import search_plan

    return "\n".join(f"{name:<26}{value}" for name, value in plan_rows(search_plan(workspace)))


def _states_text(statuses: Sequence[ArtifactStatus]) -> str:
    counts: dict[str, int] = {}
    for status in statuses:
        counts[status.state] = counts.get(status.state, 0) + 1
    if len(statuses) == 1 and not statuses[0].partition:
        return statuses[0].state
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _why_text(statuses: Sequence[ArtifactStatus]) -> str:
    first = next((status for status in statuses if status.state in ("stale", "waiting", "unreadable")), None)
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
