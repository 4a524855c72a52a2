"""Launch scripts: bash can parse them, and they hold the very command."""

from __future__ import annotations

import subprocess

import pytest
from click.testing import CliRunner

from clip_pipeline.api.launch import Launch, launch, single_node_script, slurm_script, train_command
from clip_pipeline.cli import commands
from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe

RECIPE = with_settings(find_recipe("workstation"), ["training.batch_size=1024"])
COMMAND = train_command("my photos/", "out/model", "it's.csv", "workstation", ["training.batch_size=1024"])


def words_after_torchrun(script: str) -> list[str]:
    """What bash hands to torchrun, which is a function here, as are SLURM's commands."""
    stand_ins = """
        torchrun() { printf '%s\\n' "$@"; }
        srun() { "$@"; }
        scontrol() { seq -f node%g 50000; }
        SLURM_JOB_NODELIST=node[1-2] SLURM_JOB_ID=7
    """
    return subprocess.run(
        ["bash"], input=stand_ins + script, text=True, capture_output=True, check=True
    ).stdout.splitlines()


def assert_bash_parses(script: str) -> None:
    assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).stderr == ""


def test_the_script_for_one_machine_holds_the_command_and_bash_parses_it():
    script = single_node_script(Launch(per_node=4, cores=6), COMMAND, RECIPE)
    assert_bash_parses(script)
    assert words_after_torchrun(script) == ["--standalone", "--nproc-per-node", "4", *COMMAND]
    assert "export OMP_NUM_THREADS=6\n" in script
    assert "256 on each of 4 GPUs" in script


def test_the_sbatch_script_asks_for_what_it_uses_and_bash_parses_it():
    script = slurm_script(Launch(nodes=2, per_node=8, hours=1.5, partition="gpu"), COMMAND, RECIPE)
    assert_bash_parses(script)
    head = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    for line in (
        "--nodes=2",
        "--gpus-per-node=8",
        "--ntasks-per-node=1",
        "--time=01:30:00",
        "--partition=gpu",
        "--requeue",
    ):
        assert f"#SBATCH {line}" in head
    assert script.index(head[-1]) < script.index("set -euo"), "SLURM reads no line after the first command"
    words = words_after_torchrun(script)
    assert words[:4] == ["--nnodes", "2", "--nproc-per-node", "8"]
    assert words[4:10] == ["--rdzv-backend", "c10d", "--rdzv-endpoint", "node1:29500", "--rdzv-id", "7"]
    assert words[10:] == COMMAND


def test_a_batch_that_the_processes_cannot_share_gets_a_sentence():
    with pytest.raises(
        SettingsError, match="batch_size is 1024, which 3 processes cannot share evenly. Set it to 1023"
    ):
        single_node_script(Launch(per_node=3), COMMAND, RECIPE)
    with pytest.raises(SettingsError, match="several machines need --slurm"):
        single_node_script(Launch(nodes=2), COMMAND, RECIPE)


def test_the_command_line_prints_the_script():
    options = [
        "launch",
        "--slurm",
        "--nodes",
        "2",
        "--data",
        "d",
        "-o",
        "m",
        "--recipe",
        "wkit24m",
        "--set",
        "training.plan=wkit_24m",
    ]
    result = CliRunner().invoke(commands, options)
    assert result.exit_code == 0
    assert_bash_parses(result.output)
    assert words_after_torchrun(result.output)[-4:] == ["--recipe", "wkit24m", "--set", "training.plan=wkit_24m"]


def test_a_model_that_is_unknown_is_said_before_the_script_is_sent_away_and_photos_that_are_elsewhere_are_named(caplog):
    with pytest.raises(ModelError, match='There is no model "vit_s_16_113"'):
        launch("photos", "model", settings=["training.model=vit_s_16_113"])
    assert "--data photos -o model" in launch("photos", "model", slurm=True)
    assert "There is no photos on this machine" in caplog.text
