"""Saved states: whole or not there, the latest kept, and what is read back."""

from __future__ import annotations

import errno
import logging

import pytest
import torch

from clip_pipeline.errors import DiskError, TrainingError
from clip_pipeline.training import checkpoint
from clip_pipeline.training.checkpoint import Saving, load_best, load_state, remove_states, save_best, save_state


def saved_steps(folder) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def save(folder, step: int, keep: int = 1) -> None:
    save_state({"plan": "p", "step": step}, {"w": torch.full((3,), float(step))}, folder, keep)


def test_the_latest_states_are_kept_and_the_last_is_loaded(tmp_path):
    for step in (5, 20, 100):
        save(tmp_path, step, keep=2)
    assert saved_steps(tmp_path) == ["step_000000020", "step_000000100"]
    state, weights = load_state(tmp_path, "p")
    assert state["step"] == 100 and weights["w"].tolist() == [100.0] * 3
    assert load_state(tmp_path, "another plan") is None
    assert load_state(tmp_path / "empty", "p") is None
    remove_states(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_is_passed_over_for_the_one_before(tmp_path, caplog):
    save(tmp_path, 1, keep=2)
    save(tmp_path, 2, keep=2)
    path = tmp_path / "checkpoints/step_000000002/weights.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with caplog.at_level(logging.WARNING):
        state, _ = load_state(tmp_path, "p")
    assert state["step"] == 1 and "is passed over" in caplog.text


def test_a_state_stays_although_another_training_had_come_further(tmp_path):
    """With other settings a training begins again, in the same work folder, below the steps that the last one had reached."""
    save(tmp_path, 5000)
    save_state({"plan": "q", "step": 7}, {"w": torch.zeros(3)}, tmp_path)
    assert saved_steps(tmp_path) == ["step_000000007"]
    assert load_state(tmp_path, "q")[0]["step"] == 7


def test_nothing_but_plain_values_is_read(tmp_path):
    """A state file is data: code that someone put into it is not run."""
    save(tmp_path, 1)

    class Harmful:
        def __reduce__(self):
            return (print, ("code in a state file was run",))

    torch.save({"plan": "p", "step": Harmful()}, tmp_path / "checkpoints/step_000000001/state.pt")
    assert load_state(tmp_path, "p") is None


@pytest.mark.parametrize("name", ["STATE", "WEIGHTS"])
def test_a_full_disk_leaves_the_older_state_and_says_so(tmp_path, monkeypatch, name):
    """The kernel's own refusal: the file that is written is /dev/full."""
    save(tmp_path, 1)
    real_mkdir = checkpoint.Path.mkdir

    def mkdir_with_full_disk(folder, *arguments, **keywords):
        real_mkdir(folder, *arguments, **keywords)
        if folder.name.startswith(".step"):
            (folder / getattr(checkpoint, name)).symlink_to("/dev/full")

    monkeypatch.setattr(checkpoint.Path, "mkdir", mkdir_with_full_disk)
    with pytest.raises(DiskError, match="disk that holds .* is full"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert saved_steps(tmp_path) == ["step_000000001"]
    assert load_state(tmp_path, "p")[0]["step"] == 1


def test_the_best_weights_are_replaced_in_one_step(tmp_path, monkeypatch):
    save_best({"w": torch.ones(2)}, tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "sync_path", full)
    with pytest.raises(DiskError):
        save_best({"w": torch.zeros(2)}, tmp_path)
    assert load_best(tmp_path)["w"].tolist() == [1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_state_is_due_after_so_many_seconds_or_steps():
    by_time = Saving(seconds=30)
    assert [by_time.is_due(5, seconds) for seconds in (0, 29.9, 30, 31)] == [False, False, True, True]
    by_steps = Saving(seconds=30, steps=4)
    assert [step for step in range(1, 10) if by_steps.is_due(step, 0.0)] == [4, 8]


def change_a_byte(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt", "sums.json"])
def test_a_state_of_which_one_byte_changed_is_passed_over(tmp_path, caplog, name):
    save(tmp_path, 1, keep=2)
    save(tmp_path, 2, keep=2)
    change_a_byte(tmp_path / "checkpoints/step_000000002" / name)
    state, _ = load_state(tmp_path, "p")
    assert state["step"] == 1 and "is passed over" in caplog.text


def test_a_state_of_a_version_that_summed_nothing_up_is_still_gone_on_from(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "checkpoints/step_000000003/sums.json").unlink()
    assert load_state(tmp_path, "p")[0]["step"] == 3


def test_the_best_weights_come_back_or_a_sentence_says_that_they_changed(tmp_path):
    save_best({"w": torch.tensor([1.0, 2.0])}, tmp_path)
    assert load_best(tmp_path)["w"].tolist() == [1.0, 2.0]
    change_a_byte(tmp_path / "best.safetensors")
    with pytest.raises(TrainingError, match=r"checksum does not match. Remove .* and train again"):
        load_best(tmp_path)
