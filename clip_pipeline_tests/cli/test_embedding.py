"""`clip-pipeline embed` as a person types it."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(jpeg((ord(name), 0, 99)))
    (tmp_path / "photos" / "c.jpg").write_bytes(b"")
    return tmp_path / "photos"


def embed(*arguments: object):
    command = ["embed", *map(str, arguments), "--device", "cpu"]
    return CliRunner().invoke(commands, command, catch_exceptions=False, standalone_mode=False)


def test_photos_and_texts_go_into_one_folder(model, photos, tmp_path):
    (tmp_path / "classes.txt").write_text("cup\nball\n")
    result = embed(
        *("--model", model, "--images", photos, "--texts", tmp_path / "classes.txt", "--template", "a photo of a {c}"),
        *("-o", tmp_path / "out", "--dtype", "float32"),
    )
    assert "Embedded 2 photos, 1 could not be decoded." in result.output
    assert "Embedded 2 texts." in result.output
    assert np.load(tmp_path / "out" / "images.npy").dtype == np.float32
    assert pq.read_table(tmp_path / "out" / "texts.parquet")["text"].to_pylist() == [
        "a photo of a cup",
        "a photo of a ball",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")) == [
        "images.npy",
        "images.parquet",
        "images_failures.parquet",
        "texts.npy",
        "texts.parquet",
    ]


def test_clip_retrievals_layout_is_an_option(model, photos, tmp_path):
    embed("--model", model, "--images", photos, "-o", tmp_path / "out", "--layout", "clip-retrieval")
    assert np.load(tmp_path / "out" / "img_emb" / "img_emb_0.npy").shape == (2, 32)


def test_options_that_do_not_go_together_are_told(model, photos, tmp_path):
    (tmp_path / "t.txt").write_text("cup\n")
    out = ("--model", model, "-o", tmp_path / "out")
    with pytest.raises(SettingsError, match="There is nothing to embed. Give --images, --texts or both"):
        embed(*out)
    with pytest.raises(SettingsError, match="Embed --images and --texts into folders of their own"):
        embed(*out, "--images", photos, "--texts", tmp_path / "t.txt", "--layout", "clip-retrieval")
    with pytest.raises(SettingsError, match="Give --texts"):
        embed(*out, "--images", photos, "--template", "a {c}")
    with pytest.raises(ModelError, match="Names near to it: .*ViT-B-32"):
        embed("--model", "ViT-B-23/openai", "--images", photos, "-o", tmp_path / "out")
