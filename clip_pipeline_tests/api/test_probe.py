"""MNIST's way through one command: idx, arrays, embeddings, probes, predictions, accuracies."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.api import probe as probe_verb
from clip_pipeline.api.probe import probe
from clip_pipeline.cli import commands
from clip_pipeline.errors import DatasetError
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline_tests.evaluation.fakes import score
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg

SETTINGS = (
    "compute.device=cpu", "evaluation.bootstrap_samples=100", "probe.inverse_regularizations=13", "probe.shots=1",
    "probe.few_shot_seeds=2", "probe.mlp_batch_size=16",
)  # fmt: skip
RECIPE = with_settings(find_recipe("tiny"), SETTINGS)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    with gzip.open(path, "wb") as stream:
        stream.write(head + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """A small MNIST: each class has its bright square at a place of its own, under noise."""
    folder = tmp_path_factory.mktemp("mnist")
    generator = np.random.default_rng(0)
    for stem, photos in (("train", 200), ("t10k", 60)):
        labels = generator.permutation(np.arange(photos) % 10)
        images = generator.integers(0, 40, (photos, 28, 28))
        for image, label in zip(images, labels, strict=True):
            top, left = 14 * (label // 5), 5 * (label % 5)
            image[top : top + 13, left : left + 6] += 200
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", labels)
    return folder


def test_from_idx_files_to_accuracies(model, digits, tmp_path):
    out = tmp_path / "out"
    probed = probe(model, f"mnist={digits}", out, recipe=RECIPE)
    images, labels = np.load(out / "arrays" / "t10k_images.npy"), np.load(out / "arrays" / "t10k_labels.npy")
    assert images.shape == (60, 28, 28) and images.dtype == np.uint8
    assert np.load(out / "arrays" / "train_images.npy").shape == (200, 28, 28)
    assert len(np.load(out / "embeddings" / "images.npy")) == 260
    for name in ("linear_probe", "mlp_probe"):
        predicted = np.load(out / "probes" / f"{name}_test.npy")
        rows = [row for row in probed.rows if row["task"] == name]
        assert (predicted == labels).mean() == pytest.approx(score(rows, "top1")["value"], abs=1e-6)
    linear = [row for row in probed.rows if row["task"] == "linear_probe"]
    assert score(linear, "top1")["value"] > 0.9
    assert score(linear, "top1")["n"] == 60 and score(linear, "top1_on_training")["n"] == 200
    zero_shot = [row for row in probed.rows if row["task"] == "zero_shot"]
    assert score(linear, "top1")["value"] >= score(zero_shot, "top1", "test")["value"]
    table = pq.read_table(out / "probes" / "predictions.parquet").to_pylist()
    of_linear = {row["id"]: row["predicted"] for row in table if row["probe"] == "linear_probe"}
    assert [of_linear[f"test/{row:05d}"] for row in range(60)] == np.load(
        out / "probes" / "linear_probe_test.npy"
    ).tolist()


def test_photos_are_embedded_from_the_arrays_in_the_order_of_the_labels(model, digits, tmp_path, monkeypatch):
    given: list[tuple[str, np.ndarray]] = []
    inner = probe_verb.embed_dataset_images

    def watched(model, images, *rest, **options):
        kept = list(images)
        given.extend(kept)
        return inner(model, iter(kept), *rest, **options)

    monkeypatch.setattr(probe_verb, "embed_dataset_images", watched)
    probe(model, f"mnist={digits}", tmp_path / "out", recipe=RECIPE)
    train = np.load(tmp_path / "out" / "arrays" / "train_images.npy")
    assert [photo_id for photo_id, _ in given[:2]] == ["train/00000", "train/00001"] and given[200][0] == "test/00000"
    assert all((image == train[row]).all() for row, (_, image) in enumerate(given[:200]))


@pytest.mark.slow
def test_the_command_prints_the_accuracies(model, digits, tmp_path, capsys):
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    arguments = ["probe", "--model", str(model), "--dataset", f"mnist={digits}", "-o", str(tmp_path / "out"), *settings]
    commands([*arguments, "--device", "cpu"], standalone_mode=False)
    printed = capsys.readouterr().out
    for words in (
        "linear probe, mnist test",
        "MLP probe, mnist test",
        "top-1, 1 a class",
        "zero-shot, mnist test",
        "Took:",
    ):
        assert words in printed
    assert (tmp_path / "out" / "probes" / "scores.json").exists()


def test_class_folders_are_probed_too_and_leave_no_arrays(model, tmp_path):
    for name, colour in (("red", (220, 20, 20)), ("blue", (20, 20, 220))):
        (tmp_path / "things" / name).mkdir(parents=True)
        for number in range(8):
            shade = tuple(min(255, part + number) for part in colour)
            (tmp_path / "things" / name / f"{number}.jpg").write_bytes(jpeg(shade))
    probed = probe(model, str(tmp_path / "things"), tmp_path / "out", recipe=RECIPE)
    assert score([row for row in probed.rows if row["task"] == "linear_probe"], "top1")["n"] == 8
    assert not (tmp_path / "out" / "arrays").exists()


def test_photos_without_labels_are_told_before_anything_is_embedded(model, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg((1, 2, 3)))
    with pytest.raises(DatasetError, match="without labels"):
        probe(model, str(tmp_path / "photos"), tmp_path / "out", recipe=RECIPE)
    (tmp_path / "photos" / "captions.csv").write_text("file,caption\na.jpg,a red cup\n")
    with pytest.raises(DatasetError, match="captions and no labels"):
        probe(model, str(tmp_path / "photos"), tmp_path / "out", recipe=RECIPE)


def test_real_mnist_becomes_arrays_whole_and_in_order(shared_data, tmp_path):
    from clip_pipeline.evaluation.datasets import open_dataset

    name = f"mnist={shared_data('mnist')}"
    opened = open_dataset(name)
    images = probe_verb._images(name, opened, tmp_path / "arrays")
    assert next(images)[0] == "train/00000"
    train, test = (np.load(tmp_path / "arrays" / f"{stem}_images.npy", mmap_mode="r") for stem in ("train", "t10k"))
    assert (train.shape, test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    labels = np.concatenate([np.load(tmp_path / "arrays" / f"{stem}_labels.npy") for stem in ("train", "t10k")])
    assert labels[:5].tolist() == [5, 0, 4, 1, 9] and np.bincount(labels[60_000:])[0] == 980
    assert labels.tolist() == opened.labels
