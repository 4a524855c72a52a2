from __future__ import annotations

import functools
import os
import subprocess
import sys

import pytest
from numba import int64, njit
from numba.core import caching

from clip_pipeline.machine.numba_cache import cached


def double(number):
    return 2 * number


@pytest.fixture
def no_place(monkeypatch):
    """No folder can be written to."""
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])


@pytest.mark.parametrize("signature", [(), (int64(int64),)])
def test_without_a_folder_for_it_a_function_is_compiled_in_memory_and_that_is_told(no_place, caplog, signature):
    assert cached(functools.partial(njit, *signature))(double)(21) == 42
    assert "double is compiled in every run" in caplog.text
    assert "Set NUMBA_CACHE_DIR" in caplog.text


@pytest.mark.slow
def test_a_function_is_kept_in_the_folder_of_the_environment(tmp_path):
    (tmp_path / "twice.py").write_text(
        "import functools, sys; from numba import njit; from clip_pipeline.machine.numba_cache import cached\n"
        "@cached(functools.partial(njit, 'int64(int64)'))\ndef double(number): return 2 * number\n"
        "print(sum(double.stats.cache_hits.values()))\n"
    )
    command = [sys.executable, str(tmp_path / "twice.py")]
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONPATH": ":".join(filter(None, sys.path))}
    hits = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in "ab"]
    assert hits == ["0\n", "1\n"]


@pytest.mark.slow
def test_what_was_kept_under_another_name_of_a_folder_is_compiled_again(tmp_path):
    """numba keeps the name of the module in what it keeps, and its files go along with a folder that is renamed."""
    (tmp_path / "before").mkdir()
    (tmp_path / "before/twice.py").write_text(
        "import functools; from numba import njit; from clip_pipeline.machine.numba_cache import cached\n"
        "@cached(functools.partial(njit, 'int64(int64)'))\ndef double(number): return 2 * number\n"
        "print(double(21))\n"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, [str(tmp_path), *sys.path]))}

    def run(name: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", f"import {name}.twice"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert run("before").stdout == "42\n"
    (tmp_path / "before").rename(tmp_path / "after")
    again = run("after")
    assert again.stdout == "42\n" and "is of code that is not there any more" in again.stderr
    assert "not there any more" not in run("after").stderr


TRIED = """
import functools, pathlib, sys
from numba import config, njit
config.CACHE_DIR = sys.argv[1]
from clip_pipeline.machine.numba_cache import cached
from clip_pipeline_tests.made.damage import damage, remove
import clip_pipeline_tests.made.doubled as doubled

def hits():
    function = cached(functools.partial(njit, "int64(int64)"))(doubled.double)
    assert function(21) == 42
    return sum(function.stats.cache_hits.values())

assert (hits(), hits()) == (0, 1)
files = sorted(path for path in pathlib.Path(sys.argv[1]).rglob("*") if path.is_file())
assert [path.suffix for path in files] == [".nbc", ".nbi"], files
for path in files:
    whole = path.read_bytes()
    for kind in ("empty", "random bytes", "a folder", "a pipe", "a bit"):
        if kind == "a bit":
            path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
        else:
            damage(path, kind)
        assert hits() == 0, (path.name, kind)
        for left in path.parent.iterdir():
            remove(left)
        assert (hits(), hits()) == (0, 1)
print("all")
"""


@pytest.mark.slow
def test_damaged_files_are_compiled_again_and_never_run(tmp_path):
    done = subprocess.run([sys.executable, "-c", TRIED, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "all\n", done.stderr
    assert "is damaged and is not used: the function is compiled again" in done.stderr


@pytest.mark.slow
def test_photos_are_resized_without_a_folder_for_it():
    code = (
        "from numba.core import caching; caching.CacheImpl._locator_classes = []\n"
        "import numpy as np; from clip_pipeline.pixels.resize import resize_rgb\n"
        "print(resize_rgb(np.full((9, 8, 3), 7, np.uint8), 4, 3).tolist())"
    )
    quick = os.environ | {"NUMBA_OPT": "0"}  # compiled in two seconds instead of ten
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=quick)
    assert done.stdout == f"{[[[7] * 3] * 4] * 3}\n"
    assert "weigh_rows is compiled in every run" in done.stderr
