"""What `run` prints of checks, of failures and of what was left out."""

from __future__ import annotations

import re

from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.cli.run_output import say_done
from clip_pipeline.cli.sentences import terminal_sentence
from clip_pipeline.errors import Materialise, MissingArtifactError, RunFailedError, SourceError
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline_tests.words.dumps import dump_xml, page_xml


def run_words(tmp_path, *more: str):
    """A run of the words of a small dump, none of which is frequent enough."""
    (tmp_path / "wiki.xml").write_text(dump_xml(page_xml("A", "cat tree house")))
    settings = [f"wikipedia.dump={tmp_path / 'wiki.xml'}", "words.min_count=1000", "compute.workers=1"]
    where = ["--recipe", "tiny", "--data", str(tmp_path / "data"), "--no-history", "--select", "words"]
    return CliRunner().invoke(commands, ["run", *where, *(f"--set={setting}" for setting in settings), *more])


def test_a_blocking_check_is_said_where_it_fails_and_the_run_fails(tmp_path):
    result = run_words(tmp_path)
    assert isinstance(result.exception, RunFailedError), "which the program ends with, status 1"
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(re.fullmatch(r"vocabulary 1 built .* 0 words", line) for line in lines)
    assert any(line.startswith("vocabulary_holds_words stops what comes after: 0 words were kept") for line in lines)
    assert lines[-1].endswith("2 checks, 1 failed")
    again = run_words(tmp_path)
    assert isinstance(again.exception, RunFailedError)
    assert again.stdout.splitlines()[-1].endswith("2 checks, 1 failed, 2 remembered"), "never silently"


def test_without_checks_none_is_mentioned(tmp_path):
    result = run_words(tmp_path, "--no-checks")
    assert result.exit_code == 0, result.output
    assert "check" not in result.stdout.splitlines()[-1]


def test_failures_and_skips_are_lines_below_their_asset(capsys):
    say_done(
        AssetOutcome(
            "image_shards",
            failures={f"{number:05d}": SourceError("The host is gone.") for number in range(7)},
            skipped={"00009": "photo_catalog failed"},
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "image_shards 7 failed 0.0 s"
    assert lines[1:7] == [f"    0000{number} failed: The host is gone." for number in range(5)] + ["    and 2 more"]
    assert lines[7] == "    image_shards skipped 1 of 8, such as 00009, since photo_catalog failed"


def test_at_the_terminal_the_list_says_what_to_type():
    missing = MissingArtifactError("vocabulary is needed.", Materialise("vocabulary"))
    failed = RunFailedError({"image_links[000]": missing}, ["photo_catalog skipped, since image_links[000] failed"])
    assert "image_links[000]: vocabulary is needed. Run: clip-pipeline run --select +vocabulary" in terminal_sentence(
        failed
    )
