"""Where the files of embeddings lie: as this program reads them, or as clip-retrieval and autofaiss do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LAYOUTS = ("clip-pipeline", "clip-retrieval")


@dataclass(frozen=True)
class Layout:
    """vectors: the array. keys: the table with a row a vector. failures: the table of photos without one.

    places: (id, where the photo lies) of all photos in their order, for the column image_path; None for no such column.
    """

    vectors: Path
    keys: Path
    failures: Path
    places: Callable[[], Iterator[tuple[str, str]]] | None = None


def own_layout(folder: Path, name: str = "images") -> Layout:
    """NAME.npy, NAME.parquet and NAME_failures.parquet."""
    return Layout(folder / f"{name}.npy", folder / f"{name}.parquet", folder / f"{name}_failures.parquet")


def clip_retrieval_layout(folder: Path, places: Callable[[], Iterator[tuple[str, str]]]) -> Layout:
    """img_emb/img_emb_0.npy and metadata/metadata_0.parquet, whose rows go together; failures.parquet beside them, where no
    reader of the two folders comes across it."""
    return Layout(
        folder / "img_emb" / "img_emb_0.npy",
        folder / "metadata" / "metadata_0.parquet",
        folder / "failures.parquet",
        places,
    )
