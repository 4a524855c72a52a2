"""One process of a measurement: loads the model once, then embeds the rows that it is asked for, and says when it did.

    python -m clip_pipeline.embedding.parallelism.worker '{"model": ..., "runtime": ..., "threads": ..., ...}'

Lines of JSON go in and out. It ends when its input does, also in the middle of its work: a sweep that was killed leaves no
process behind.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

EXTRACTION, END_TO_END = "extraction", "end_to_end"
KINDS = (EXTRACTION, END_TO_END)
"""Ready pixels through the runtime alone; and photo files, decoded and resized in the same process."""

PIXELS_FILE, PHOTOS_FOLDER = "pixels.npy", "photos"
ROWS = 64


def main(work: dict[str, Any]) -> None:
    """Serves the jobs that come in."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    embed = _encoder(work)
    for kind in KINDS:
        embed(kind, 0, min(work["images"], ROWS))  # the first call is slower
    print(json.dumps({"ready": True}), file=answers, flush=True)
    while True:
        job = json.loads(jobs.get())
        started = time.monotonic()
        count = embed(job["kind"], job["start"], job["stop"])
        done = {"started": started, "ended": time.monotonic(), "photos": count}
        print(json.dumps(done), file=answers, flush=True)


def _read_jobs(jobs: queue.Queue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _encoder(work: dict[str, Any]) -> Callable[[str, int, int], int]:
    """A function that embeds the rows from start to stop of a kind and returns how many vectors there were."""
    import numpy as np

    from clip_pipeline.embedding.encode import embed_images
    from clip_pipeline.embedding.ready_pixels import ReadyPixels
    from clip_pipeline.embedding.runtimes.registry import make_runtime
    from clip_pipeline.embedding.runtimes.runtime import Place
    from clip_pipeline.machine.device import use_threads
    from clip_pipeline.models.folder import open_model

    use_threads(work["threads"])
    model, preprocess, _ = open_model(work["model"], "cpu")
    runtime = make_runtime(work["runtime"], model, Place("cpu", work["threads"], Path(work["cache"])))
    del model  # runtimes that are no torch need it no more
    folder, images = Path(work["images_folder"]), work["images"]
    pixels = ReadyPixels([""] * images, np.load(folder / PIXELS_FILE, mmap_mode="r"))

    def photos(start: int, stop: int) -> Iterator[tuple[str, bytes]]:
        for row in range(start, stop):
            yield str(row), (folder / PHOTOS_FOLDER / str(row % images)).read_bytes()

    def embed(kind: str, start: int, stop: int) -> int:
        if kind == END_TO_END:
            return len(
                embed_images(None, preprocess, photos(start, stop), workers=work["threads"], runtime=runtime).ids
            )
        return sum(len(runtime.encode_images(pixels.rows(*piece))) for piece in pieces(start, stop, images))

    return embed


def pieces(start: int, stop: int, images: int) -> Iterator[tuple[int, int]]:
    """The rows from start to stop as slices of at most ROWS of the `images` there are, which are gone through in turn."""
    while start < stop:
        at = start % images
        count = min(ROWS, stop - start, images - at)
        yield at, at + count
        start += count


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
