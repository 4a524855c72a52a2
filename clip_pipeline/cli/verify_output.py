"""`verify` as people see it on a terminal."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

import click

from clip_pipeline.display.text_table import text_table
from clip_pipeline.pipeline.checks.data_folder import NOTES, Verification, damaged_assets
from clip_pipeline.storage.damage import Finding, Kind

MAX_LISTED = 50

TITLES = {
    Kind.LEADS_OUT: "Lead out of the data folder",
    Kind.UNKNOWN: "Not known to any manifest",
    Kind.LEFTOVER: "Left over",
    Kind.BUSY: "Not looked at, as a run builds it",
    Kind.CACHE: "Caches",
}


def say_verification(found: Verification, options: str) -> None:
    """Prints what was looked at, the damage with what to do, and the rest. options: of the commands that mend."""
    click.echo(_looked_text(found))
    damaged = found.damaged
    if not damaged:
        click.echo("No damage was found.")
    else:
        click.echo(f"\nDamaged: {_count(len(damaged), 'finding')}")
        _say_table(damaged, header=("artifact", "partition", "found", "what to do"))
        _say_mending(found, options)
    for kind in NOTES:
        findings = [finding for finding in found.findings if finding.kind == kind]
        more = found.left_out.get(kind, 0)
        if kind == Kind.OLD:
            if findings:
                click.echo(
                    f"\n{_count(len(findings) + more, 'manifest')} of an older version without a checksum of their own, such as that "
                    f"of {_name(findings[0])}; each gets one when it is next written."
                )
        elif findings:
            click.echo(f"\n{TITLES[kind]}: {len(findings) + more:,}")
            _say_table(findings, more=more)


def mending_options(recipe: str, settings: Sequence[str], data: str) -> str:
    """The options of this call that another command needs too, with a space before them."""
    words = [] if recipe == "sandbox" else ["--recipe", recipe]
    words += [word for setting in settings for word in ("--set", setting)]
    words += [] if data == "data" else ["--data", data]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _looked_text(found: Verification) -> str:
    if found.deep:
        how = "every byte was read"
    elif found.percent:
        share = found.bytes_read / found.bytes if found.bytes else 0
        how = (
            f"{found.files_read:,} files with {share:.1%} of the bytes were read (drawn by chance: the same with "
            f"--sample {found.percent:g} --seed {found.seed})"
        )
    else:
        how = "sizes, times and manifests were looked at; changed bits are found with --deep or --sample"
    rate = f", {found.bytes_read / found.seconds / 1e6:,.0f} MB a second" if found.bytes_read > 1e8 else ""
    return (
        f"{found.root}: {_count(found.artifacts, 'artifact')}, {found.files:,} files, {found.bytes / 1e6:,.1f} MB in "
        f"{found.seconds:,.1f} s{rate}; {how}."
    )


def _say_table(findings: Sequence[Finding], header: Sequence[str] = (), more: int = 0) -> None:
    rows: list[tuple[str, ...]] = [
        (finding.asset or finding.place, finding.partition, finding.found, finding.todo)
        if header
        else (finding.place, finding.found, finding.todo)
        for finding in findings[:MAX_LISTED]
    ]
    click.echo(text_table(rows, header, indent="  "))
    if (rest := len(findings) - MAX_LISTED + more) > 0:
        click.echo(f"  and {rest:,} more; --json names them")


def _say_mending(found: Verification, options: str) -> None:
    assets = damaged_assets(found.findings)
    if found.repaired:
        click.echo(f"Set aside: {', '.join(found.repaired[:MAX_LISTED])}")
    if not assets:
        return
    counts = Counter(finding.asset for finding in found.damaged if finding.asset in assets)
    run = f"clip-pipeline run --select {','.join(assets)}{options}"
    hidden = [finding for finding in found.damaged if finding.hidden]
    if hidden and not found.repaired:
        only = f" --select {','.join(damaged_assets(hidden))}"
        partition = (
            f" --partition {shlex.quote(hidden[0].partition)}" if len(hidden) == 1 and hidden[0].partition else ""
        )
        run = f"clip-pipeline verify --deep --repair{only}{partition}{options}; {run}"
    click.echo(f"Mend {_count(sum(counts.values()), 'artifact')} with: {run}")


def _name(finding: Finding) -> str:
    return f"{finding.asset}[{finding.partition}]" if finding.partition else finding.asset


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
