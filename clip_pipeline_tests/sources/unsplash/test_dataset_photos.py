"""What the Unsplash Dataset says of its photos."""

from __future__ import annotations

import pytest

from clip_pipeline.records import RATING_FIELDS
from clip_pipeline.sources.unsplash.dataset_photos import TERMS
from clip_pipeline_tests.made.unsplash_dataset import KEYWORDS, PHOTOS, photo_line, photos_of


def test_a_photo_has_what_the_dataset_tells_of_it(tmp_path):
    (tmp_path / "photos.tsv000").write_text(PHOTOS + photo_line("Ab-1", description="My cup"))
    rows, counts = photos_of(tmp_path)
    assert rows == [
        {
            **{
                "id": "Ab-1",
                "url": "https://images.unsplash.com/photo-Ab-1",
                "captions": ["My cup", "a cup"],
                "words": [],
            },
            **{"width": 4000, "height": 3000, "licence": "Unsplash Dataset Terms", "terms": TERMS},
            **{"attribution": "Photo by Ann Lee (@ann) on Unsplash", "source": "unsplash_dataset"},
            **{"split": None, "download_location": None, "origin": None},
            **dict.fromkeys((field.name for field in RATING_FIELDS), None),
        }
    ]
    assert not counts
    assert "non-commercial" in TERMS


def test_broken_rows_are_counted_and_the_others_kept(tmp_path):
    lines = [
        photo_line("a"),
        "b\tshort\n",
        "\n",
        photo_line("c", description="one\ttoo many"),
        photo_line(""),
        photo_line("d", width="wide"),
        photo_line("e", description="caf\udce9 \0!"),
    ]
    (tmp_path / "photos.tsv000").write_bytes((PHOTOS + "".join(lines)).encode("utf-8", "surrogateescape"))
    rows, counts = photos_of(tmp_path)
    assert [(row["id"], row["width"]) for row in rows] == [("a", 4000), ("d", None), ("e", 4000)]
    assert rows[2]["captions"][0] == "caf\ufffd  !"
    assert counts == {
        **{"rows with too few or too many columns": 2, "photos without id or url": 1, "lines with broken UTF-8": 1}
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://images.unsplash.company/photo-1",
        "https://images.unsplash.com.jpg/photo-1",
        "https://images.unsplash.com",
        "https://images.unsplash.com@evil.test/photo-1",
        "https://plus.unsplash.com/photo-1",
        "ftp://images.unsplash.com/photo-1",
        "file:///etc/passwd",
    ],
)
def test_urls_of_other_hosts_are_left_out(tmp_path, url):
    (tmp_path / "photos.tsv000").write_text(PHOTOS + photo_line("a", url) + photo_line("b"))
    rows, counts = photos_of(tmp_path)
    assert [row["id"] for row in rows] == ["b"]
    assert counts == {"photos of another host": 1}


def test_the_real_terms_say_what_the_column_says(shared_data):
    folder = shared_data("unsplash_api/unsplash_datasets_docs")
    terms, docs = (" ".join((folder / name).read_text().split()) for name in ("TERMS.md", "DOCS.md"))
    assert "for non-commercial usage only" in terms
    assert "internally use the Commercial Licensed Data to train machine learning models" in terms
    for column in (*PHOTOS.split(), *KEYWORDS.split()):
        assert f"| {column} " in docs
