"""Decoders that crash, hang or want all memory over marked photos, and decode all others as usual."""

from __future__ import annotations

import os
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from clip_pipeline.images.download.check_photo import check_photo
from clip_pipeline.settings import DownloadSettings

CRASH, HANG, BUSY, ONCE, HUNGRY, LOUD, WRONG = b"CRASH", b"HANG!", b"BUSY!", b"ONCE:", b"HUNGRY", b"LOUD!", b"WRONG"


def check(content: bytes, settings: DownloadSettings) -> Any:
    """`light`, with trouble that the bytes behind the photo ask for. ONCE:path crashes when there is no file at path yet."""
    if content.endswith(CRASH):
        os.kill(os.getpid(), signal.SIGSEGV)
    if content.endswith(HANG):
        while True:
            time.sleep(1)
    if content.endswith(BUSY):
        while True:
            pass
    if content.endswith(LOUD):
        os.write(2, b"libnoise: your photo is bad\n")
        warnings.warn("your photo is bad", stacklevel=1)
    if content.endswith(WRONG):
        raise RuntimeError("a mistake of ours")
    if content.endswith(HUNGRY):
        list(map(bytes, [1 << 32] * 8))
    if ONCE in content:
        path = Path(content.rpartition(ONCE)[2].decode())
        if not path.exists():
            path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return light(content, settings)


def broken_from_the_start(content: bytes, settings: DownloadSettings) -> Any:
    """No decoder at all."""
    raise RuntimeError("this decoder cannot even start")


def light(content: bytes, settings: DownloadSettings) -> Any:
    """Keeps every photo as it came: starts in half the time, for it needs no compiled code."""
    return check_photo(content, replace(settings, resize="original"))
