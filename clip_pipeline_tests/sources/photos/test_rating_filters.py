"""Filters over LAION's columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import SettingsError
from clip_pipeline.records import PHOTO_FIELDS, RATING_FIELDS
from clip_pipeline.settings import PairsSettings
from clip_pipeline.sources.photos.metadata import FACT_COLUMNS, facts_of, read_fact
from clip_pipeline.sources.photos.rating_filters import fit_photos
from clip_pipeline.sources.photos.url_list import list_url_photos

LAION = PairsSettings(min_similarity=0.3, allowed_nsfw="UNLIKELY")


def rated(*ratings: dict) -> pa.Table:
    nothing = {"id": "a", "url": "u", "captions": [], "words": [], "source": "test"}
    return pa.Table.from_pylist([nothing | one for one in ratings], schema=pa.schema(PHOTO_FIELDS))


def test_each_photo_is_dropped_for_its_first_reason():
    photos = rated(
        {"similarity": 0.3, "nsfw": "UNLIKELY"},
        {"similarity": 0.29, "nsfw": "NSFW"},
        {"similarity": 0.4, "nsfw": "UNSURE"},
        {"similarity": None, "nsfw": "UNLIKELY"},
        {"similarity": 0.4, "nsfw": None},
    )
    counts = LeftOut()
    assert fit_photos(photos, LAION, counts)["similarity"].to_pylist() == [0.3]
    assert counts == {
        **{"photo dissimilar": 1, "photo similarity_unknown": 1, "photo nsfw": 1, "photo nsfw_unknown": 1},
    }


def test_without_filters_what_is_unknown_stays():
    counts = LeftOut()
    assert len(fit_photos(rated({}, {"unsafe": 1.0, "watermark": 1.0}), PairsSettings(), counts)) == 2
    assert not counts


def test_probabilities_above_the_limit_are_dropped():
    settings = PairsSettings(max_unsafe=0.5, max_watermark=0.7, allowed_nsfw="unlikely, Unsure")
    counts = LeftOut()
    good = {"unsafe": 0.5, "watermark": 0.7, "nsfw": "UNSURE"}
    photos = rated(good, good | {"unsafe": 0.51}, good | {"watermark": 0.71}, good | {"watermark": None})
    assert len(fit_photos(photos, settings, counts)) == 1
    assert +counts == {"photo unsafe": 1, "photo watermarked": 1, "photo watermark_unknown": 1}


def test_a_filter_without_a_word_says_what_to_write():
    with pytest.raises(SettingsError, match=r'pairs.allowed_nsfw is ",". Write UNLIKELY'):
        fit_photos(rated({}), PairsSettings(allowed_nsfw=","), LeftOut())


@pytest.mark.slow
@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.sampled_from([None, "UNLIKELY", "UNSURE", "NSFW"]))))
def test_as_plain_python_filters(ratings):
    photos = rated(*({"similarity": value, "nsfw": word} for value, word in ratings))
    counts = LeftOut()
    kept = fit_photos(photos, LAION, counts)
    expected = [one for one in ratings if one[0] is not None and one[0] >= 0.3 and one[1] == "UNLIKELY"]
    assert list(zip(kept["similarity"].to_pylist(), kept["nsfw"].to_pylist(), strict=True)) == expected
    assert counts.total() == len(ratings) - len(expected)


def test_a_list_is_filtered_before_anything_is_downloaded(tmp_path):
    columns = {
        "URL": [f"http://a/{n}" for n in range(4)],
        "TEXT": ["A dog"] * 4,
        "similarity": [0.31, 0.2, None, 0.5],
        "NSFW": ["UNLIKELY", "UNLIKELY", "UNLIKELY", "NSFW"],
        "punsafe": pa.array([0.1, 0.2, 0.3, 0.4], pa.float32()),
        "LICENSE": ["?"] * 4,
    }
    pq.write_table(pa.table(columns), tmp_path / "laion.parquet")
    counts = LeftOut()
    table = pa.concat_tables(list_url_photos(tmp_path / "laion.parquet", counts, LAION))
    assert table["url"].to_pylist() == ["http://a/0"]
    assert table["unsafe"].to_pylist() == [pytest.approx(0.1)]
    assert +counts == {"photo dissimilar": 1, "photo similarity_unknown": 1, "photo nsfw": 1}


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text(max_size=3))


@given(st.dictionaries(st.sampled_from([name for names in FACT_COLUMNS.values() for name in names]), VALUES))
def test_any_value_is_a_fact_that_a_table_can_hold_or_none(told):
    facts = facts_of(told)
    nothing = {"id": "a", "url": "u", "captions": [], "words": [], "source": "test"}
    pa.Table.from_pylist([nothing | facts], schema=pa.schema(PHOTO_FIELDS))
    assert {field.name for field in RATING_FIELDS} <= FACT_COLUMNS.keys()
    assert read_fact("split", "VAL") == "validation"
