"""The training of a language model: what it sees, that it learns, and that kill -9 changes no byte."""

from __future__ import annotations

import hashlib
import os
import pickle

import numpy as np
import pytest
import torch

from clip_pipeline.errors import InputError, SettingsError, TrainingError
from clip_pipeline.language.counts import CountModel
from clip_pipeline.language.model import KINDS, ModelForm
from clip_pipeline.language.training import (
    COLUMNS,
    Corpus,
    LanguageTrainer,
    LanguageTraining,
    language_arithmetic,
)
from clip_pipeline.training.reports.log import read_log
from clip_pipeline_tests.made.warm_python import run_python


def words(count: int, seed: int = 0) -> np.ndarray:
    """A text of eight words in chance's order, as ids of six characters."""
    rng = np.random.default_rng(seed)
    known = [np.append(rng.integers(1, 6, length), 0) for length in (2, 3, 3, 4, 5, 6, 6, 7)]
    return np.concatenate([known[number] for number in rng.integers(0, 8, count)]).astype(np.uint8)


TEXT = words(3000)
CORPUS = Corpus(TEXT[:10_000], TEXT[10_000:11_000], TEXT[:10_000] == 0)


def form(kind: str, **changes) -> ModelForm:
    return ModelForm(kind, 4.0, (1, 1, 1), 16, 2, vocabulary=6, **changes)


def trained(kind: str, folder, steps: int = 6, corpus: Corpus = CORPUS, **changes) -> LanguageTrainer:
    settings = LanguageTraining(**({"steps": steps, "batch": 4, "context": 32} | changes))
    with language_arithmetic(0, "cpu", 1):
        trainer = LanguageTrainer(form(kind), settings, corpus)
        trainer.run(folder)
    return trainer


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_and_logs_what_it_draws(kind, tmp_path):
    trainer = trained(kind, tmp_path, validation_characters=200)
    log = read_log(tmp_path / "train_log.csv", COLUMNS)
    assert log["step"] == [1, 2, 3, 4, 5, 6]
    assert all(0 < bits < 4 for bits in log["train_bits"] + log["validation_bits"])
    assert trainer.spent == pytest.approx(log["processor_seconds"][-1], rel=1e-5) and trainer.spent > 0
    assert all(np.isnan(log["boundary_share"])) == (kind == "none")
    if kind == "whitespace":
        assert log["boundary_share"][0] == pytest.approx(0.18, abs=0.04)
    assert all(np.isnan(log["boundary_loss"])) == (kind in ("none", "fixed", "whitespace"))


def test_a_step_is_a_function_of_its_number_and_reaches_every_stretch():
    settings = LanguageTraining(steps=1, batch=8, context=32)
    short = Corpus(np.arange(40, dtype=np.uint8), TEXT, np.arange(40) % 3 == 0)
    seen = set()
    for step in range(50):
        ids_BL, targets_BL = short.batch(settings, step)
        assert np.array_equal(ids_BL, short.batch(settings, step)[0])
        assert ids_BL.shape == (8, 33) and (np.diff(ids_BL) == 1).all()
        assert np.array_equal(targets_BL, ids_BL[:, :-1] % 3 == 0)
        seen |= set(ids_BL[:, 0].tolist())
    assert seen == set(range(8))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "whitespace", "router"])
def test_it_learns_more_than_single_characters_can_tell(kind, tmp_path):
    trainer = trained(kind, tmp_path, steps=120, batch=8, validation_characters=500, learning_rate=1e-2)
    alone = CountModel(TEXT[:10_000].astype(np.int64), 0, 6).bits(TEXT[10_000:11_000].astype(np.int64)).mean()
    assert trainer.validation_bits() < 0.75 * alone


def test_whatever_the_kind_a_rate_is_pushed_to_the_target(tmp_path):
    trained("router", tmp_path, steps=60, learning_rate=1e-2, raise_percent=0.0, rate_weight=1.0)
    shares = read_log(tmp_path / "train_log.csv", COLUMNS)["boundary_share"]
    assert abs(np.mean(shares[-10:]) - 0.25) < 0.1 < abs(shares[0] - 0.25) + 0.1


SCRIPT = """
import os, pathlib, pickle, signal, sys, time
import torch
torch.set_num_threads(1)
import torch._dynamo  # which an optimizer loads; here once for all
from clip_pipeline.language.folder import save_language_model
from clip_pipeline.language.training import LanguageTrainer, language_arithmetic
from clip_pipeline.training.checkpoint import Saving

def start(root, form, training, corpus, saving):
    child = os.fork()
    if child == 0:
        try:
            with language_arithmetic(0, "cpu", 1):
                trainer = LanguageTrainer(form, training, corpus, saving=saving)
                trainer.run(root / "work")
            save_language_model(trainer.model, form, root / "model")
            os._exit(0)
        finally:
            os._exit(1)
    return child

def newest(root):
    return max((int(path.name.removeprefix("step_")) for path in (root / "work/checkpoints").glob("step_*")), default=0)

for root, form, training, corpus, moments in pickle.loads(pathlib.Path(sys.argv[1]).read_bytes()):
    saving = Saving(steps=1, keep=2) if moments else Saving()
    for moment in moments:
        child = start(root, form, training, corpus, saving)
        while newest(root) < moment and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
            sys.exit(f"{root} came to its end before it was killed at step {moment}")
    if os.waitstatus_to_exitcode(os.waitpid(start(root, form, training, corpus, saving), 0)[1]):
        sys.exit(f"{root} failed")
"""


@pytest.mark.slow
def test_a_training_killed_twice_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    runs = []
    for kind in ("gumbel", "router"):
        settings = LanguageTraining(steps=40, batch=4, context=32, validation_characters=100)
        for name, moments in (("killed", (7, 19)), ("undisturbed", ())):
            runs.append((tmp_path / kind / name, form(kind, dropout=0.1), settings, CORPUS, moments))
    (tmp_path / "runs").write_bytes(pickle.dumps(runs))
    done = run_python(["-c", SCRIPT, tmp_path / "runs"], os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    for kind in ("gumbel", "router"):
        folders = [tmp_path / kind / name for name in ("killed", "undisturbed")]
        digests = [hashlib.sha256((folder / "model/model.safetensors").read_bytes()).hexdigest() for folder in folders]
        assert digests[0] == digests[1], kind
        logs = [read_log(folder / "work/train_log.csv", COLUMNS) for folder in folders]
        for column in COLUMNS[:-2]:
            assert str(logs[0][column]) == str(logs[1][column]), column
        assert logs[0]["step"] == list(range(1, 41)), "no row twice, none left out"


def test_a_state_of_other_settings_is_left_aside(tmp_path):
    first = trained("fixed", tmp_path)
    first._save(tmp_path, first.plan)
    other = trained("fixed", tmp_path, seed=1)
    assert other.step == 6 and other.plan != first.plan
    assert not torch.equal(other.model.head.weight, first.model.head.weight)


def test_what_cannot_be_trained_on_is_refused_with_a_sentence(tmp_path):
    no_spaces = Corpus(np.full(1000, 3, np.uint8), TEXT)
    with pytest.raises(InputError, match="has no spaces, and whitespace pooling puts its boundaries there"):
        trained("whitespace", tmp_path, corpus=no_spaces)
    assert trained("fixed", tmp_path, corpus=no_spaces, steps=1).step == 1
    with pytest.raises(InputError, match="has 20 characters, and a stretch needs 33"):
        trained("none", tmp_path, corpus=Corpus(TEXT[:20], TEXT))
    with pytest.raises(SettingsError, match="learnt from targets, and none are given"):
        trained("unigram", tmp_path, corpus=Corpus(TEXT, TEXT))
    with pytest.raises(TrainingError, match=r"no finite number. Lower language.learning_rate \(now 1e\+30\)"):
        trained("none", tmp_path / "far", learning_rate=1e30, warmup_percent=0.0)
