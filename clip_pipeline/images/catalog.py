"""Links to photos: one row a photo, and the shard that it belongs to. Larger than memory: see storage/external_sort.py."""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.display.counts import counts_text
from clip_pipeline.images.links.merge_rows import merged_rows, with_distinct_ids
from clip_pipeline.records import IMAGE_LINKS, PHOTO_CATALOG, PHOTO_FIELDS
from clip_pipeline.storage.external_sort import MAX_ROWS, external_sort, range_keys, text_keys

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

logger = logging.getLogger(__name__)

APPLICATION_MARKS = re.compile(r"(?<=[?&])ix(?:id|lib)=[^&]*&?")
"""What Unsplash's urls say of the application that asked; they name the same photo with and without."""


def write_catalog(
    link_tables: Iterable[pa.Table],
    photos_per_shard: int,
    folder: Path,
    taken_down: Collection[str] = (),
    max_rows: int = MAX_ROWS,
) -> dict[str, int]:
    """Writes photos.parquet (PHOTO_CATALOG) and shards/NNNNN.parquet, the same rows by shard, into `folder`.

    link_tables: IMAGE_LINKS, in any order and number of pieces. Photos are deduplicated by id, then by url (`plain_url`);
    of several ids the smallest stays. A photo found under several words has all of them, sorted; captions are merged in
    the order in which they come, words by the alphabet, then photos by id. A photo one of whose ids is `taken_down` is left
    out. The shard follows from the id alone while the number of shards stays the same, and that is a power of two, so new
    photos touch only the shards that they fall into until the catalog doubles.

    Returns how many links, photos, shards, photos known by several urls' ids (`same url`) and photos taken down there are.
    Memory does not grow with the number of photos: the peak is 166 MB for 4,000, 229 MB for 200,000,
    315 MB for 1,000,000 photos, imports included (2026-11-21). max_rows: held in memory at a time; more go through files.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = dict.fromkeys(("links", "photos", "shards", "same url", "taken down"), 0)
    (folder / "shards").mkdir(parents=True)
    work = folder / ".unsorted"
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(folder / "photos.parquet", PHOTO_CATALOG, compression="zstd") as whole:
        for rows in _catalog_pieces(link_tables, photos_per_shard, work, taken_down, counts, max_rows):
            for shard in _shards_of(rows):
                pq.write_table(shard, folder / "shards" / f"{shard['shard'][0]}.parquet", compression="zstd")
                counts["shards"] += 1
            waiting.append(rows)
            if sum(map(len, waiting)) >= max_rows:
                write_rows(whole, waiting)
        write_rows(whole, waiting)
    shutil.rmtree(work, ignore_errors=True)
    pa.default_memory_pool().release_unused()
    logger.info("The catalog: %s", counts_text(counts))
    return counts


def write_rows(file: pq.ParquetWriter, waiting: list[pa.Table]) -> None:
    """Writes the rows that wait as one group of the file, and empties the list."""
    import pyarrow as pa

    if waiting:
        file.write_table(pa.concat_tables(waiting).combine_chunks())
        waiting.clear()


def _shards_of(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of one shard after the other, of rows that are sorted by shard."""
    names = np.array(rows["shard"].to_pylist())
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1])).tolist()
    for start, end in itertools.pairwise([*starts, len(rows)]):
        yield rows.slice(start, end - start)


def _catalog_pieces(
    link_tables: Iterable[pa.Table],
    photos_per_shard: int,
    work: Path,
    taken_down: Collection[str],
    counts: dict[str, int],
    max_rows: int,
) -> Iterator[pa.Table]:
    """PHOTO_CATALOG in pieces of whole shards, in order. Fills `counts`."""
    import pyarrow as pa

    schema = pa.schema(PHOTO_FIELDS)
    links = external_sort(_counted(link_tables, counts), IMAGE_LINKS, work / "ids", _id_keys, max_rows)
    photos = external_sort(map(_merged_by_id, links), schema, work / "urls", _url_keys, max_rows)
    distinct = (_merged_by_url(piece, taken_down, counts) for piece in photos)
    with _counted_aside(distinct, schema, work / "photos.arrow", max_rows) as (count, pieces):
        counts["photos"] = count
        # Photos that were taken down count: without them the number of shards could fall, and every shard would change.
        shards = _shard_count(count + counts["taken down"], photos_per_shard)
        keys = _shard_keys(shards)
        for piece in external_sort(pieces, schema, work / "shards", keys, max_rows):
            yield _with_keys(piece, shards)


def _counted(tables: Iterable[pa.Table], counts: dict[str, int]) -> Iterator[pa.Table]:
    for table in tables:
        counts["links"] += len(table)
        yield table


# ---- one row a photo


def _id_keys(table: pa.Table) -> np.ndarray:
    return text_keys(table["id"].to_pylist())


def _url_keys(table: pa.Table) -> np.ndarray:
    return text_keys(map(plain_url, table["url"].to_pylist()))


def plain_url(url: str) -> str:
    """What two urls of one photo have in common: no scheme, host in lower case, no fragment, nothing of the application.

    For images.unsplash.com that is the path, since all else there says how the photo is to be resized. A file: or tar: url is
    left as it is: there `#` is part of the name.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        return url
    host, slash, path = rest.partition("#")[0].partition("/")
    host = host.lower().removesuffix(":443" if scheme.lower() == "https" else ":80")
    if host == "images.unsplash.com":
        return host + slash + path.partition("?")[0]
    return (host + slash + APPLICATION_MARKS.sub("", path)).rstrip("?&")


def _merged_by_id(links: pa.Table) -> pa.Table:
    """PHOTO_FIELDS, one row an id, from all the IMAGE_LINKS of each id."""
    import pyarrow as pa

    links = with_distinct_ids(links.sort_by([(name, "ascending") for name in ("id", "word", "rank", "url")]))
    words = [[word] if word else [] for word in links["word"].to_pylist()]
    place = links.schema.get_field_index("words")
    links = links.set_column(place, "words", pa.array(words, pa.list_(pa.string())))
    return merged_rows(links.select([field.name for field in PHOTO_FIELDS]), links["id"].to_pylist())


def _merged_by_url(photos: pa.Table, taken_down: Collection[str], counts: dict[str, int]) -> pa.Table:
    """One row a url, of photos with one row an id. Adds to counts["same url"] and counts["taken down"]."""
    photos = photos.sort_by("id")
    urls = [plain_url(url) for url in photos["url"].to_pylist()]
    gone = {url for url, photo in zip(urls, photos["id"].to_pylist(), strict=True) if photo in taken_down}
    if gone:
        left = [place for place, url in enumerate(urls) if url not in gone]
        photos, urls = photos.take(np.array(left, np.int64)), [urls[place] for place in left]
        counts["taken down"] += len(gone)
    first_of = {url: place for place, url in reversed(list(enumerate(urls)))}
    counts["same url"] += len(urls) - len(first_of)
    if len(first_of) < len(urls):
        order = np.argsort([first_of[url] for url in urls], kind="stable")
        photos, urls = photos.take(order), [urls[place] for place in order]
    return merged_rows(photos, urls)


class _counted_aside:
    """Context of (number of rows, the tables once more): tables are kept aside until their rows are counted."""

    def __init__(self, tables: Iterable[pa.Table], schema: pa.Schema, path: Path, max_rows: int):
        self._tables, self._schema, self._path, self._max_rows = tables, schema, path, max_rows

    def __enter__(self) -> tuple[int, Iterable[pa.Table]]:
        import pyarrow as pa

        first, count = [], 0
        for table in self._tables:
            first.append(table)
            count += len(table)
            if count > self._max_rows:
                break
        if count <= self._max_rows:
            return count, first
        self._path.parent.mkdir(parents=True, exist_ok=True)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(str(self._path), self._schema, options=options) as stream:
            while first:
                stream.write_table(first.pop(0))
            for table in self._tables:
                stream.write_table(table)
                count += len(table)
        return count, self._read()

    def _read(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        with pa.OSFile(str(self._path)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield pa.Table.from_batches([batch])

    def __exit__(self, *error: Any) -> None:
        self._path.unlink(missing_ok=True)


# ---- shards and keys


def _shard_count(photos: int, photos_per_shard: int) -> int:
    """The smallest power of two that keeps shards at or below the size on average."""
    count = 1
    while count * photos_per_shard < photos:
        count *= 2
    return count


def _shard_of(photo_id: str, shards: int) -> int:
    return int.from_bytes(hashlib.sha256(photo_id.encode()).digest()[:8], "big") % shards


def _shards(photos: pa.Table, shards: int) -> np.ndarray:
    return np.array([_shard_of(photo_id, shards) for photo_id in photos["id"].to_pylist()], np.int64)


def _shard_keys(shards: int):
    return lambda photos: range_keys(_shards(photos, shards), shards)


def _with_keys(photos: pa.Table, shards: int) -> pa.Table:
    """PHOTO_CATALOG of whole shards, sorted."""
    import pyarrow as pa

    photos = photos.sort_by("id")
    shard_of = _shards(photos, shards)
    order = np.argsort(shard_of, kind="stable")
    numbers, counts = np.unique(shard_of, return_counts=True)
    keys = [
        key for number, count in zip(numbers.tolist(), counts.tolist(), strict=True) for key in _keys(number, count)
    ]
    names = [f"{shard:05d}" for shard in shard_of[order].tolist()]
    columns = [*photos.take(order).columns, pa.array(names), pa.array(keys)]
    return pa.Table.from_arrays(columns, schema=PHOTO_CATALOG)


def with_own_keys(photos: pa.Table) -> pa.Table:
    """PHOTO_CATALOG of one shard, sorted, with the keys of a shard that holds these photos alone."""
    import pyarrow as pa

    if len(photos) == 0:
        return photos
    keys = _keys(int(photos["shard"][0].as_py()), len(photos))
    return photos.set_column(photos.schema.get_field_index("key"), PHOTO_CATALOG.field("key"), pa.array(keys))


def _keys(shard: int, count: int) -> list[str]:
    """Places have four digits, all of them more in a shard of more than 10,000: keys sort as text."""
    return [f"{shard:05d}{place:0{max(4, len(str(count - 1)))}d}" for place in range(count)]
