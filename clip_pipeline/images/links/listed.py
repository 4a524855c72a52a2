"""Words to photos without a search: photos that are listed with captions or keywords, joined with the vocabulary."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.display.counts import counts_text
from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.images.links.buckets import write_buckets
from clip_pipeline.images.links.merge_rows import merged_rows, with_distinct_ids
from clip_pipeline.images.links.word_matcher import WordMatcher
from clip_pipeline.records import IMAGE_LINKS, PHOTO_FIELDS
from clip_pipeline.storage.external_sort import MAX_ROWS, external_sort, range_keys, text_keys

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

WITHOUT_WORD = "without_word.parquet"
MAX_PAIRS, MAX_KEYWORDS = 500_000, 65_536
"""Rows in memory at a time of (word, id, order), 40 bytes each, and of photos among their many keywords."""


@dataclass(frozen=True)
class Listing:
    """Photos as a source lists them.

    photos: PHOTO_FIELDS in pieces; an id may come several times. keywords: None where captions and `words` say which words
    a photo belongs to; else pieces with id, keyword and confidence, which alone decide, the surest photos of a word first.
    counts: what was left out and why; complete when all has been read.
    """

    photos: Iterable[pa.Table]
    keywords: Iterable[pa.Table] | None = None
    counts: LeftOut = field(default_factory=LeftOut)


def write_listed_links(
    listing: Listing,
    words_of: Mapping[str, Iterable[str]],
    folder: Path,
    photos_per_word: int = 0,
    max_rows: int | None = None,
) -> dict[str, int]:
    """Writes BUCKET.parquet (IMAGE_LINKS sorted by word and rank) for every bucket of `words_of`, all from one reading.

    A photo belongs to every word that is in its captions, or is one of its keywords or in one. Its rank among the photos of a
    word is its place in the list; with keywords, the surest comes first, then the smaller id. At most `photos_per_word` are
    taken for a word, 0 takes all. Photos that no word describes go into without_word.parquet, with the word "" (a listing
    with keywords leaves them out: it stands for a search). Returns counts. Memory does not grow with the listing, but for the
    longest list of one word (40 bytes a photo). max_rows: held in memory at a time in each of its passes, None for what suits
    each (MAX_PAIRS, MAX_KEYWORDS, MAX_ROWS).
    """
    vocabulary = [(bucket, word) for bucket in sorted(words_of) for word in sorted(set(words_of[bucket]))]
    counts = {"photos listed": 0, "rows of the same photo": 0, "photos without word": 0, "keywords without photo": 0}
    work = folder / ".unsorted"
    joined = _Join(vocabulary, listing.keywords is not None, folder, counts)
    pairs = joined.pairs(listing, work, max_rows)
    ordered = external_sort(
        pairs, _schema("word", "id", "order"), work / "pairs", joined.word_keys, max_rows or MAX_PAIRS
    )
    best = _ranked(ordered, photos_per_word)
    chosen = joined.chosen(best, work, max_rows or MAX_ROWS)
    links = external_sort(
        chosen, _schema("word", "rank", "photo"), work / "links", joined.word_keys, max_rows or MAX_ROWS
    )
    counts["links"] = write_buckets(links, vocabulary, sorted(words_of), folder)
    joined.close()
    shutil.rmtree(work, ignore_errors=True)
    counts |= listing.counts
    logger.info("Listed photos: %s", counts_text(counts))
    return counts


def links_without_word(photos: pa.Table, first_rank: int = 0) -> pa.Table:
    """IMAGE_LINKS rows with the word "" for photos (PHOTO_FIELDS) that no word describes."""
    import pyarrow as pa

    count = len(photos)
    columns = [pa.array([""] * count, pa.string()), pa.array(range(first_rank, first_rank + count), pa.int32())]
    fields = [photos[field.name].cast(field.type) for field in PHOTO_FIELDS]
    return pa.Table.from_arrays([*columns, *fields], schema=IMAGE_LINKS)


def links_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """IMAGE_LINKS of rows that hold word, rank and PHOTO_FIELDS; a field that is not there is null, words are none."""
    import pyarrow as pa

    nothing: dict[str, Any] = {field.name: None for field in PHOTO_FIELDS} | {"words": []}
    return pa.Table.from_pylist([nothing | dict(row) for row in rows], schema=IMAGE_LINKS)


class _Join:
    """The passes over photos and keywords; rows of one id come together through `storage/external_sort.py`."""

    def __init__(self, vocabulary: list[tuple[str, str]], by_keyword: bool, folder: Path, counts: dict[str, int]):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._matcher = WordMatcher(word for _, word in vocabulary)
        self._size, self._by_keyword, self._counts, self._folder = len(vocabulary), by_keyword, counts, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._without = None if by_keyword else pq.ParquetWriter(folder / WITHOUT_WORD, IMAGE_LINKS, compression="zstd")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._photos = folder / ".photos.arrow"
        self._aside = pa.ipc.new_stream(str(self._photos), _schema("photo"), options=options)

    def close(self) -> None:
        if self._without is not None:
            self._without.close()
        self._photos.unlink()

    def word_keys(self, table: pa.Table) -> np.ndarray:
        return range_keys(table["word"].to_numpy(), self._size)

    def pairs(self, listing: Listing, work: Path, max_rows: int | None) -> Iterator[pa.Table]:
        """(word, id, order) of every match; the photos, one row an id, are kept aside."""
        at_a_time = max_rows or (MAX_KEYWORDS if self._by_keyword else MAX_ROWS)
        rows = external_sort(_tagged(listing), _schema("photo", "place", "keyword"), work / "ids", _id_keys, at_a_time)
        for piece in rows:
            photos = self._photos_of(piece)
            if self._by_keyword:
                photos, pairs = self._match_keywords(photos, piece)
            else:
                photos, pairs = self._match_texts(photos)
            self._aside.write_table(photos.drop_columns("place"))
            yield pairs
        self._aside.close()

    def _photos_of(self, piece: pa.Table) -> pa.Table:
        """One row an id, in the order of the list."""
        listed = piece.filter(piece["url"].is_valid()).sort_by([("id", "ascending"), ("place", "ascending")])
        listed = with_distinct_ids(listed)
        photos = merged_rows(listed, listed["id"].to_pylist())
        self._counts["photos listed"] += len(photos)
        self._counts["rows of the same photo"] += len(listed) - len(photos)
        return photos.drop_columns(["keyword", "confidence"]).sort_by("place")

    def _match_texts(self, photos: pa.Table) -> tuple[pa.Table, pa.Table]:
        found = [
            sorted(self._matcher.in_photo(captions, words))
            for captions, words in zip(photos["captions"].to_pylist(), photos["words"].to_pylist(), strict=True)
        ]
        alone = [row for row, numbers in enumerate(found) if not numbers]
        if alone and self._without is not None:
            self._without.write_table(links_without_word(photos.take(alone), self._counts["photos without word"]))
        self._counts["photos without word"] += len(alone)
        counts = [len(numbers) for numbers in found]
        rows = np.repeat(np.arange(len(found)), counts)
        order = photos["place"].to_numpy().astype(np.float64)[rows]
        return photos, _pairs([number for numbers in found for number in numbers], photos["id"].take(rows), order)

    def _match_keywords(self, photos: pa.Table, piece: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Photos with their keywords as `words`, the surest first, and the pairs of the keywords."""
        import pyarrow as pa
        import pyarrow.compute as pc

        said = piece.filter(piece["keyword"].is_valid()).select(["id", "keyword", "confidence"])
        known = said.filter(pc.is_in(said["id"], photos["id"].combine_chunks()))
        self._counts["keywords without photo"] += len(said) - len(known)
        best = known.group_by(["id", "keyword"]).aggregate([("confidence", "max")])
        best = best.sort_by([("id", "ascending"), ("confidence_max", "descending"), ("keyword", "ascending")])
        photos = photos.sort_by("id")
        ids, keywords = best["id"].to_pylist(), best["keyword"].to_pylist()
        starts = np.searchsorted(np.array(ids, object), np.array(photos["id"].to_pylist(), object))
        offsets = np.append(starts, len(ids)).astype(np.int32)
        lists = pa.ListArray.from_arrays(offsets, best["keyword"].combine_chunks())
        photos = photos.set_column(photos.schema.get_field_index("words"), "words", lists)
        matches = [self._matcher.in_keyword(keyword) for keyword in keywords]
        rows = np.repeat(np.arange(len(ids)), [len(numbers) for numbers in matches])
        numbers = np.array([number for found in matches for number in found], np.int32)
        owner = np.searchsorted(starts, rows, side="right") - 1
        self._counts["photos without word"] += len(photos) - len(np.unique(owner))
        pairs = _pairs(numbers, best["id"].take(rows), -best["confidence_max"].to_numpy().astype(np.float64)[rows])
        pairs = pairs.group_by(["word", "id"]).aggregate([("order", "min")]).rename_columns(["word", "id", "order"])
        return photos, pairs

    def chosen(self, ranked: Iterable[pa.Table], work: Path, max_rows: int) -> Iterator[pa.Table]:
        """(word, rank, all of the photo) for each (word, id, rank)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        schema = _schema("photo", "word", "rank")

        def rows() -> Iterator[pa.Table]:
            for table in ranked:  # first: only then are all photos aside
                yield _filled(table, schema)
            with pa.OSFile(str(self._photos)) as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    yield _filled(pa.Table.from_batches([batch]), schema)

        for piece in external_sort(rows(), schema, work / "chosen", _id_keys, max_rows):
            photos, wanted = piece.filter(piece["url"].is_valid()), piece.filter(piece["word"].is_valid())
            place = pc.index_in(wanted["id"], photos["id"].combine_chunks())
            links = photos.take(place)
            for name in ("word", "rank"):
                links = links.set_column(links.schema.get_field_index(name), name, wanted[name])
            yield links


def _schema(*parts: str) -> pa.Schema:
    import pyarrow as pa

    named = {
        "photo": [field.with_nullable(True) for field in PHOTO_FIELDS],
        "id": [pa.field("id", pa.string())],
        "word": [pa.field("word", pa.int32())],
        "rank": [pa.field("rank", pa.int32())],
        "order": [pa.field("order", pa.float64())],
        "place": [pa.field("place", pa.int64())],
        "keyword": [pa.field("keyword", pa.string()), pa.field("confidence", pa.float32())],
    }
    return pa.schema([one for part in parts for one in named[part]])


def _filled(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with all columns of the schema; those that it lacks are null."""
    import pyarrow as pa

    names = set(table.column_names)
    columns = [
        table[one.name].cast(one.type) if one.name in names else pa.nulls(len(table), one.type) for one in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _id_keys(table: pa.Table) -> np.ndarray:
    return text_keys(table["id"].to_pylist())


def _tagged(listing: Listing) -> Iterator[pa.Table]:
    """Photos with their place in the list, then keywords: rows of one schema."""
    import pyarrow as pa

    schema, place = _schema("photo", "place", "keyword"), 0
    for table in listing.photos:
        places = pa.array(range(place, place + len(table)), pa.int64())
        yield _filled(table.append_column("place", places), schema)
        place += len(table)
    for table in listing.keywords or ():
        yield _filled(table, schema)


def _pairs(words: Iterable[int], ids: pa.ChunkedArray, order: np.ndarray) -> pa.Table:
    import pyarrow as pa

    columns = [pa.array(np.asarray(words, np.int32)), ids, pa.array(order, pa.float64())]
    return pa.Table.from_arrays(columns, schema=_schema("word", "id", "order"))


def _ranked(pieces: Iterable[pa.Table], photos_per_word: int) -> Iterator[pa.Table]:
    """(word, id, rank) from (word, id, order); all rows of a word are in one piece."""
    import pyarrow as pa

    for piece in pieces:
        piece = piece.sort_by([("word", "ascending"), ("order", "ascending"), ("id", "ascending")])
        words = piece["word"].to_numpy()
        starts = np.flatnonzero(np.append(True, words[1:] != words[:-1]))
        lengths = np.diff(np.append(starts, len(words)))
        ranks = np.arange(len(words)) - np.repeat(starts, lengths)
        kept = np.flatnonzero(ranks < photos_per_word) if photos_per_word else np.arange(len(words))
        best = piece.take(kept).drop_columns("order")
        yield best.append_column("rank", pa.array(ranks[kept], pa.int32()))
