"""Several rows of one photo become one, and nothing that is said of it is lost; rows of several photos stay apart."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def with_distinct_ids(photos: pa.Table) -> pa.Table:
    """The rows with an id for each url where they are of lists of urls: an id may be that of a product with several photos, or
    each file of a list may count from 0. The first url keeps the id, a further one gets a hash behind it.

    photos: has PHOTO_FIELDS, equal ids side by side; so they are afterwards, in the same order. Rows of other sources keep
    their ids: Unsplash's photos may change their address.
    """
    import pyarrow as pa

    ids, first_id, first_url = [], None, None
    given = photos["id"].to_pylist()
    for name, url, source in zip(given, photos["url"].to_pylist(), photos["source"].to_pylist(), strict=True):
        if name != first_id:
            first_id, first_url = name, url
        another = source == "url_list" and url != first_url
        ids.append(f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:8]}" if another else name)
    if ids == given:
        return photos
    renamed = photos.set_column(
        photos.schema.get_field_index("id"), photos.schema.field("id"), pa.array(ids, pa.string())
    )
    return renamed.take(np.argsort(np.array(ids, object), kind="stable"))


def merged_rows(photos: pa.Table, names: list[str]) -> pa.Table:
    """The first row of each run of equal names, with the captions and words of the whole run, each once, words sorted.

    photos: has PHOTO_FIELDS; names: one a row, equal ones side by side.
    """
    import pyarrow as pa

    starts = [place for place, name in enumerate(names) if place == 0 or name != names[place - 1]]
    table = photos.take(pa.array(starts, pa.int64()))
    for column in ("captions", "words"):
        lists = photos[column].to_pylist()
        merged = [
            list(dict.fromkeys(itertools.chain.from_iterable(lists[start:end])))
            for start, end in itertools.pairwise([*starts, len(names)])
        ]
        if column == "words":
            merged = [sorted(texts) for texts in merged]
        place = table.schema.get_field_index(column)
        table = table.set_column(place, photos.schema.field(column), pa.array(merged, pa.list_(pa.string())))
    return table
