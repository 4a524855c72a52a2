"""Runs that are killed, and runs that follow them."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from clip_pipeline.embedding.dataset import embed_dataset_images
from clip_pipeline.embedding.store import read_embeddings
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg
from clip_pipeline_tests.made.warm_python import run_python, start_python

CPU = ComputeSettings(device="cpu")
COUNT, BLOCK = 1500, 64

RUN = f"""
import sys, pathlib
from clip_pipeline.embedding.dataset import embed_dataset_images
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline_tests.embedding.test_resume import photos
embed_dataset_images(
    sys.argv[1], photos(), {COUNT}, pathlib.Path(sys.argv[2]), EmbeddingSettings(), ComputeSettings(device="cpu"),
    work=pathlib.Path(sys.argv[3]), block_photos={BLOCK},
)
"""


def photos(read: list[str] | None = None):
    for number in range(COUNT):

        def content(number: int = number) -> bytes:
            if read is not None:
                read.append(f"{number}")
            return b"broken" if number % 97 == 5 else jpeg((number % 256, number // 7 % 256, 30), (40, 30))

        yield f"{number}", content


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def undisturbed(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    embed_dataset_images(model, photos(), COUNT, folder, EmbeddingSettings(), CPU, block_photos=BLOCK)
    return folder


def same_files(one: Path, other: Path) -> None:
    for name in ("images.npy", "images.parquet", "images_failures.parquet"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert not (one / ".blocks").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_gives_the_same_bytes(model, undisturbed, tmp_path):
    run = start_python(["-c", RUN, model, tmp_path / "out", tmp_path / "work"])
    while len(list((tmp_path / "work" / ".blocks").glob("0*.arrow"))) < 3 and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    assert run.wait() == -signal.SIGKILL, "it was done before it could be killed"
    finished = len(list((tmp_path / "work" / ".blocks").glob("0*.arrow")))
    assert not (tmp_path / "out" / "images.parquet").exists()
    read: list[str] = []
    facts = embed_dataset_images(
        model, photos(read), COUNT, tmp_path / "out", EmbeddingSettings(), CPU, tmp_path / "work", block_photos=BLOCK
    )
    assert facts["resumed"] == finished * BLOCK
    assert len(read) == COUNT - facts["resumed"], "photos of finished blocks are not even read"
    same_files(tmp_path / "out", undisturbed)


class Killed(Exception):
    """Stands for the end of a process where a whole one would be slow."""


def killed_after(listed: list):
    yield from listed
    raise Killed


def begin(model: Path, out: Path, work: Path, listed: list, **options) -> None:
    with pytest.raises(Killed):
        embed_dataset_images(
            model, killed_after(listed), None, out, EmbeddingSettings(), CPU, work, block_photos=BLOCK, **options
        )


def test_photos_that_changed_their_order_are_embedded_again(model, undisturbed, tmp_path):
    listed = list(photos())[: 4 * BLOCK]
    begin(model, tmp_path / "out", tmp_path / "work", listed[: 2 * BLOCK])
    swapped = [*listed[:BLOCK], *listed[2 * BLOCK : 3 * BLOCK], *listed[BLOCK : 2 * BLOCK], *listed[3 * BLOCK :]]
    facts = embed_dataset_images(
        model, swapped, None, tmp_path / "out", EmbeddingSettings(), CPU, tmp_path / "work", block_photos=BLOCK
    )
    assert facts["resumed"] == BLOCK
    keys, matrix = read_embeddings(tmp_path / "out", "images")
    known, right = read_embeddings(undisturbed, "images")
    row_of = {one: row for row, one in enumerate(known["id"].to_pylist())}
    ids = keys["id"].to_pylist()
    assert ids == [photo_id for photo_id, _ in swapped if photo_id in row_of]
    np.testing.assert_allclose(matrix, right[[row_of[one] for one in ids]], atol=2e-3)


def test_blocks_behind_one_that_was_damaged_are_embedded_again(model, undisturbed, tmp_path, caplog):
    listed = list(photos())
    begin(model, tmp_path / "out", tmp_path / "work", listed[: 3 * BLOCK])
    (tmp_path / "work" / ".blocks" / "00001.arrow").write_bytes(b"not a block")
    facts = embed_dataset_images(
        model, listed, None, tmp_path / "out", EmbeddingSettings(), CPU, tmp_path / "work", block_photos=BLOCK
    )
    assert facts["resumed"] == BLOCK and "embedded again from its block 1 on" in caplog.text
    same_files(tmp_path / "out", undisturbed)


@pytest.mark.parametrize(
    ("settings", "identity"),
    [
        (EmbeddingSettings(dtype="float32"), "one"),
        (EmbeddingSettings(unit_length=False), "one"),
        (EmbeddingSettings(), "two"),
    ],
)
def test_another_format_or_set_of_photos_starts_anew(model, settings, identity, tmp_path):
    listed = list(photos())[: 2 * BLOCK]
    begin(model, tmp_path / "out", tmp_path / "work", listed[:BLOCK], identity="one")
    facts = embed_dataset_images(
        model, listed, None, tmp_path / "out", settings, CPU, tmp_path / "work", identity, block_photos=BLOCK
    )
    assert facts["resumed"] == 0
    _, matrix = read_embeddings(tmp_path / "out", "images")
    np.testing.assert_allclose(np.linalg.norm(matrix.astype(np.float32), axis=1), 1, atol=2e-3)


MEASURE = """
import itertools, pathlib, resource, sys
from clip_pipeline.embedding.dataset import embed_dataset_images
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline_tests.made.tiny_model import jpeg
content = jpeg((9, 99, 199), (160, 120))
for count in (256, 2_560):
    photos = ((f"{number}", content) for number in range(count))
    embed_dataset_images(
        sys.argv[1], photos, count, pathlib.Path(sys.argv[2], str(count)), EmbeddingSettings(),
        ComputeSettings(device="cpu"), block_photos=64,
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_ten_times_the_photos_need_no_more_memory(model, tmp_path):
    """The peak of one process, after 256 photos and after 2,560 more. 1,000 and 50,000 real sizes: 409 and 410 MB (2026-11-21)."""
    result = run_python(["-c", MEASURE, model, tmp_path])
    assert result.returncode == 0, result.stderr
    few, many = map(int, result.stdout.split())
    assert many - few < 20, f"{few} and {many} MB"
