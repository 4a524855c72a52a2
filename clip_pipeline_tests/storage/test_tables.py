"""Artifacts as pandas tables."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
import pytest

import clip_pipeline
from clip_pipeline.errors import MissingArtifactError, StoreError
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import ArtifactKey


def test_a_table_without_partitions_is_the_artifacts_own(tiny_data):
    words = clip_pipeline.read_table("vocabulary", tiny_data)
    file = Store(tiny_data).get(ArtifactKey("words", "vocabulary")).file("vocabulary.parquet")
    assert words.to_dict("list") == pq.read_table(file).to_pydict()


def test_partitions_lie_one_below_the_other_with_their_names_first(tiny_data):
    counts = clip_pipeline.read_table("word_counts", tiny_data)
    assert counts.columns[0] == "partition"
    parts = [clip_pipeline.read_table("word_counts", tiny_data, name) for name in sorted(set(counts["partition"]))]
    assert len(parts) > 1
    pd.testing.assert_frame_equal(counts, pd.concat(parts, ignore_index=True))


def test_an_unknown_asset_or_partition_gets_a_sentence(tiny_data, tmp_path):
    with pytest.raises(MissingArtifactError, match="holds no vocabulry. .*vocabulary"):
        clip_pipeline.read_table("vocabulry", tiny_data)
    with pytest.raises(MissingArtifactError, match=r"word_counts\[99\] is needed"):
        clip_pipeline.read_table("word_counts", tiny_data, "99")
    with pytest.raises(MissingArtifactError, match="no artifact at all"):
        clip_pipeline.read_table("vocabulary", tmp_path)


def test_where_there_are_several_tables_one_must_be_named(tiny_data):
    with pytest.raises(StoreError, match=r"holds image_to_text.parquet, .*of which one must be named. Give file="):
        clip_pipeline.read_table("retrieval_scores", tiny_data)
    places = clip_pipeline.read_table("retrieval_scores", tiny_data, file="text_to_image.parquet")
    assert (places["place"] >= 0).all()
