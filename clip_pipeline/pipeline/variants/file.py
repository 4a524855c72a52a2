"""The file that defines a training variant, below the data folder."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.settings.variants import Variant, definition_of, variant_file
from clip_pipeline.storage.definition_file import write_definition


def keep_definition(data: Path, variant: Variant) -> None:
    """Writes the file of a variant, so that what its key means is on the disk; does nothing where there is one."""
    if not variant.own and not (file := variant_file(data, variant.name)).exists():
        write_definition(file, definition_of(variant))
