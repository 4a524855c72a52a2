"""What tells that the user's own files changed."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.tar_paths import find_tars, is_tar_pattern, tar_path, tar_root
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.user_files import UserFiles


def user_files_identity(user_files: UserFiles, path: Path) -> str:
    """A hash that changes when a file at or below `path` does: of contents for a file, of names, sizes and times for a folder
    or the tars of a pattern.

    Raises PhotosError when there is nothing at `path`.
    """
    path = path.expanduser()
    if is_tar_pattern(path):
        return _identity_of_tars(path)
    if path.is_file():
        return user_files.hash_file(path)
    if not path.is_dir():
        raise PhotosError(f"There is no file or folder {path}. Check the setting that names it.")
    return user_files.hash_folder(path)


def _identity_of_tars(pattern: Path) -> str:
    root = tar_root(pattern)
    states = [(name, tar_path(root, name).stat()) for name in find_tars(pattern)]
    return hash_json([[str(root), name, state.st_size, state.st_mtime_ns] for name, state in states])
