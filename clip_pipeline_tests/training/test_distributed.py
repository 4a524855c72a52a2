"""Two processes of torchrun's on the CPU against one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pickle
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clip_pipeline.errors import SettingsError
from clip_pipeline.training.distributed import ONE_PROCESS, Processes
from clip_pipeline.training.reports.log import read_log
from clip_pipeline_tests.made.tiny_model import write_tiny_resnet
from clip_pipeline_tests.made.warm_python import start_python
from clip_pipeline_tests.training.conftest import SETTINGS

WORKER = """
import json, os, pathlib, sys, time
place = pathlib.Path(sys.argv[1], os.environ["RANK"])
place.with_suffix(".new").write_text(json.dumps(dict(os.environ)))
place.with_suffix(".new").rename(place.with_suffix(".json"))
while not place.with_suffix(".done").exists():
    time.sleep(0.05)
"""
"""What torchrun starts: says what it is given, and lives as long as the training that is then made in a copy of a process that has
loaded torch, under the same environment: ten seconds of a core less than two processes that load it."""

SCRIPT = """
import pickle, pathlib, sys
from clip_pipeline.training import train
from clip_pipeline.training.distributed import joined_processes
train.plot_log = lambda *arguments: None  # half a second for each training, and no part of what is compared
data, runs = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
with joined_processes() as processes:
    for root, settings in runs:
        photos = iter(data.photos if processes.first else ())
        facts = data.train(root, settings, photos=photos, processes=processes)
        assert bool(facts) == processes.first
"""


def torchrun_twice(words: Sequence[object], folder: Path) -> None:
    """Runs the Python program twice, as torchrun does on one machine."""
    (folder / "worker.py").write_text(WORKER)
    started = [
        "--standalone",
        "--log-dir",
        str(folder / "logs"),
        "--nproc-per-node",
        "2",
        str(folder / "worker.py"),
        str(folder),
    ]
    agent = start_python(["-m", "torch.distributed.run", *started])
    with contextlib.ExitStack() as files:
        said = [files.enter_context((folder / f"{rank}.txt").open("w+")) for rank in "01"]
        programs = []
        for rank in "01":
            given = folder / f"{rank}.json"
            while not given.exists():
                assert agent.poll() is None, "torchrun started nothing"
                time.sleep(0.05)
            environment = json.loads(given.read_text()) | {"OMP_NUM_THREADS": "1"}
            programs.append(start_python(words, said[int(rank)], said[int(rank)], environment))
        ends = [program.wait() for program in programs]
    for rank in "01":
        (folder / f"{rank}.done").touch()
    assert ends == [0, 0], [(folder / f"{rank}.txt").read_text()[-3000:] for rank in "01"]
    assert agent.wait() == 0


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tiny_data, tmp_path):
    """The features of both are gathered, so the loss compares the whole batch, and so are the batch norms' means; the weights stay the same on both."""
    plain = dataclasses.replace(SETTINGS, epochs=3, crop_scale=0.6, flip=True, bag_of_words_loss=0.5)
    chunked = dataclasses.replace(
        plain, loss="sigmoid", chunk_size=2, captions_per_photo=2, token_dropout=0.2, mixup_alpha=0.5
    )
    norms = dataclasses.replace(
        plain, model=str(write_tiny_resnet(tmp_path / "resnet.json")), epochs=1, learning_rate=1e-6
    )
    runs = [(tmp_path / "plain", plain), (tmp_path / "chunked", chunked), (tmp_path / "batch_norms", norms)]
    (tmp_path / "runs.pickle").write_bytes(pickle.dumps((tiny_data, runs)))
    torchrun_twice(["-c", SCRIPT, tmp_path / "runs.pickle"], tmp_path)
    for root, settings in runs:
        alone = tmp_path / "alone" / root.name
        tiny_data.train(alone, dataclasses.replace(settings, chunk_size=0))
        for name in ("train_loss", "gradient_norm", "logit_scale"):
            two, one = (read_log(folder / "model" / "train_log.csv")[name] for folder in (root, alone))
            assert two == pytest.approx(one, abs=1e-5, rel=1e-4), name
        two, one = (load_file(folder / "model" / "open_clip_model.safetensors") for folder in (root, alone))
        assert all(torch.allclose(two[name], one[name], atol=2e-4) for name in one)


def test_a_batch_that_cannot_be_shared_evenly_gets_a_sentence():
    assert [Processes(rank, 3).share(12) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    with pytest.raises(
        SettingsError, match="training.batch_size is 10, which 3 processes cannot share evenly. Set it to 9"
    ):
        Processes(0, 3).share(10)


def test_one_process_sends_nothing():
    rows = torch.randn(3, 2)
    assert torch.equal(ONE_PROCESS.gathered(rows), rows) and torch.equal(ONE_PROCESS.own_rows(rows), rows)
    assert ONE_PROCESS.first
    ONE_PROCESS.wait()
