"""What is known of each photo of an index, and of each word: the tables beside the vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.records import SEARCH_FACTS, SEARCH_WORDS
from clip_pipeline.text.word_boundaries import split_words

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FACTS_FILE, WORDS_FILE = "facts.parquet", "words.parquet"
ROWS_OF_A_GROUP = 4_096
"""Rows that are read for one: the facts of twenty results are a few groups, whatever the size of the index."""
TRAINED = "train"


def photo_facts(ids: Sequence[str], attempts: pa.Table, pairs: pa.Table) -> pa.Table:
    """SEARCH_FACTS, a row for each id. attempts: SHARD_ATTEMPTS of these photos. pairs: IMAGE_TEXT_PAIRS; a photo without a pair has no split,
    the captions that its source gave, and is a group of its own."""
    import pyarrow as pa

    place = {photo_id: row for row, photo_id in enumerate(attempts["id"].to_pylist())}
    rows = attempts.take(pa.array([place[photo_id] for photo_id in ids], pa.int64()))
    by_photo: dict[str, dict[str, Any]] = {}
    for pair in pairs.select(["photo_id", "caption", "split", "group"]).to_pylist():
        known = by_photo.setdefault(pair["photo_id"], {"split": pair["split"], "group": pair["group"], "captions": []})
        known["captions"].append(pair["caption"])
    given = zip(ids, rows["captions"].to_pylist(), strict=True)
    own = [by_photo.get(one, {"split": "", "group": one, "captions": captions or []}) for one, captions in given]
    columns: dict[str, Any] = {name: [of_photo[name] for of_photo in own] for name in ("split", "group", "captions")}
    for ours, theirs in (("width", "original_width"), ("height", "original_height")):
        columns[ours] = rows[theirs]
    for name in SEARCH_FACTS.names:
        if name not in columns:
            columns[name] = rows[name]
    return pa.table({name: columns[name] for name in SEARCH_FACTS.names}).cast(SEARCH_FACTS)


def word_table(facts: pa.Table) -> pa.Table:
    """SEARCH_WORDS: every word of the captions, with how many training captions hold it, and the rows of its photos."""
    import pyarrow as pa

    trained: dict[str, int] = {}
    rows_of: dict[str, list[int]] = {}
    for row, (captions, split) in enumerate(
        zip(facts["captions"].to_pylist(), facts["split"].to_pylist(), strict=True)
    ):
        of_photo: set[str] = set()
        for caption in captions:
            words = set(split_words(caption))
            of_photo |= words
            if split == TRAINED:
                for word in words:
                    trained[word] = trained.get(word, 0) + 1
        for word in of_photo:
            rows_of.setdefault(word, []).append(row)
    known = sorted(rows_of)
    columns = {"word": known, "training_captions": [trained.get(word, 0) for word in known], "rows": [rows_of[word] for word in known]}  # fmt: skip
    return pa.table(columns, schema=SEARCH_WORDS)


def write_tables(facts: pa.Table, words: pa.Table, folder: Path) -> None:
    """Writes both; the same tables give the same bytes."""
    import pyarrow.parquet as pq

    pq.write_table(facts, folder / FACTS_FILE, compression="zstd", row_group_size=ROWS_OF_A_GROUP)
    pq.write_table(words, folder / WORDS_FILE, compression="zstd", row_group_size=ROWS_OF_A_GROUP)


class Facts:
    """The tables of an index, of which no more is read than is asked for."""

    def __init__(self, folder: Path):
        import pyarrow.parquet as pq

        self._folder = folder
        self._file = pq.ParquetFile(folder / FACTS_FILE, memory_map=True)
        self._columns: dict[str, list[Any]] = {}
        self._row_of: dict[str, int] | None = None

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    def column(self, name: str) -> list[Any]:
        """One fact of all photos, by row; read once."""
        if name not in self._columns:
            self._columns[name] = self._file.read(columns=[name])[name].to_pylist()
        return self._columns[name]

    def row_of(self, photo_id: str) -> int | None:
        """The row of a photo; None where the index has none of the id."""
        if self._row_of is None:
            self._row_of = {one: row for row, one in enumerate(self.column("id"))}
        return self._row_of.get(photo_id)

    def rows(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """All facts of some photos, in the order of the rows."""
        found: dict[int, dict[str, Any]] = {}
        for group in sorted({row // ROWS_OF_A_GROUP for row in rows}):
            table = self._file.read_row_group(group)
            first = group * ROWS_OF_A_GROUP
            inside = [row for row in rows if row // ROWS_OF_A_GROUP == group]
            found |= dict(zip(inside, table.take([row - first for row in inside]).to_pylist(), strict=True))
        return [found[row] for row in rows]

    def words(self, words: Iterable[str]) -> dict[str, tuple[int, np.ndarray]]:
        """word -> (training captions that hold it, rows of the photos whose captions do); words that no caption holds are left out."""
        import numpy as np
        import pyarrow.parquet as pq

        wanted = sorted(set(words))
        if not wanted:
            return {}
        table = pq.read_table(self._folder / WORDS_FILE, filters=[("word", "in", wanted)])
        return {row["word"]: (row["training_captions"], np.array(row["rows"], np.int64)) for row in table.to_pylist()}
