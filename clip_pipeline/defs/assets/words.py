"""Words: dump, counts, vocabulary."""

from clip_pipeline.defs.asset import pipeline_asset
from clip_pipeline.defs.columns import columns
from clip_pipeline.records import WORD_COUNTS

wikipedia_dump = pipeline_asset("wikipedia_dump", kinds={"wikipedia", "xml"}, owner="data", pool="network")
word_counts = pipeline_asset("word_counts", kinds={"parquet"}, owner="data", columns=columns(WORD_COUNTS))
vocabulary = pipeline_asset("vocabulary", kinds={"parquet"}, owner="data", columns=columns(WORD_COUNTS))
