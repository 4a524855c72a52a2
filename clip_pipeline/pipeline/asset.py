"""What is declared of an asset: everything that run, status, Dagster, take-down and documentation show or go by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class Partitions(StrEnum):
    """What an asset is divided by. `partitions.py` knows the keys that there are."""

    NONE = "none"
    DUMP_PARTS = "dump_parts"
    WORD_BUCKETS = "word_buckets"
    SHARDS = "shards"
    DATASETS = "datasets"
    IMAGE_FORMATS = "image_formats"
    VARIANTS = "variants"
    """Training variants: named sets of training settings (`settings/variants.py`)."""
    DATASETS_BY_VARIANT = "datasets_by_variant"
    """Keys "dataset|variant"."""
    SHARDS_BY_VARIANT = "shards_by_variant"
    """Keys "shard|variant"."""
    TRIALS_BY_VARIANT = "trials_by_variant"
    """Keys "trial|variant"; a trial is a way of adapting at a fraction of the photos, as in lora@010."""
    LANGUAGE_MODELS = "language_models"
    """The language models of `language.models`, each with a seed, as in router@4-0."""
    ADAPTED_VARIANTS = "adapted_variants"
    """The training variants, but for recipes that adapt to nothing, where the asset is left out."""


@dataclass(frozen=True)
class StoredTable:
    """A preview: rows of the main table. file: its name. counted: the name under which its rows are counted. columns: shown.
    largest: the column whose largest values are shown; "" shows the first rows."""

    file: str
    counted: str
    columns: tuple[str, ...]
    largest: str = ""


@dataclass(frozen=True)
class Figures:
    """A preview: PNG files of the artifact, those of them that it has. files: names, or patterns such as figures/photos_*.png."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class ContactSheet:
    """A preview: the first photos of the artifact's tar. counted: the name under which the rows of its table are counted."""

    counted: str


@dataclass(frozen=True)
class Scores:
    """A preview: scores.json with intervals, and its scores as numbers. of_all: of every dataset and variant, so that the names say of
    which and only the headlines are numbers; else of the partition's."""

    of_all: bool = False
    counted: str = "scores"


@dataclass(frozen=True)
class LearningCurve:
    """A preview: the table of the ways of adapting by fraction, and the accuracies with all photos as numbers."""


@dataclass(frozen=True)
class Page:
    """A preview: a file to be opened in a browser."""

    file: str


PreviewKind = StoredTable | Figures | ContactSheet | Scores | LearningCurve | Page


@dataclass(frozen=True)
class Asset:
    """One asset, as `declared/` declares it.

    name: as commands, folders and Dagster call it. stage: its folder below the data folder and its group in Dagster.
    about: one sentence for people. code_version: raise it when the code changes what it writes. after: the assets it reads.
    sources: what it reads and no asset builds, by the names of `sources/declared.py`.
    partitions: what it is divided by. makes: the partitions that are known once it is there.
    steps: the file of `steps/` whose BUILDERS builds it, the stage's where empty.
    kinds: small tags on the page. owner: the team. pool: "network" or "accelerator" for work of which only so much may go on at
    a time; network assets are tried again. columns: of its table. preview: what the page shows of it.
    key_facts: those that the page shows first, in this order.
    repeated_facts: those that say under other names what its counts or its partition say; the page leaves them out.
    holds_photos: it holds photos, their captions or vectors, or lists them by id: a take-down builds it again.
    learnt_from_photos: it was learnt from photos; a take-down leaves it to the next run, since a training takes hours and whoever
    asked for a photo's removal should not wait for it.
    completes: assets among `after` whose partitions nobody may have asked for yet, since what makes them came in the same run: Dagster
    builds those that are missing before this one. partitions_per_run: of a backfill in Dagster.
    on_request: a run builds it only when it is asked for by its own name.
    own_process: Dagster builds it in a process of its own, whose end gives the accelerator's memory back.
    """

    name: str
    stage: str
    about: str
    code_version: str
    kinds: tuple[str, ...]
    owner: str
    after: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    partitions: Partitions = Partitions.NONE
    makes: Partitions | None = None
    steps: str = ""
    pool: str | None = None
    columns: tuple[pa.Field, ...] = ()
    preview: tuple[PreviewKind, ...] = ()
    key_facts: tuple[str, ...] = ()
    repeated_facts: tuple[str, ...] = ()
    holds_photos: bool = False
    learnt_from_photos: bool = False
    completes: tuple[str, ...] = ()
    partitions_per_run: int = 20
    on_request: bool = False
    own_process: bool = False
