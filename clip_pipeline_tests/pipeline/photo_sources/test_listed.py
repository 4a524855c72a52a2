"""Listed photos through the steps: links of each bucket, then the catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import PhotosError, SettingsError
from clip_pipeline.images.links.buckets import bucket_of
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.photo_sources.registry import photo_source
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.unsplash import dataset_photos
from clip_pipeline.storage.manifest import Built, Wanted
from clip_pipeline_tests.made.unsplash_dataset import KEYWORDS, PHOTOS, photo_line

WORDS = ["cup", "red", "table", "zebra"]


def workspace_of(tmp_path: Path, source: str, path: Path, **links) -> Workspace:
    recipe = find_recipe("tiny")
    settings = replace(recipe.links, source=source, path=str(path), buckets=2, **links)
    workspace = Workspace(tmp_path / "data", replace(recipe, links=settings))

    def vocabulary(folder: Path, work: Path) -> Built:
        (folder / "buckets").mkdir()
        for bucket in range(2):
            words = [word for word in WORDS if bucket_of(word, 2) == bucket]
            (folder / "buckets" / f"{bucket:03d}.txt").write_text("\n".join(words))
        return Built(rows={"words": len(WORDS)})

    workspace.store.materialise(artifact_key("vocabulary"), Wanted("1", {}, {}), vocabulary)
    return workspace


def links_of(workspace: Workspace) -> list[tuple[str, int, str]]:
    rows = []
    for bucket in ("000", "001"):
        artifact = STEPS["image_links"].materialise(workspace, bucket).artifact
        rows += pq.read_table(artifact.file("links.parquet")).to_pylist()
    return sorted((row["word"], row["rank"], row["id"]) for row in rows)


def catalog_of(workspace: Workspace) -> dict[str, list[str]]:
    artifact = STEPS["photo_catalog"].materialise(workspace).artifact
    table = pq.read_table(artifact.file("photos.parquet"))
    return dict(zip(table["id"].to_pylist(), table["words"].to_pylist(), strict=True))


@pytest.fixture
def dataset(tmp_path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "photos.tsv000").write_text(PHOTOS + photo_line("p1") + photo_line("p2"))
    (folder / "photos.tsv001").write_text(photo_line("p3") + photo_line("bad", "https://images.unsplash.company/x"))
    lines = "p1\tcup\t95\t\tf\np2\tred cup\t\t60\tf\np3\ttable\t20\t\tf\np3\tcup\t1\t\tt\n"
    (folder / "keywords.tsv000").write_text(KEYWORDS + lines)
    return folder


def test_the_dataset_becomes_links_and_a_catalog(tmp_path, dataset):
    workspace = workspace_of(tmp_path, "unsplash_dataset", dataset)
    assert links_of(workspace) == [("cup", 0, "p3"), ("cup", 1, "p1"), ("cup", 2, "p2"), ("red", 0, "p2")]
    assert catalog_of(workspace) == {"p1": ["cup"], "p2": ["cup", "red"], "p3": ["cup"]}
    facts = workspace.get("image_links", "000").facts
    assert (facts["photos of another host"], facts["keywords below the confidence"]) == (1, 1)


def test_the_settings_of_the_dataset_decide_its_links(tmp_path, dataset):
    surer = workspace_of(tmp_path / "a", "unsplash_dataset", dataset, min_confidence=90)
    assert links_of(surer) == [("cup", 0, "p3"), ("cup", 1, "p1")]
    fewer = workspace_of(tmp_path / "b", "unsplash_dataset", dataset, photos_per_word=1, min_confidence=0)
    assert links_of(fewer) == [("cup", 0, "p3"), ("red", 0, "p2"), ("table", 0, "p3")]


def test_the_files_are_read_once_for_all_buckets_in_whatever_process(tmp_path, dataset, monkeypatch):
    first = workspace_of(tmp_path, "unsplash_dataset", dataset)
    STEPS["image_links"].materialise(first, "000")

    def read_again(*given):
        raise AssertionError("the files were read again")

    monkeypatch.setattr(dataset_photos, "dataset_photos", read_again)
    again = workspace_of(tmp_path, "unsplash_dataset", dataset)
    STEPS["image_links"].materialise(again, "001")
    assert len(links_of(again)) == 4
    with (dataset / "keywords.tsv000").open("a") as file:
        file.write("p1\tzebra\t99\t\tf\n")
    with pytest.raises(AssertionError, match="read again"):
        links_of(workspace_of(tmp_path, "unsplash_dataset", dataset))


def test_photos_of_a_list_without_a_word_are_in_the_catalog_too(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(
        "url,caption,tags\nhttp://a/1,a red cup,\nhttp://a/2,nothing,zebra\nhttp://a/3,else,\nhttp://a/1,a table,\n"
    )
    workspace = workspace_of(tmp_path, "url_list", file)
    assert [word for word, _, _ in links_of(workspace)] == ["cup", "red", "table", "zebra"]
    assert sorted(catalog_of(workspace).values()) == [[], ["cup", "red", "table"], ["zebra"]]


def test_a_wrong_path_is_one_sentence(tmp_path):
    with pytest.raises(SettingsError, match=r"links.source is unsplash_dataset, which needs links.path"):
        photo_source(
            Workspace(
                tmp_path,
                replace(find_recipe("tiny"), links=replace(find_recipe("tiny").links, source="unsplash_dataset")),
            )
        )
    with pytest.raises(PhotosError, match=r"There is no .*nowhere \(links.path\)"):
        photo_source(workspace_of(tmp_path, "unsplash_dataset", tmp_path / "nowhere"))
    file = tmp_path / "file.tsv"
    file.write_text("x")
    with pytest.raises(PhotosError, match="is no folder"):
        links_of(workspace_of(tmp_path, "unsplash_dataset", file))
