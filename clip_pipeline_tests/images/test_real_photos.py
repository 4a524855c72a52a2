"""Real photos, and their like made by hand, into shards or into rows with the right reason."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageCms

from clip_pipeline.images.catalog import write_catalog
from clip_pipeline.images.download.catalog import download_catalog
from clip_pipeline.images.links.listed import links_without_word
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.fetch import PhotoFetcher
from clip_pipeline.sources.photos.formats.tar_index import read_shard
from clip_pipeline_tests.images.photos import jpeg, scene
from clip_pipeline_tests.made.opened_photos import list_folder
from clip_pipeline_tests.made.unpacking import unpack

SETTINGS = DownloadSettings(image_size=64, photos_per_shard=600)


def into_shards(photos: Path, output: Path) -> tuple[Counter[str], dict[str, dict], dict[str, dict[str, bytes]]]:
    """(number of photos by status, rows by id, samples by id) of a folder of photos."""
    catalog = output.with_name("catalog")
    write_catalog([links_without_word(list_folder(photos, "", ""))], SETTINGS.photos_per_shard, catalog)
    with PhotoFetcher(SETTINGS, {}, photos) as fetcher:
        statuses = download_catalog(catalog, output, SETTINGS, fetcher)
    rows = {row["key"]: row for path in output.glob("*.parquet") for row in pq.read_table(path).to_pylist()}
    samples = {rows[key]["id"]: files for path in output.glob("*.tar") for key, files in read_shard(path)}
    return statuses, {row["id"]: row for row in rows.values()}, samples


def assert_upright_rgb(samples: dict[str, dict[str, bytes]]) -> None:
    for files in samples.values():
        with Image.open(io.BytesIO(files["jpg"])) as stored:
            assert (stored.format, stored.mode, min(stored.size)) == ("JPEG", "RGB", 64)
            assert not stored.getexif()


@pytest.mark.slow
def test_the_thousand_flickr_photos_are_all_in_the_shards(tmp_path, shared_data):
    with tarfile.open(shared_data("flickr8k_orig_1000.tar")) as tar:
        unpack(tar, tmp_path)
    statuses, rows, samples = into_shards(tmp_path / "flickr8k_orig_1000", tmp_path / "shards")
    assert statuses == {"success": 1000}
    assert len(samples) == len(rows) == 1000
    assert all(len(row["captions"]) == 5 for row in rows.values())
    assert_upright_rgb(samples)
    assert max(row["text_share"] for row in rows.values()) < 0.5


def test_the_fifty_web_images_are_all_in_the_shard_though_thirteen_are_misnamed(tmp_path, shared_data):
    photos = shared_data("clip_embeddings/decoyer_50_images/images")
    statuses, _, samples = into_shards(photos, tmp_path / "shards")
    assert statuses == {"success": 50}
    assert_upright_rgb(samples)


@pytest.mark.slow
def test_photos_by_any_name_and_what_is_none_come_out_with_the_right_reason(tmp_path):
    """The generated twin of both."""
    photos = tmp_path / "photos"
    photos.mkdir()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number, (kind, options) in enumerate(
        [("WEBP", {}), ("PNG", {"icc_profile": profile}), ("JPEG", {"progressive": True}), ("GIF", {}), ("TIFF", {})]
    ):
        buffer = io.BytesIO()
        scene(number).save(buffer, kind, **options)
        (photos / f"misnamed_{number}.jpg").write_bytes(buffer.getvalue())
    good = jpeg(scene(9))
    (photos / "cut.jpg").write_bytes(good[:-500])
    (photos / "page.jpg").write_bytes(b"<!DOCTYPE html><p>sign in to see this photo")
    (photos / "small.jpg").write_bytes(jpeg(Image.new("RGB", (300, 20))))
    (photos / "empty.jpg").write_bytes(b"")
    statuses, rows, samples = into_shards(photos, tmp_path / "shards")
    assert statuses == {"success": 5, "broken_image": 1, "not_an_image": 2, "too_small": 1}
    assert_upright_rgb(samples)
    reasons = {Path(row["url"]).stem: row["status"] for row in rows.values() if row["status"] != "success"}
    assert {name.removeprefix("file:"): reason for name, reason in reasons.items()} == {
        "cut": "broken_image",
        "page": "not_an_image",
        "small": "too_small",
        "empty": "not_an_image",
    }
