"""Ids that begin with the sign of an option are ids."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from clip_pipeline.cli.ids import TakesIds


@click.command(cls=TakesIds, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1)
@click.option("--list", "only_list", is_flag=True)
@click.option("--reason", default="")
@click.option("-d", "--data", default="")
def show(names: tuple[str, ...], only_list: bool, reason: str, data: str) -> None:
    click.echo(f"{names} {only_list} {reason} {data}")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-hGS8gK8-HG"], "('-hGS8gK8-HG',) False  "),
        (["LF8gK8-HGSg", "--reason", "-x", "--bcdefghij"], "('LF8gK8-HGSg', '--bcdefghij') False -x "),
        (["-abc", "--list", "-dfolder"], "('-abc',) True  folder"),
        (["--", "-h", "--list"], "('-h', '--list') False  "),
        (["-abc", "--", "--list"], "('-abc', '--list') False  "),
    ],
)
def test_what_is_no_option_is_an_id(args, said):
    assert CliRunner().invoke(show, args).output.strip() == said.strip()


def test_options_stay_options():
    assert "Usage" in CliRunner().invoke(show, ["-h"]).output
    assert "No such option" in CliRunner().invoke(show, ["--lsit"]).output
