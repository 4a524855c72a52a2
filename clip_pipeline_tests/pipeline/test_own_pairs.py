"""Photos of one's own through the steps, from each format to pairs."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.api.download import download
from clip_pipeline.api.take_down import take_down
from clip_pipeline.api.train import pairs_of_folder
from clip_pipeline.errors import CaptionsError, PhotosError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.partitions import shard_keys
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.photos.formats.tar_index import read_shard
from clip_pipeline_tests.images.photos import scene
from clip_pipeline_tests.pipeline.photo_sources.test_listed import workspace_of
from clip_pipeline_tests.sources.loopback import Answer, loopback
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar
from clip_pipeline_tests.sources.photos.test_coco import coco

COUNT = 6


def image(number: int, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    scene(number, ball=(40 * number % 256, 90, 255 - 40 * number % 256), size=(96, 72)).save(buffer, kind)
    return buffer.getvalue()


def built(workspace: Workspace, *assets: str) -> dict[str, dict]:
    """Materialises the steps up to the pairs; the facts of each step, of one partition where it has several."""
    facts = {}
    for asset in ("image_links", "photo_catalog", "image_shards", "image_text_pairs", *assets):
        step = STEPS[asset]
        for key in step.partitions(workspace) if step.partitions else [""]:
            facts[asset] = step.materialise(workspace, key).artifact.facts
    return facts


def pairs_of(workspace: Workspace) -> list[dict]:
    return pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet")).to_pylist()


def stored(workspace: Workspace) -> dict[str, bytes]:
    """Photo id -> the bytes in its shard."""
    photos = {}
    for shard in shard_keys(workspace):
        for _, members in read_shard(workspace.get("image_shards", shard).file(f"{shard}.tar")):
            told = json.loads(members["json"])
            photos[told["id"]] = next(members[ending] for ending in ("jpg", "png", "webp") if ending in members)
    return photos


def changed(workspace: Workspace, *assignments: str) -> Workspace:
    return Workspace(workspace.store.root, with_settings(workspace.recipe, assignments))


@pytest.mark.slow
def test_both_halves_of_coco_become_pairs_with_their_splits(tmp_path):
    root = tmp_path / "coco"
    for split, numbers in (("train2014", range(4)), ("val2014", range(4, 6))):
        (root / split).mkdir(parents=True)
        (root / f"captions_{split}.json").write_text(json.dumps(coco(split, range(numbers.start, numbers.stop + 1))))
        for n in numbers:  # the last photo of each list is missing
            (root / split / f"COCO_{split}_{n:012d}.jpg").write_bytes(image(n))
    workspace = workspace_of(tmp_path, "folder", root)
    facts = built(workspace)
    assert {(row["photo_id"][:5], row["split"]) for row in pairs_of(workspace)} == {
        ("train", "train"),
        ("val20", "validation"),
    }
    assert len(pairs_of(workspace)) == 6 * 5
    assert facts["image_links"]["captioned photo that is not there"] == 2
    assert facts["image_text_pairs"]["dropped"]["photo missing_file"] == 2
    with pytest.raises(PhotosError, match=r"No pair is in the test split.*links.splits=none"):
        built(changed(workspace, "evaluation.datasets=held_out"), "benchmark_dataset")


@pytest.fixture
def laion(tmp_path) -> Path:
    members = {}
    for n in range(COUNT):
        told = {"caption": f"A tree number {n}", "similarity": 0.2 + n / 20, "NSFW": ["UNLIKELY", "NSFW"][n % 2]}
        kind = ["JPEG", "PNG", "WEBP"][n % 3]
        members |= {f"{n:09d}.{kind}": image(n, kind), f"{n:09d}.json": json.dumps(told)}
    return write_tar(tmp_path / "tars" / "00000.tar", members)


def test_laions_filters_drop_photos_with_reasons_and_only_the_pairs_are_made_again(tmp_path, laion):
    workspace = workspace_of(tmp_path, "tars", laion.parent)
    built(workspace)
    assert len(pairs_of(workspace)) == COUNT
    shard = workspace.get("image_shards", "00000").content
    filtered = changed(workspace, "pairs.min_similarity=0.3", "pairs.allowed_nsfw=UNLIKELY")
    dropped = built(filtered)["image_text_pairs"]["dropped"]
    assert [row["caption"] for row in pairs_of(filtered)] == ["A tree number 2", "A tree number 4"]
    assert (dropped["photo dissimilar"], dropped["photo nsfw"]) == (2, 2)
    assert filtered.get("image_shards", "00000").content == shard
    attempts = pq.read_table(workspace.get("image_shards", "00000").file("00000.parquet"))
    assert sorted(attempts["similarity"].to_pylist()) == pytest.approx([0.2 + n / 20 for n in range(COUNT)])


def test_shards_that_know_no_ratings_can_be_filtered_too(tmp_path, laion):
    workspace = workspace_of(tmp_path, "tars", laion.parent)
    built(workspace)
    file = workspace.get("image_shards", "00000").file("00000.parquet")
    older = pq.read_table(file).drop_columns(["similarity", "nsfw", "unsafe", "watermark", "origin"])
    pq.write_table(older, file)
    with pytest.raises(PhotosError, match=r"'photo similarity_unknown': 6"):
        STEPS["image_text_pairs"].materialise(changed(workspace, "pairs.min_similarity=0.3"))


def test_with_resize_original_the_bytes_of_tars_are_stored_as_they_are(tmp_path, laion):
    given = {}
    with tarfile.open(laion) as tar:
        for entry in tar:
            if not entry.name.endswith("json"):
                given[f"00000/{entry.name[:9]}"] = tar.extractfile(entry).read()
    workspace = workspace_of(tmp_path, "tars", laion)
    kept = changed(workspace, "download.resize=original")
    built(kept)
    assert stored(kept) == given
    contents = {shard: kept.get("image_shards", shard).content for shard in shard_keys(kept)}
    second = workspace_of(tmp_path / "second", "tars", laion)
    again = changed(second, "download.resize=original", "download.connections=1")
    built(again)
    assert {shard: again.get("image_shards", shard).content for shard in shard_keys(again)} == contents


def test_a_range_of_tars_is_read_and_a_new_tar_beside_it_changes_nothing(tmp_path):
    for number in range(3):
        members = {f"{n:04d}.jpg": image(4 * number + n) for n in range(2)}
        members |= {f"{n:04d}.json": json.dumps({"prompt": f"A cup {number} {n}"}) for n in range(2)}
        write_tar(tmp_path / "tars" / f"{number:05d}.tar", members)
    workspace = workspace_of(tmp_path, "tars", tmp_path / "tars" / "{00000..00001}.tar")
    built(workspace)
    assert sorted(row["caption"] for row in pairs_of(workspace)) == [
        f"A cup {t} {n}" for t in range(2) for n in range(2)
    ]
    content = workspace.get("photo_catalog").content
    write_tar(tmp_path / "tars" / "00002.tar", {"0.jpg": image(30), "0.txt": "Another"})
    assert STEPS["photo_catalog"].materialise(Workspace(workspace.store.root, workspace.recipe)).hit
    write_tar(tmp_path / "tars" / "00001.tar", {"0.jpg": image(30), "0.txt": "Another cup"})
    other = Workspace(workspace.store.root, workspace.recipe)
    built(other)
    assert other.get("photo_catalog").content != content


def test_a_folder_without_captions_is_told_before_a_photo_is_stored(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(image(1))
    workspace = workspace_of(tmp_path, "folder", tmp_path / "photos")
    with pytest.raises(CaptionsError, match=r"no caption file for the 1 photos .*links\.captions"):
        STEPS["image_links"].materialise(workspace, "000")
    recipe, work = find_recipe("tiny"), tmp_path / "work"
    with pytest.raises(CaptionsError, match=r"no caption file for the 1 photos .*--captions"):
        pairs_of_folder(tmp_path / "photos", "", recipe, work)
    assert not work.exists()
    (tmp_path / "my.csv").write_text("file,caption\n1.jpg,A cup\n")
    recipe, _ = with_settings(recipe, [f"links.captions={tmp_path / 'my.csv'}"]), work.mkdir()
    assert pairs_of_folder(tmp_path / "photos", "", recipe, work)["caption"].to_pylist() == ["A cup"]


def test_a_link_to_nothing_among_the_photos_hinders_nobody(tmp_path):
    (tmp_path / "photos").mkdir()
    for n in range(2):
        (tmp_path / "photos" / f"{n}.jpg").write_bytes(image(n))
        (tmp_path / "photos" / f"{n}.txt").write_text("A cup")
    (tmp_path / "photos" / ".#0.txt").symlink_to("nowhere")
    (tmp_path / "photos" / "2.jpg").symlink_to("nowhere")
    workspace = workspace_of(tmp_path, "folder", tmp_path / "photos")
    assert built(workspace)["image_text_pairs"]["dropped"]["photo missing_file"] == 1


def test_the_train_command_reads_tars_in_the_folders_of_their_splits(tmp_path):
    for number, split in enumerate(("train", "val")):
        write_tar(tmp_path / "tars" / split / "0.tar", {"0.jpg": image(number), "0.txt": f"A cup of {split}"})
    (tmp_path / "work").mkdir()
    pairs = pairs_of_folder(tmp_path / "tars", "", find_recipe("tiny"), tmp_path / "work")
    assert dict(zip(pairs["caption"].to_pylist(), pairs["split"].to_pylist(), strict=True)) == {
        "A cup of train": "train",
        "A cup of val": "validation",
    }


def test_tars_and_lists_without_captions_are_told_before_a_photo_is_stored(tmp_path):
    tar = write_tar(tmp_path / "0.tar", {"0.jpg": image(0), "0.json": json.dumps({"about": "A cup"})})
    (tmp_path / "urls.txt").write_text("http://photos.test/1.jpg\n")
    for source, path in (("tars", tar), ("url_list", tmp_path / "urls.txt")):
        workspace = workspace_of(tmp_path / source, source, path)
        with pytest.raises(CaptionsError, match=r"None of the 1 photos of .* has a caption.*links\.caption_keys"):
            STEPS["image_links"].materialise(workspace, "000")
    built(workspace_of(tmp_path / "told", "tars", tar, caption_keys="json.about"))


def test_empty_captions_and_a_broken_photo_are_rows_with_reasons(tmp_path):
    members = {"0.jpg": image(0), "0.txt": "A red cup", "1.jpg": image(1), "1.txt": "  ", "2.jpg": b"no photo"}
    write_tar(tmp_path / "0.tar", members)
    workspace = workspace_of(tmp_path, "tars", tmp_path / "0.tar")
    facts = built(workspace)
    assert facts["image_links"]["photo without caption"] == 2
    dropped = facts["image_text_pairs"]["dropped"]
    assert (dropped["photo without caption"], dropped["photo not_an_image"]) == (1, 1)


@pytest.fixture
def laion_list(tmp_path) -> Path:
    ids = list(range(COUNT))
    columns = {
        "SAMPLE_ID": ids,
        "URL": [f"http://photos.test/{n}.jpg" for n in ids],
        "TEXT": [f"A tree number {n}" for n in ids],
        "similarity": [0.2 + n / 20 for n in ids],
        "NSFW": ["UNLIKELY", "NSFW"] * (COUNT // 2),
        "LICENSE": ["?"] * COUNT,
    }
    pq.write_table(pa.table(columns), tmp_path / "laion.parquet")
    return tmp_path / "laion.parquet"


def test_what_a_filter_excludes_from_a_list_of_urls_is_never_asked_for(tmp_path, laion_list):
    filters = ["pairs.min_similarity=0.3", "pairs.allowed_nsfw=UNLIKELY", "download.robots_txt=false"]
    with loopback() as site:
        for n in range(COUNT):
            site.always(f"/{n}.jpg", Answer(body=image(n)))
        recipe = with_settings(find_recipe("tiny"), filters)
        download(laion_list, tmp_path / "shards", recipe=recipe, hosts=site.hosts("photos.test"))
        assert sorted(path for _, path in site.requests) == ["/2.jpg", "/4.jpg"]
    (row,) = (row for row in pq.read_table(tmp_path / "shards" / "00000.parquet").to_pylist() if row["id"] == "4")
    assert (row["similarity"], row["nsfw"], row["licence"]) == (pytest.approx(0.4), "UNLIKELY", "?")
    ((_, members), *_) = read_shard(tmp_path / "shards" / "00000.tar")
    assert json.loads(members["json"])["nsfw"] == "UNLIKELY"
    assert "watermark" not in json.loads(members["json"])


def test_the_filters_of_a_list_are_part_of_its_links(tmp_path, laion_list):
    workspace = workspace_of(tmp_path, "url_list", laion_list)
    plain = STEPS["image_links"].builder.config(workspace)
    filtered = changed(workspace, "pairs.min_similarity=0.3")
    assert STEPS["image_links"].builder.config(filtered) != plain
    for key in STEPS["image_links"].partitions(filtered):
        facts = STEPS["image_links"].materialise(filtered, key).artifact.facts
    assert (facts["photos listed"], facts["photo dissimilar"]) == (4, 2)


def test_shards_from_before_there_were_ratings_are_taken_over_without_a_request(tmp_path, laion_list):
    recipe = with_settings(find_recipe("tiny"), ["download.robots_txt=false"])
    shards = tmp_path / "shards"
    with loopback() as site:
        for n in range(COUNT):
            site.always(f"/{n}.jpg", Answer(body=image(n)))
        download(laion_list, shards, recipe=recipe, hosts=site.hosts("photos.test"))
        older = pq.read_table(shards / "00000.parquet").drop_columns(
            ["similarity", "nsfw", "unsafe", "watermark", "origin"]
        )
        pq.write_table(older, shards / "00000.parquet")
        take_down(["3"], shards=shards, reason="asked")
        asked = len(site.requests)
        download(laion_list, shards, recipe=recipe, hosts=site.hosts("photos.test"))
        assert len(site.requests) == asked == COUNT
    rows = pq.read_table(shards / "00000.parquet").to_pylist()
    assert {row["id"]: row["nsfw"] for row in rows} == {
        str(n): ["UNLIKELY", "NSFW"][n % 2] for n in range(COUNT) if n != 3
    }


def test_the_train_command_reads_a_range_of_tars_and_the_key_of_their_captions(tmp_path):
    for number in range(2):
        told = {f"{n}.json": json.dumps({"prompt": f"A cup {number} {n}", "caption": "no"}) for n in range(2)}
        write_tar(tmp_path / f"{number}.tar", {f"{n}.jpg": image(2 * number + n) for n in range(2)} | told)
    recipe = with_settings(find_recipe("tiny"), ["links.caption_keys=json.prompt"])
    (tmp_path / "work").mkdir()
    pairs = pairs_of_folder(tmp_path / "{0..1}.tar", "", recipe, tmp_path / "work")
    assert sorted(pairs["caption"].to_pylist()) == [f"A cup {t} {n}" for t in range(2) for n in range(2)]
