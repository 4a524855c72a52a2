"""What is kept of a photo as the API describes it."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.records import PHOTO_FIELDS, RATING_FIELDS
from clip_pipeline.sources.unsplash.api_photo import photo_row
from clip_pipeline_tests.sources.unsplash_answers import photo


def test_a_photo_becomes_a_row():
    assert photo_row(photo(7, description="Happy day! ")) == {
        "id": "id7",
        "url": "https://images.unsplash.com/photo-7",
        "captions": ["a man holding a small dog", "Happy day!"],
        "width": 5472,
        "height": 3648,
        "licence": "Unsplash License (https://unsplash.com/license)",
        "attribution": "Photo by Ann Lee (https://unsplash.com/@ann) on Unsplash, https://unsplash.com/photos/id7",
        "source": "unsplash",
        "terms": "Unsplash API terms (https://unsplash.com/api-terms): credit the photographer; "
        "automated mining and model training need permission",
        "split": None,
        "words": [],
        "download_location": "https://api.unsplash.com/photos/id7/download?ixid=M3w",
    }


def test_the_url_is_the_same_for_every_application_and_day():
    raws = [
        "https://images.unsplash.com/photo-7?ixid=A&ixlib=rb-1.2.1&rect=1,2",
        "https://images.unsplash.com/photo-7?ixlib=rb-4.0.3&rect=1,2&ixid=B",
    ]
    assert len({photo_row(photo(7, urls={"raw": raw}))["url"] for raw in raws}) == 1


def test_captions_are_neither_null_nor_twice():
    assert photo_row(photo(1, alt_description="a cup", description="a cup"))["captions"] == ["a cup"]
    assert photo_row(photo(1, alt_description=None, description=" "))["captions"] == []
    without = photo(1)
    del without["alt_description"]
    assert photo_row(without)["captions"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sponsorship": {"tagline": "Buy"}},
        {"sponsored": True},
        {"premium": True},
        {"plus": True},
        {"id": None},
        {"urls": {}},
        {"urls": None},
        *(
            {"urls": {"raw": raw}}
            for raw in (
                "https://plus.unsplash.com/premium_photo-1?ixid=A",
                "https://images.unsplash.company/photo-1",
                "https://images.unsplash.com.jpg/photo-1",
                "https://images.unsplash.com@evil.example/photo-1",
                "https://images.unsplash.com:8080/photo-1",
                "file:///images.unsplash.com/photo-1",
                "http://[images.unsplash.com/photo-1",
                "http://127.0.0.1/photo-1",
            )
        ),
    ],
)
def test_advertisements_paid_photos_and_strange_hosts_are_left_out(changes):
    assert photo_row(photo(1, **changes)) is None


def test_everything_but_id_and_url_may_be_missing():
    row = photo_row({"id": "x", "urls": {"raw": "http://images.sandbox.test/photo-1"}})
    assert (row["captions"], row["width"], row["attribution"], row["source"]) == ([], None, None, "sandbox")


ANY_LETTER = st.text(st.characters(exclude_categories=()), max_size=9)  # halves of letters too
SIMPLE = st.none() | st.booleans() | st.integers() | st.floats() | ANY_LETTER
SECTION = st.dictionaries(
    st.sampled_from(["raw", "name", "username", "html", "links", "download_location"]),
    SIMPLE | st.dictionaries(st.sampled_from(["html"]), SIMPLE),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(photo(1))), SIMPLE | SECTION | st.lists(SIMPLE, max_size=2), max_size=4))
def test_any_result_gives_a_row_of_the_schema_or_none(changes):
    row = photo_row(photo(1, **changes))
    if row is not None:
        of_lists = {"origin", *(field.name for field in RATING_FIELDS)}
        assert list(row) == [field.name for field in PHOTO_FIELDS if field.name not in of_lists]
        pa.Table.from_pylist([row], schema=pa.schema(PHOTO_FIELDS))


# ---- credit, and what would break a table


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"name": "Ann Lee"}, "Photo by Ann Lee on Unsplash"),
        ({"username": "ann"}, "Photo by ann (@ann) on Unsplash"),
        ({"name": "Ann Lee", "username": "ann"}, "Photo by Ann Lee (@ann) on Unsplash"),
        ({"name": None, "username": ["ann"]}, None),
    ],
)
def test_credit_names_whoever_is_known(user, told):
    assert photo_row(photo(1, user=user, links=None))["attribution"] == told


@pytest.mark.parametrize(
    "location",
    [
        None,
        7,
        "",
        "https://evil.example/photos/id1/download",
        "https://api.unsplash.com@evil.example/download",
        "https://api.unsplash.com:444/download",
        "https://api.sandbox.test/photos/id1/download",
        "ftp://api.unsplash.com/download",
        "http://[api.unsplash.com/download",
    ],
)
def test_a_download_location_that_is_not_the_apis_is_none(location):
    assert photo_row(photo(1, links={"download_location": location}))["download_location"] is None


def test_half_letters_in_a_caption_do_not_break_a_table():
    half = json.loads(r"""{"alt": "cup \ud83d", "text": "\ude00 \ud83d\ude00 tea", "name": "A\udfff"}""")
    changes = {"alt_description": half["alt"], "description": half["text"], "user": {"name": half["name"]}}
    row = photo_row(photo(1, **changes))
    assert row["captions"] == ["cup \ufffd", "\ufffd \U0001f600 tea"]
    assert row["attribution"].startswith("Photo by A\ufffd on Unsplash")
    table = pa.Table.from_pylist([row], schema=pa.schema(PHOTO_FIELDS))
    assert table["captions"].to_pylist() == [row["captions"]]


@pytest.mark.parametrize("field", ["id", "urls"])
def test_half_letters_where_a_photo_is_named_leave_it_out(field):
    half = "https://images.unsplash.com/photo-\ud83d"
    assert photo_row(photo(1, **{field: {"raw": half} if field == "urls" else half})) is None
