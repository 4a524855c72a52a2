"""kill -9 at steps that chance chooses, for each kind of training that has a state of its own; then the same losses and bytes."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from clip_pipeline.training.reports.log import read_log
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.tiny_model import write_tiny_resnet
from clip_pipeline_tests.made.warm_python import run_python
from clip_pipeline_tests.training.conftest import SETTINGS

STEPS = 20
pytestmark = pytest.mark.slow
KINDS = {
    "sigmoid_in_chunks": {
        "loss": "sigmoid", "chunk_size": 3, "ema_decay": 0.9, "patch_dropout": 0.5, "bag_of_words_loss": 0.5, "export_weights": "best", "flip": True,
    },
    "best_of_bf16": {"precision": "bf16", "export_weights": "best", "crop_scale": 0.6, "color_jitter": 0.3, "schedule": "linear"},
    "fp16_with_a_scaler": {
        "precision": "fp16", "chunk_size": 4, "gradient_checkpointing": True, "freeze": "text", "schedule": "cooldown",
    },
    "batch_statistics_by_muon": {"model": "tiny_resnet.json", "optimizer": "muon", "steps": 9, "warmup_steps": 3},
}  # fmt: skip

# One process loads everything and trains nothing itself; each training is a copy of it (fork), which costs no loading.
SCRIPT = """
import os, pathlib, pickle, signal, sys, time
import torch
torch.set_num_threads(1)
from clip_pipeline.models.torchvision_operators import define_missing_operators
define_missing_operators()
import open_clip
import clip_pipeline.models.text_features, clip_pipeline.training.data.batch_plan_kernel
import clip_pipeline.pixels.color_kernels, clip_pipeline.pixels.normalise_kernels, clip_pipeline.pixels.resize_kernels
from clip_pipeline.training import train
train.plot_log = lambda *arguments: None  # half a second for each training, and no part of what is compared
data, runs = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
os.chdir(pathlib.Path(sys.argv[1]).parent)  # the model of a kind lies there

def start(root, settings):
    child = os.fork()
    if child == 0:
        try:
            data.train(root, settings)
            os._exit(0)
        finally:
            os._exit(1)
    return child

def newest_step(states):
    return max((int(path.name.removeprefix("step_")) for path in states.glob("step_*")), default=0)

for root, settings, moments in runs:
    states = root / "work" / "checkpoints"
    for moment in moments:
        child = start(root, settings)
        while newest_step(states) < moment and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)[1]
        if moments and os.waitstatus_to_exitcode(ended) != -signal.SIGKILL:
            sys.exit(f"{root} came to its end before it was killed at step {moment}")
        (root / f"killed_{moment}").write_bytes((states / f"step_{newest_step(states):09d}" / "state.pt").read_bytes())
    if os.waitstatus_to_exitcode(os.waitpid(start(root, settings), 0)[1]):
        sys.exit(f"{root} failed")
"""


@pytest.fixture(scope="module")
def killed(tiny_data, tmp_path_factory) -> Path:
    """Of each kind a training that was killed twice, and one that was not."""
    root = tmp_path_factory.mktemp("kills")
    chance = np.random.default_rng(TEST_SEED)
    runs = []
    write_tiny_resnet(root / "tiny_resnet.json")
    for kind, changes in KINDS.items():
        settings = dataclasses.replace(SETTINGS, **({"steps": STEPS} | changes))
        eager = dataclasses.replace(settings, checkpoint_steps=1, keep_checkpoints=2)
        moments = sorted(chance.choice(settings.steps - 4, 2, replace=False).tolist())
        runs.append((root / kind / "killed", eager, [moment + 1 for moment in moments]))
        runs.append((root / kind / "undisturbed", settings, []))
    for folder, _, _ in runs:
        folder.mkdir(parents=True)
    (root / "runs.pickle").write_bytes(pickle.dumps((tiny_data, runs)))
    done = run_python(["-c", SCRIPT, root / "runs.pickle"])
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_killed_twice_ends_with_the_losses_and_the_bytes_of_an_undisturbed_one(killed, kind):
    models = [killed / kind / name / "model" for name in ("killed", "undisturbed")]
    for name in ("open_clip_model.safetensors", "training.json"):
        one, other = (folder / name for folder in models)
        assert one.read_bytes() == other.read_bytes(), name
    ours, theirs = (read_log(folder / "train_log.csv") for folder in models)
    assert ours["step"] == list(range(1, len(ours["step"]) + 1)), "no row twice, none left out"
    for column in ("train_loss", "validation_loss", "gradient_norm", "logit_scale", "learning_rate"):
        assert str(ours[column]) == str(theirs[column]), column


def test_the_kinds_had_a_state_that_could_have_been_lost(killed):
    def states(kind: str) -> list[dict]:
        paths = (killed / kind / "killed").glob("killed_*")
        return [torch.load(path, weights_only=True) for path in paths]

    assert all(0 < state["step"] < STEPS for kind in KINDS for state in states(kind))
    scalers = [state["scaler"] for state in states("fp16_with_a_scaler")]
    assert all(scaler["scale"] != 65536.0 or scaler["_growth_tracker"] for scaler in scalers)
    assert all(state["averaged_steps"] for state in states("sigmoid_in_chunks"))
    summary = json.loads((killed / "best_of_bf16/killed/model/training.json").read_text())
    assert summary["published_step"] == summary["best_step"]
