"""What travels between the stages: the tables' columns, and the statuses of a photo.

Every source of photos gives the same columns (`PHOTO_FIELDS`); each later table adds to them. A column is declared once, with a
sentence that the Dagster page and docs/assets.md show (`…_COLUMNS`). Files are written with `written(…)` of it, which has names
and types alone: Parquet would keep the sentences, and rewording one would change the bytes of every table.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa


def column(name: str, kind: pa.DataType, about: str, nullable: bool = True) -> pa.Field:
    """A column with a sentence about it: units, range, what null means."""
    return pa.field(name, kind, nullable, {"about": about})


def about_column(declared: pa.Field) -> str:
    """The sentence about a column; "" where none was declared."""
    return (declared.metadata or {}).get(b"about", b"").decode()


def written(columns: Iterable[pa.Field]) -> pa.Schema:
    """The schema of the files: the columns without their sentences."""
    return pa.schema([declared.remove_metadata() for declared in columns])


WORD_COUNTS_COLUMNS = (
    column("word", pa.string(), "The word, in lower case", False),
    column("count", pa.int64(), "Occurrences in the article bodies", False),
    column("documents", pa.int64(), "Articles that it occurs in", False),
    column("capitalised", pa.int64(), "Occurrences that are written with a capital first letter", False),
    column("captioned", pa.int64(), "Occurrences in the captions of images", False),
)
WORD_COUNTS = written(WORD_COUNTS_COLUMNS)
"""One row a word."""

RATING_COLUMNS = (
    column(
        "similarity",
        pa.float64(),
        "Cosine similarity of photo and caption as the list gives it; null where it is silent",
    ),
    column("nsfw", pa.string(), "How fit the photo is to be shown, as the list says: UNLIKELY, UNSURE or NSFW"),
    column("unsafe", pa.float64(), "Probability that the photo is unfit to be shown, 0 to 1, as the list says"),
    column("watermark", pa.float64(), "Probability that the photo bears a watermark, 0 to 1, as the list says"),
)
RATING_FIELDS = list(written(RATING_COLUMNS))
"""What lists such as LAION's say of a photo and its caption, null where they say nothing."""

_WIDTH, _HEIGHT = (
    column(name, pa.int32(), f"Pixels of the original's {name}; null where the source does not say")
    for name in ("width", "height")
)
PHOTO_COLUMNS = (
    column("id", pa.string(), "Name of the photo at its source", False),
    column(
        "url", pa.string(), "Where its file is: http(s), or of the user's own files file:NAME and tar:TAR#KEY", False
    ),
    column("captions", pa.list_(pa.string()), "What the source says of it", False),
    column("words", pa.list_(pa.string()), "Keywords that the source itself gives, none for most", False),
    _WIDTH,
    _HEIGHT,
    column("licence", pa.string(), "Licence as the source names it"),
    column("attribution", pa.string(), "Whom to name, as the source asks"),
    column("source", pa.string(), "Where it was listed: unsplash, sandbox, folder, url_list, …", False),
    column("terms", pa.string(), "Address of the source's terms of use"),
    column("split", pa.string(), "The source's own split; null where it has none"),
    column("download_location", pa.string(), "Where the source wants to be told that it was taken (Unsplash's API)"),
    column("origin", pa.string(), "Address that a photo of the user's own files once came from"),
    *RATING_COLUMNS,
)
PHOTO_FIELDS = list(written(PHOTO_COLUMNS))
"""One photo as a source describes it."""

IMAGE_LINKS_COLUMNS = (
    column(
        "word",
        pa.string(),
        'The word it was found for; "" for a photo of the user\'s own that no word describes',
        False,
    ),
    column("rank", pa.int32(), "Place in the word's search results, from 0", False),
    *PHOTO_COLUMNS,
)
IMAGE_LINKS = written(IMAGE_LINKS_COLUMNS)
"""One row per (word, photo)."""

_FOUND_FOR = column("words", pa.list_(pa.string()), "Words of the vocabulary that it was found for", False)
PHOTO_CATALOG_COLUMNS = (
    *(_FOUND_FOR if field.name == "words" else field for field in PHOTO_COLUMNS),
    column("shard", pa.string(), "The shard it belongs to: five digits", False),
    column("key", pa.string(), "Name inside the shard's tar: nine digits", False),
)
PHOTO_CATALOG = written(PHOTO_CATALOG_COLUMNS)
"""One row a photo, sorted by (shard, key)."""

_STORED_SIDES = {name: column(name, pa.int32(), f"Pixels of the stored image's {name}") for name in ("width", "height")}
SHARD_ATTEMPTS_COLUMNS = (
    *(_STORED_SIDES.get(field.name, field) for field in PHOTO_CATALOG_COLUMNS),
    column("caption", pa.string(), "The first of its captions, as img2dataset has it"),
    column("status", pa.string(), "success, or why it is not in the shard, such as not_found or too_small", False),
    column("error_message", pa.string(), "What exactly was found; null for success"),
    column("original_width", pa.int32(), "Pixels of the downloaded image's width"),
    column("original_height", pa.int32(), "Pixels of the downloaded image's height"),
    column("exif", pa.string(), "Camera data of the file, as JSON"),
    column("sha256", pa.string(), "Hash of the bytes as downloaded"),
    column("phash", pa.uint64(), "Perceptual hash, 64 bit: near-duplicates differ in few of them"),
    column("thumbnail", pa.binary(192), "8 × 8 RGB pixels"),
    column("text_share", pa.float32(), "Share of the area that shows text, 0 to 1"),
)
SHARD_ATTEMPTS = written(SHARD_ATTEMPTS_COLUMNS)
"""One row for every photo that was tried: img2dataset's columns (key, url, caption, status, error_message, width,
height, original_width, original_height, exif, sha256) and ours. What describes the stored image is null unless status is success."""

IMAGE_TEXT_PAIRS_COLUMNS = (
    column("photo_id", pa.string(), "Name of the photo at its source", False),
    column("shard", pa.string(), "The shard it belongs to: five digits", False),
    column("key", pa.string(), "Name inside the shard's tar: nine digits", False),
    column("caption_index", pa.int32(), "Which of the photo's captions it is, from 0", False),
    column("caption", pa.string(), "The caption, cleaned", False),
    column("split", pa.string(), "train, validation or test; all photos of one group lie in one split", False),
    column("group", pa.string(), "Near-duplicates, named by the smallest photo id among them", False),
    column("width", pa.int32(), "Pixels of the stored image's width", False),
    column("height", pa.int32(), "Pixels of the stored image's height", False),
)
IMAGE_TEXT_PAIRS = written(IMAGE_TEXT_PAIRS_COLUMNS)
"""One row per (photo, caption)."""

PROVENANCE_FIELDS = [
    pa.field("model", pa.string()),
    pa.field("model_sha256", pa.string()),
    pa.field("dataset_sha256", pa.string()),
    pa.field("runtime", pa.string()),
    pa.field("templates_sha256", pa.string()),
    pa.field("template_count", pa.int32()),
    pa.field("seed", pa.int64()),
    pa.field("bootstrap_samples", pa.int32()),
    pa.field("shuffled_labels", pa.bool_()),
    pa.field("photos_left_out", pa.int64()),
    pa.field("predictions", pa.string()),
    pa.field("predictions_sha256", pa.string()),
    pa.field("libraries", pa.map_(pa.string(), pa.string())),
]
"""Where a score comes from. The model's hash covers weights, configuration and tokenizer; the dataset's the photos' bytes, ids,
splits and labels or captions. `runtime` made the photos' vectors. The templates' hash is "" where no prompts were made.
`photos_left_out`: photos of the split that could not be read or decoded, of which the score knows nothing. `predictions` is the file with the outcome
of every sample, beside the scores. `libraries` are versions by name."""

SCORES_COLUMNS = (
    column("task", pa.string(), "zero_shot, retrieval, linear_probe, mlp_probe or few_shot_probe", False),
    column("dataset", pa.string(), "Name of the dataset", False),
    column("split", pa.string(), "The part of the dataset that is scored", False),
    column("templates", pa.string(), 'Name of the set of prompts; "" where a task has none', False),
    column("metric", pa.string(), "What is measured: top1, text_to_image_recall@1, …", False),
    column("value", pa.float64(), "The score, a fraction from 0 to 1", False),
    column("low", pa.float64(), "Lower end of its 95 % bootstrap interval", False),
    column("high", pa.float64(), "Upper end of its 95 % bootstrap interval", False),
    column("n", pa.int64(), "Samples behind it", False),
    column("chance", pa.float64(), "What guessing gives; null for an error such as the calibration's"),
    column(
        "provenance",
        pa.struct(PROVENANCE_FIELDS),
        "Where it comes from: hashes of model and dataset, seed, versions, the file with every prediction",
        False,
    ),
)
SCORES = written(SCORES_COLUMNS)
"""One score."""

PARALLELISM_COLUMNS = (
    column("kind", pa.string(), "extraction (ready pixels) or end_to_end (files decoded)", False),
    column("processes", pa.int32(), "Processes at a time", False),
    column("threads", pa.int32(), "Threads of each", False),
    column("runtime", pa.string(), "What runs the image encoder", False),
    column("photos", pa.int64(), "Photos embedded in each repeat", False),
    column("repeats", pa.int32(), "How often it was measured", False),
    column("photos_per_second", pa.float64(), "Median of the repeats; null unless its status is measured"),
    column("slowest", pa.float64(), "Photos a second of the slowest repeat"),
    column("fastest", pa.float64(), "Photos a second of the fastest repeat"),
    column("photos_per_second_per_core", pa.float64(), "Photos a second for each core in use"),
    column("speedup", pa.float64(), "Times as fast as one process with one thread"),
    column("scaling_efficiency", pa.float64(), "Speedup over the cores in use; 1 is perfect"),
    column("memory_mb", pa.float64(), "PSS of all processes together, MB"),
    column("status", pa.string(), "measured, or why it was not", False),
)
PARALLELISM = written(PARALLELISM_COLUMNS)
"""One cell of the sweep over processes × threads. Null where the status is another than `measured`."""

LANGUAGE_SCORES_COLUMNS = (
    column("key", pa.string(), "The model with its seed, as in router@4-0; or counts@ORDER, bz2, xz, uniform", False),
    column("name", pa.string(), "The same without the seed", False),
    column("split", pa.string(), "validation or test", False),
    column("bits_per_character", pa.float64(), "Mean of −log2 p over every character but the first", False),
    column(
        "low",
        pa.float64(),
        "Lower end of its 95 % interval, by resampling blocks of 1,000 characters; null below ten blocks",
    ),
    column("high", pa.float64(), "Upper end of that interval"),
    column("seed", pa.int64(), "Of the training; null for what is not trained"),
    column("characters", pa.int64(), "Characters that were scored"),
    column("window", pa.int64(), "Characters that a model sees at once"),
    column(
        "stride",
        pa.int64(),
        "Characters between two windows; context is at least window − stride + 1, but in the first one",
    ),
    column("shortening", pa.float64(), "Characters a boundary, found in the split; 1 without pooling"),
    column(
        "padded_shortening", pa.float64(), "Characters a row of the middle layers, padding and null vectors counted"
    ),
    column("parameters", pa.int64(), "Numbers that learn"),
    column(
        "flops_per_character",
        pa.float64(),
        "Of a forward pass over the split's first window, with the boundaries found there",
    ),
    column("steps", pa.int64(), "Of the training"),
    column("trained_characters", pa.int64(), "Characters seen in training, those seen twice counted twice"),
    column(
        "less_than_table",
        pa.float64(),
        "Bits fewer than the best table of counts on the same characters; negative is more",
    ),
    column("less_than_table_low", pa.float64(), "Lower end of the 95 % interval of less_than_table, by paired blocks"),
    column("less_than_table_high", pa.float64(), "Upper end of the interval of less_than_table"),
    column("less_than_unpooled", pa.float64(), "Bits fewer than the first model without pooling"),
    column(
        "less_than_unpooled_low", pa.float64(), "Lower end of the 95 % interval of less_than_unpooled, by paired blocks"
    ),
    column("less_than_unpooled_high", pa.float64(), "Upper end of the interval of less_than_unpooled"),
)
LANGUAGE_SCORES = written(LANGUAGE_SCORES_COLUMNS)
"""One model, table or compressor on one split."""

SEARCH_FACTS_COLUMNS = (
    column("id", pa.string(), "Name of the photo at its source", False),
    column("shard", pa.string(), "The shard it belongs to: five digits", False),
    column("key", pa.string(), "Name inside the shard's tar: nine digits", False),
    column("split", pa.string(), 'train, validation or test; "" for a photo that is in no pair', False),
    column("group", pa.string(), "Near-duplicates, named by the smallest photo id among them", False),
    column(
        "captions",
        pa.list_(pa.string()),
        "Its captions in the pairs; of a photo without pairs those of its source",
        False,
    ),
    column("words", pa.list_(pa.string()), "Words of the vocabulary that it was found for", False),
    column("width", pa.int32(), "Pixels of the original's width"),
    column("height", pa.int32(), "Pixels of the original's height"),
    column("licence", pa.string(), "Licence as the source names it"),
    column("attribution", pa.string(), "Whom to name, as the source asks"),
    column("source", pa.string(), "Where it was listed: unsplash, sandbox, folder, url_list, …", False),
    column("terms", pa.string(), "Address of the source's terms of use"),
    column("url", pa.string(), "Where its file was found", False),
    column("thumbnail", pa.binary(192), "8 × 8 RGB pixels"),
)
SEARCH_FACTS = written(SEARCH_FACTS_COLUMNS)
"""One photo of a search index; the row of its vector."""

SEARCH_WORDS = pa.schema(
    [
        pa.field("word", pa.string(), False),
        pa.field("training_captions", pa.int64(), False),
        pa.field("rows", pa.list_(pa.int32()), False),
    ]
)
"""One word of the captions, sorted: how many captions of the training hold it, and the rows of the photos whose captions do."""

SPLITS = ("train", "validation", "test")

PHOTO_STATUSES = {
    "success": "downloaded, checked, decoded, stored",
    "not_found": "the server answered 404 or 410",
    "http_error": "another HTTP status, after the last retry",
    "timeout": "no complete answer within the total deadline",
    "connection_error": "no connection, or it broke, after the last retry",
    "forbidden_address": "the address is loopback, private or otherwise not on the public internet",
    "forbidden_scheme": "the url, or where it leads, is neither http nor https, or leads from https to http",
    "too_many_bytes": "larger than the byte cap",
    "not_an_image": "the bytes are no image of a known kind",
    "too_many_pixels": "larger than the pixel cap",
    "too_costly": "decoding it would take more memory or time than there is for it",
    "broken_image": "the decoder failed: truncated or damaged",
    "too_small": "the shorter side is below the minimum",
    "decoder_crashed": "the decoder's process died over it twice, or took too long",
    "robots_txt": "the host's robots.txt forbids it to robots",
    "robots_header": "the answer forbids the use (X-Robots-Tag)",
    "taken_down": "taken down, by id or by its bytes",
    "missing_file": "the user's file is not there or cannot be read",
}
"""Why a photo is, or is not, in a shard."""
