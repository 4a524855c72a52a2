"""Images: links, catalog, shards, pairs, benchmark photos."""

from clip_pipeline.defs.asset import pipeline_asset
from clip_pipeline.defs.columns import columns
from clip_pipeline.records import IMAGE_LINKS, IMAGE_TEXT_PAIRS, PHOTO_CATALOG, SHARD_ATTEMPTS

image_links = pipeline_asset(
    "image_links", kinds={"unsplash", "parquet"}, owner="data", columns=columns(IMAGE_LINKS), pool="network"
)
photo_catalog = pipeline_asset("photo_catalog", kinds={"parquet"}, owner="data", columns=columns(PHOTO_CATALOG))
image_shards = pipeline_asset(
    "image_shards", kinds={"webdataset", "jpeg"}, owner="data", columns=columns(SHARD_ATTEMPTS), pool="network"
)
image_text_pairs = pipeline_asset(
    "image_text_pairs", kinds={"parquet", "csv"}, owner="data", columns=columns(IMAGE_TEXT_PAIRS)
)
benchmark_dataset = pipeline_asset("benchmark_dataset", kinds={"webdataset"}, owner="evaluation", pool="network")
