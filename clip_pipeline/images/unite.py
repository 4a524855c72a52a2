"""Several rows of one photo become one, and nothing that is said of it is lost."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def united_rows(photos: pa.Table, names: list[str]) -> pa.Table:
    """The first row of each run of equal names, with the captions and words of the whole run, each once, words sorted.

    photos: has PHOTO_FIELDS; names: one a row, equal ones side by side.
    """
    import pyarrow as pa

    starts = [place for place, name in enumerate(names) if place == 0 or name != names[place - 1]]
    table = photos.take(pa.array(starts, pa.int64()))
    for column in ("captions", "words"):
        lists = photos[column].to_pylist()
        united = [
            list(dict.fromkeys(itertools.chain.from_iterable(lists[start:end])))
            for start, end in itertools.pairwise([*starts, len(names)])
        ]
        if column == "words":
            united = [sorted(texts) for texts in united]
        place = table.schema.get_field_index(column)
        table = table.set_column(place, photos.schema.field(column), pa.array(united, pa.list_(pa.string())))
    return table
