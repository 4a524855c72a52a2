"""Errors of the disk are sentences, whichever library meets them."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from clip_pipeline.errors import DiskError
from clip_pipeline.storage.disk_faults import disk_errors, disk_sentence
from clip_pipeline_tests.made.warm_python import run_python


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "Your quota on the disk that holds .* is used up"),
        (errno.EFBIG, "would be larger than this process or its file system may write"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "cannot be written"),
        (errno.EIO, "does not answer"),
        (errno.ESTALE, "does not answer"),
        (errno.ENOLCK, "has no locks"),
    ],
)
def test_what_the_system_says_of_a_disk_is_a_sentence_that_says_what_to_do(tmp_path, number, sentence):
    with pytest.raises(DiskError, match=sentence) as caught, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.remedy is not None


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "refused"), OSError(113, "No route"), ValueError("13"), OSError("odd")])  # fmt: skip
def test_an_error_of_no_disk_stays_what_it_is(tmp_path, error):
    with pytest.raises(type(error)), disk_errors(tmp_path):
        raise error
    assert disk_sentence(error) == ""


def test_a_file_elsewhere_is_named_instead_of_the_folder_that_is_written(tmp_path):
    error = OSError(errno.EIO, "Input/output error", "/mnt/camera/1.jpg")
    with pytest.raises(OSError, match="camera"), disk_errors(tmp_path):
        raise error
    assert disk_sentence(error).startswith("/mnt/camera/1.jpg: Input/output error")


LIBRARIES = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.csv, pyarrow.parquet, torch, safetensors.torch
from PIL import Image
from clip_pipeline.errors import DiskError
from clip_pipeline.storage.published import published_folder
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
numbers = np.random.default_rng(0).random(10_000)
tensor, table = torch.from_numpy(numbers), pa.table({"x": numbers})
picture = Image.fromarray((numbers[:7500] * 255).astype(np.uint8).reshape(50, 50, 3).repeat(4, 0).repeat(4, 1))
writers = {
    "python": lambda path: path.write_bytes(bytes(100_000)),
    "numpy": lambda path: np.save(path, numbers),
    "arrow": lambda path: pa.parquet.write_table(table, path),
    "csv": lambda path: pa.csv.write_csv(table, path),
    "torch": lambda path: torch.save(tensor, path),
    "torch_stream": lambda path: torch.save(tensor, path.open("wb")),
    "safetensors": lambda path: safetensors.torch.save_file({"a": tensor}, path),
    "pillow": lambda path: picture.save(path, "BMP"),
}
for name, write in writers.items():
    try:
        with published_folder(Path(sys.argv[1], name)) as (folder, work):
            write(folder / "file.npy")
    except DiskError as error:
        print(name, error)
    else:
        sys.exit(f"{name} wrote more than it may")
"""


def test_a_limit_of_the_size_of_files_is_a_sentence_of_every_library_that_writes(tmp_path):
    done = run_python(["-c", LIBRARIES, tmp_path])
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 8 and all("What was finished is kept." in line for line in lines), lines
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".lock")]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_below_a_command_is_a_sentence(tmp_path):
    code = "import sys; from clip_pipeline.cli.program import main; sys.argv = ['clip-pipeline', *sys.argv[1:]]; main()"
    (tmp_path / "a.txt").write_text("one two three four five\n" * 100)
    done = run_python(["-c", code, "tokenizer", tmp_path / "a.txt", "-o", tmp_path / "a.txt" / "below"])
    assert done.returncode == 1 and "Traceback" not in done.stderr
