"""The message about a run that failed."""

from __future__ import annotations

import json
import sys

import pytest

dg = pytest.importorskip("dagster")


@pytest.fixture
def hook(tmp_path, monkeypatch):
    """A command that writes what it is handed into the file that is returned."""
    script, heard = tmp_path / "hook.py", tmp_path / "heard with a space.json"
    script.write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).write_text(sys.stdin.read())\n")
    monkeypatch.setenv("CLIP_PIPELINE_ON_FAILURE", f"{sys.executable} {script} '{heard}'")
    return heard


def failed_run(definitions, instance, monkeypatch):
    """A run of one partition that fails with a sentence of ours."""
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "words.min_cuont=30")
    result = dg.materialize(
        list(definitions.assets),
        selection=dg.AssetSelection.assets("image_links"),
        instance=instance,
        resources=definitions.resources,
        partition_key="000",
        raise_on_error=False,
    )
    assert not result.success
    return result


def evaluate(definitions, instance, result):
    from clip_pipeline.defs.automation.on_failure import on_failure

    context = dg.build_run_status_sensor_context(
        "on_failure", result.get_run_failure_event(), instance, result.dagster_run
    ).for_run_failure()
    return on_failure(context)


def test_the_command_is_handed_run_asset_partition_and_sentence(own_definitions, own_instance, hook, monkeypatch):
    result = failed_run(own_definitions, own_instance, monkeypatch)
    assert evaluate(own_definitions, own_instance, result) is None
    told = json.loads(hook.read_text())
    assert told["run_id"] == result.run_id and told["asset"] == "image_links" and told["partition"] == "000"
    assert "min_cuont" in told["sentence"] and "Did you mean" in told["sentence"]


def test_without_a_command_the_tick_says_that_nobody_was_told(own_definitions, own_instance, monkeypatch):
    result = failed_run(own_definitions, own_instance, monkeypatch)
    assert "names no command" in evaluate(own_definitions, own_instance, result).skip_message


@pytest.mark.parametrize(
    "command, why",
    [
        ("/nowhere/notify", "No such file"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"no mail today\")'", "no mail today"),
        (f"{sys.executable} -c 'import time; time.sleep(60)'", "timed out"),
    ],
)
def test_a_command_that_fails_or_hangs_fails_the_tick(command, why, monkeypatch):
    import shlex

    from clip_pipeline.defs.automation import on_failure

    monkeypatch.setattr(on_failure, "SECONDS", 0.5 if "sleep" in command else 30)
    with pytest.raises(dg.Failure, match="CLIP_PIPELINE_ON_FAILURE") as failure:
        on_failure.tell(shlex.split(command), {"run_id": "1"})
    assert why in failure.value.description


def test_nothing_of_the_command_goes_through_a_shell(tmp_path):
    import shlex

    from clip_pipeline.defs.automation.on_failure import tell

    tell(shlex.split(f"/bin/echo hello ; touch {tmp_path / 'made'}"), {"run_id": "$(touch here)"})
    assert not (tmp_path / "made").exists()
