"""What is compiled after an installation is all that is compiled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import clip_pipeline
from clip_pipeline.pipeline.compile_kernels import KERNELS

PACKAGE = Path(clip_pipeline.__file__).parent
SCANNER = "clip_pipeline.words.wikitext.scanner"


def test_every_file_with_compiled_functions_that_are_kept_is_compiled_after_an_installation():
    keeping = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^from clip_pipeline\.machine\.numba_cache import cached", path.read_text(encoding="utf-8"), re.MULTILINE)
    }  # fmt: skip
    assert keeping == {*KERNELS, SCANNER}


def test_what_was_compiled_ahead_is_not_compiled_again():
    """In this checkout the tests compile it in any case."""
    run = "from clip_pipeline.pipeline.compile_kernels import compile_kernels; compile_kernels()\n"
    told = (
        "import numba.core.event as event\n"
        "class Count(event.Listener):\n"
        "    def on_start(self, one): print(one.data['dispatcher'])\n"
        "    def on_end(self, one): pass\n"
        f"with event.install_listener('numba:compile', Count()): {run}"
    )
    subprocess.run([sys.executable, "-c", run], check=True)
    again = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert again.stdout == ""
