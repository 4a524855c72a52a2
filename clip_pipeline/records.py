"""What travels between the stages: Arrow schemas of the tables, and the statuses of a photo.

Every source of photos gives the same columns (`PHOTO_FIELDS`); each later table adds to them.
"""

from __future__ import annotations

import pyarrow as pa

WORD_COUNTS = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        pa.field("capitalised", pa.int64(), nullable=False),
        pa.field("captioned", pa.int64(), nullable=False),
    ],
)
"""One row a word, in lower case: occurrences, the number of articles it occurs in, the occurrences that are written with a
capital first letter, and those in the captions of images."""

RATING_FIELDS = [
    pa.field("similarity", pa.float64()),
    pa.field("nsfw", pa.string()),
    pa.field("unsafe", pa.float64()),
    pa.field("watermark", pa.float64()),
]
"""What lists such as LAION's say of a photo and its caption, null where they say nothing: the cosine similarity of the two,
a word for how fit the photo is to be shown (UNLIKELY, UNSURE or NSFW), and the probabilities, 0 to 1, that it is unfit or
bears a watermark."""

PHOTO_FIELDS = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("url", pa.string(), nullable=False),
    pa.field("captions", pa.list_(pa.string()), nullable=False),
    pa.field("words", pa.list_(pa.string()), nullable=False),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("licence", pa.string()),
    pa.field("attribution", pa.string()),
    pa.field("source", pa.string(), nullable=False),
    pa.field("terms", pa.string()),
    pa.field("split", pa.string()),
    pa.field("download_location", pa.string()),
    pa.field("origin", pa.string()),
    *RATING_FIELDS,
]
"""One photo as a source describes it. `words` are the keywords that the source itself gives, none for most. `url` is
http(s), or of the user's own files file:NAME and tar:TAR#KEY. `width`, `height` are pixels of the original (null where
unknown). `split` is the source's own split, null where it has none. `download_location` is where the source wants to be told
that the photo was taken (Unsplash's API). `origin` is the address that a photo of the user's own files once came from."""

IMAGE_LINKS = pa.schema(
    [pa.field("word", pa.string(), nullable=False), pa.field("rank", pa.int32(), nullable=False), *PHOTO_FIELDS],
)
"""One row per (word, photo); `rank` is the place in the word's search results, from 0. The word is "" for a photo of
the user's own that no vocabulary word describes."""

PHOTO_CATALOG = pa.schema(
    [
        *PHOTO_FIELDS,
        pa.field("shard", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
    ],
)
"""One row a photo, sorted by (shard, key). `words` are the words of the vocabulary that the photo was found for. `shard` is
five digits, `key` the nine-digit name inside the tar."""

SHARD_ATTEMPTS = pa.schema(
    [
        *PHOTO_CATALOG,
        pa.field("caption", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_message", pa.string()),
        pa.field("original_width", pa.int32()),
        pa.field("original_height", pa.int32()),
        pa.field("exif", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("phash", pa.uint64()),
        pa.field("thumbnail", pa.binary(192)),
        pa.field("text_share", pa.float32()),
    ],
)
"""One row for every photo that was tried: img2dataset's columns (key, url, caption, status, error_message, width,
height, original_width, original_height, exif, sha256) and ours. `width`, `height` are those of the stored image;
`sha256` is of the bytes as downloaded; `phash` is the 64-bit perceptual hash, `thumbnail` 8 × 8 RGB pixels, `text_share`
the share of the area that shows text (0 to 1); all null unless status is success."""

IMAGE_TEXT_PAIRS = pa.schema(
    [
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("caption_index", pa.int32(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ],
)
"""One row per (photo, caption). `split` is train, validation or test; all photos of one `group` (near-duplicates,
named by the smallest photo id in it) lie in one split."""

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
    pa.field("predictions", pa.string()),
    pa.field("predictions_sha256", pa.string()),
    pa.field("libraries", pa.map_(pa.string(), pa.string())),
]
"""Where a score comes from. The model's hash covers weights, configuration and tokenizer; the dataset's the photos' bytes, ids,
splits and labels or captions. `runtime` made the photos' vectors. The templates' hash is "" where no prompts were made. `predictions` is the file with the outcome
of every sample, beside the scores. `libraries` are versions by name."""

SCORES = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("templates", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("chance", pa.float64()),
        pa.field("provenance", pa.struct(PROVENANCE_FIELDS), nullable=False),
    ],
)
"""One score: a fraction in 0..1 with its 95 % bootstrap interval, the number of samples, what guessing gives (null for an
error such as the calibration's, which guessing does not bound), and where it comes from. `templates` names the set of prompts,
"" where a task has none."""

PARALLELISM = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("processes", pa.int32(), nullable=False),
        pa.field("threads", pa.int32(), nullable=False),
        pa.field("runtime", pa.string(), nullable=False),
        pa.field("photos", pa.int64(), nullable=False),
        pa.field("repeats", pa.int32(), nullable=False),
        pa.field("photos_per_second", pa.float64()),
        pa.field("slowest", pa.float64()),
        pa.field("fastest", pa.float64()),
        pa.field("photos_per_second_per_core", pa.float64()),
        pa.field("speedup", pa.float64()),
        pa.field("scaling_efficiency", pa.float64()),
        pa.field("memory_mb", pa.float64()),
        pa.field("status", pa.string(), nullable=False),
    ],
)
"""One cell of the sweep over processes × threads. kind: extraction (ready pixels) or end_to_end (files decoded).
photos_per_second is the median of the repeats, slowest and fastest their range; speedup is over 1 × 1, and
scaling_efficiency that over the cores in use; memory_mb is the PSS of all processes together. Null where the status is
another than `measured`."""

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
    "broken_image": "the decoder failed: truncated or damaged",
    "too_small": "the shorter side is below the minimum",
    "decoder_crashed": "the decoder's process died or hung over it, twice",
    "robots_txt": "the host's robots.txt forbids it to robots",
    "robots_header": "the answer forbids the use (X-Robots-Tag)",
    "taken_down": "taken down, by id or by its bytes",
    "missing_file": "the user's file is not there or cannot be read",
}
"""Why a photo is, or is not, in a shard."""
