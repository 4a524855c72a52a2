"""Bad input to a training, through the command line: one sentence, that says what was found, what was expected, what to do.

Each test is a way in which a training of somebody's own data goes wrong.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from safetensors.torch import load_file

from clip_pipeline.cli import program
from clip_pipeline.training.reports.log import read_log
from clip_pipeline_tests.training.conftest import COLOURS, coloured_photo

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "training.model": "tiny_test",
    "training.batch_size": "8",
    "training.steps": "4",
    "download.image_size": "24",
    "download.min_side": "16",
    "tokenizer.vocab_size": "300",
    "compute.threads": "1",
    "compute.workers": "1",
}


def write_tar(path: Path, captions: list[str]) -> None:
    with tarfile.open(path, "w") as tar:
        for number, caption in enumerate(captions):
            photo = coloured_photo(list(COLOURS)[number % 4], number)
            for ending, content in (("jpg", photo), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{number:03d}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="module")
def tars(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tars")
    write_tar(folder / "00000.tar", [f"a {list(COLOURS)[n % 4]} square number {n}" for n in range(40)])
    return folder


@pytest.fixture
def run(monkeypatch, capsys, caplog):
    """`clip-pipeline WORDS` in this process: status, and what was said on stderr."""

    def run_in_this_process(*words: object) -> tuple[int, str]:
        caplog.clear()
        status = call_main(monkeypatch, *words)
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        return status, "\n".join([*warnings, capsys.readouterr().err])

    return run_in_this_process


def call_main(monkeypatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["clip-pipeline", *map(str, words)])
    status = 0
    try:
        program.main()
    except SystemExit as end:
        status = int(end.code or 0)
    return status


def train_words(data: Path, output: Path, changes: dict[str, object]) -> list[object]:
    settings = SETTINGS | {f"training.{name}" if "." not in name else name: value for name, value in changes.items()}
    assignments = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return ["train", "--data", data, "-o", output, "--recipe", "sandbox", "--device", "cpu", *assignments]


@pytest.fixture
def train(run, tmp_path):
    """Trains on a folder with changed settings; (status, stderr)."""
    return lambda data, changes=None, output=tmp_path / "model": run(*train_words(data, output, changes or {}))


@pytest.fixture(scope="module")
def model(tars, tmp_path_factory) -> Path:
    """A trained model of the tars."""
    output = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as patch:
        assert call_main(patch, *train_words(tars, output, {})) == 0
    return output


def assert_one_sentence(outcome: tuple[int, str], *parts: str) -> None:
    status, said = outcome
    assert status == 1, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("clip-pipeline: ") and last.endswith("."), said
    assert "Traceback" not in said
    for part in parts:
        assert part in last, (part, last)


# ---- data


def test_a_cut_tar(train, tars, tmp_path):
    (tmp_path / "cut").mkdir()
    content = (tars / "00000.tar").read_bytes()
    (tmp_path / "cut/00000.tar").write_bytes(content[: len(content) // 2 + 300])
    assert_one_sentence(
        train(tmp_path / "cut"), "00000.tar is no whole tar (it is cut: it ends after", "Make or download it again"
    )
    (tmp_path / "cut/00000.tar").write_bytes(b"no tar at all" * 1000)
    assert_one_sentence(train(tmp_path / "cut"), "00000.tar is no whole tar", "Make or download it again")


@pytest.mark.slow
def test_empty_captions_are_left_out_and_told_and_no_caption_at_all_is_an_error(train, tmp_path):
    (tmp_path / "some").mkdir(), (tmp_path / "none").mkdir()
    write_tar(tmp_path / "some/00000.tar", ["", "   "] + [f"a square number {n}" for n in range(38)])
    write_tar(tmp_path / "none/00000.tar", [""] * 12)
    status, said = train(tmp_path / "some")
    assert status == 0 and '2 of "photo without caption"' in said
    assert json.loads((tmp_path / "model/training.json").read_text())["training_photos"] <= 38
    shutil.rmtree(tmp_path / "model")  # one made of other photos is not replaced unasked
    assert_one_sentence(
        train(tmp_path / "none"), "No valid pair of photo and caption is left", "'photo without caption'"
    )


def test_a_batch_larger_than_the_data(train, tars):
    outcome = train(tars, {"batch_size": 64})
    assert_one_sentence(outcome, "batch_size is 64, but there are only 3", "Set training.batch_size to")


@pytest.mark.slow
def test_captions_longer_than_the_context_are_told_and_trained_on(train, tars):
    status, said = train(tars, {"context_length": 6})
    assert status == 0
    assert "100% of the captions are longer than the 6 tokens" in said and "Raise training.context_length" in said


def test_fewer_shards_than_workers_changes_nothing(train, tars, model, tmp_path):
    """A reference stood still when its loader had more workers than shards; here no worker owns a shard."""
    status, said = train(tars, {"compute.workers": 8})
    assert status == 0, said
    name = "open_clip_model.safetensors"
    assert (tmp_path / "model" / name).read_bytes() == (model / name).read_bytes()


# ---- settings


def test_a_warmup_longer_than_the_run(train, tars):
    outcome = train(tars, {"warmup_steps": 1000})
    assert_one_sentence(outcome, "warmup_steps is 1,000, but the training has only 4 steps", "Set it to 1 or less")


def test_a_learning_rate_that_ends_in_no_number(train, tars):
    wild = {"learning_rate": 1.0, "grad_clip_norm": 0, "weight_decay": 1e30, "warmup_percent": 0}
    assert_one_sentence(train(tars, wild), "no finite number", "Lower training.learning_rate (now 1)")


@pytest.mark.slow
def test_a_learning_rate_that_teaches_nothing_stops_after_a_third(train, tars, tmp_path):
    outcome = train(tars, {"learning_rate": 1.0, "steps": 660})
    assert_one_sentence(
        outcome, "After 221 steps the loss is", "ln 8 = 2.079: nothing was learnt", "Try a lower training"
    )
    log = read_log(tmp_path / ".model.work/training/train_log.csv")
    assert 200 <= log["step"][-1] <= 221, "the log of what happened is kept"
    status, said = train(tars)
    assert status == 0, "the next try, in the same place, is not in the way of the first: " + said


# ---- models


def test_sizes_that_the_weights_have_not_are_named(train, tars, model):
    outcome = train(tars, {"init_from": model, "text_layers": 2, "embedding_size": 16})
    assert_one_sentence(
        outcome,
        "training.text_layers is 2 and training.embedding_size is 16",
        f"the weights of {model}, which the training goes on from, have sizes of their own. Set them to 0",
    )


def with_one_more_token(model: Path, folder: Path) -> Path:
    shutil.copytree(model, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    last = tokenizer["added_tokens"][-1]
    tokenizer["added_tokens"].append(last | {"id": last["id"] + 1, "content": "[MORE]"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def test_a_tokenizer_of_another_model(train, tars, model, tmp_path, run):
    rows = len(load_file(model / "open_clip_model.safetensors")["token_embedding.weight"])
    folder = with_one_more_token(model, tmp_path / "mixed")
    outcome = train(tars, {"init_from": folder})
    assert_one_sentence(outcome, f"has {rows + 1} tokens, the model was trained with {rows}", "copy both")
    (tmp_path / "photo.jpg").write_bytes(coloured_photo("red", 0))
    outcome = run("classify", tmp_path / "photo.jpg", "--labels", "a, b", "--model", folder)
    assert_one_sentence(outcome, f"has {rows + 1} tokens, the model was trained with {rows}", "copy both")


# ---- the machine

LIMITED = """
import pathlib, resource, sys
from clip_pipeline.cli.program import main
from clip_pipeline.training import trainer

real_run = trainer.Trainer.run

def run(self, *arguments):
    status = pathlib.Path("/proc/self/status").read_text()
    size = int(status.split("VmSize:")[1].split()[0]) * 1024 + allowed
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
    try:
        return real_run(self, *arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

trainer.Trainer.run = run  # what the preflight sees is free, is gone at the first step
statuses = []
for allowed in (1_000_000, 60_000_000):
    try:
        main()
    except SystemExit as end:
        statuses.append(end.code)
sys.exit(statuses != [1, 1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_too_little_memory_says_what_to_lower(tars, tmp_path):
    """The system's own refusal, in the first layer (where oneDNN fails) and behind it (where torch does)."""
    words = train_words(tars, tmp_path / "model", {"model": "laptop_vit", "batch_size": 32})
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LIMITED, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("clip-pipeline:")]
    assert len(sentences) == 2
    for sentence in sentences:
        assert (
            "The memory is not enough for 32 pairs at a time. Set training.chunk_size to 16: the batch stays"
            in sentence
        )


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte that is its own file system; `grow` makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if (
        not shutil.which("mount")
        or subprocess.run([*mount, "size=1000k", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("this user may not mount a small disk; test_checkpoint has a full disk without")
    yield folder, lambda: subprocess.run([*mount, "remount,size=20m", "tmpfs", folder], check=True)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_while_a_checkpoint_is_written_keeps_the_one_before(train, tars, small_disk, tmp_path):
    disk, grow = small_disk
    changes = {"checkpoint_steps": 1, "steps": 12}
    assert_one_sentence(
        train(tars, changes, disk / "model"), "The disk that holds", "is full", "What was finished is kept"
    )
    states = list((disk / ".model.work/training/checkpoints").iterdir())
    assert [path.name for path in states] == ["step_000000001"], "whole, and nothing of the next one beside it"
    grow()
    status, said = train(tars, changes, disk / "model")
    assert status == 0, said
    assert train(tars, {"steps": 12}, tmp_path / "undisturbed")[0] == 0
    name = "open_clip_model.safetensors"
    assert (disk / "model" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert read_log(disk / "model/train_log.csv")["step"] == list(range(1, 13))
