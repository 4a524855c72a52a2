"""The recipe tiny at its smallest, and the sandbox world in processes that may be killed: for tests that run the graph hundreds of times."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from clip_pipeline_tests.made.forked_decoders import forked_decoders

PHOTOS, ARTICLES = 60, 50
SETTINGS = (
    f"sandbox.photos={PHOTOS}",
    f"sandbox.articles={ARTICLES}",
    "words.min_count=40",
    "words.max_words=16",
    "links.photos_per_word=30",
    "download.photos_per_shard=24",
    "training.batch_size=8",
    "training.steps=2",
    "training.checkpoint_steps=1",
    "probe.inverse_regularizations=2",
    "probe.shots=1",
    "adaptation.methods=zero_shot,linear_probe,full",
    "adaptation.fractions=100",
    "adaptation.dataset=sandbox:unseen",
    "adaptation.train_photos_per_class=2",
    "adaptation.min_steps=1",
    "adaptation.max_steps=1",
    "adaptation.validations=1",
)
SCENES = 144
"""Of each split of the world's benchmark: four of each of the unseen classes."""

REQUESTS_PER_HOUR = 10**9


class Site:
    """The sandbox's servers in a process of its own, which can be killed and comes back at the same port. asked: requests that came
    to it since it was last made, as the server counts them."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process = 0

    def start(self) -> None:
        """Returns when it answers."""
        reading, writing = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _serve(self.port, writing)
            os._exit(0)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)

    def kill(self) -> None:
        """kill -9."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0


def _serve(port: int, ready: int) -> None:
    from clip_pipeline.sandbox import benchmark
    from clip_pipeline.sandbox.server import _Connection
    from clip_pipeline.sandbox.sites import Sites
    from clip_pipeline.sandbox.world import World

    scenes = benchmark.labelled_scenes
    benchmark.SCENES_PER_SPLIT = SCENES
    benchmark.labelled_scenes = lambda world, split: islice(scenes(world, split), SCENES)
    sites = Sites(World(0, PHOTOS, ARTICLES), REQUESTS_PER_HOUR)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(sites), "127.0.0.1", port)
        os.write(ready, b"1")
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def small_world() -> Iterator[dict[str, Site]]:
    """The sites of the world by name (api, images, dumps), each a process; runs in this process and its forks use them."""
    from clip_pipeline.pipeline.workspace import Workspace

    sites = {name: Site() for name in ("api", "images", "dumps")}
    for site in sites.values():
        site.start()
    hosts = {f"{name}.sandbox.test": ("127.0.0.1", site.port) for name, site in sites.items()}
    try:
        with (
            mock.patch.object(Workspace, "sandbox_hosts", lambda workspace: hosts),
            quick_figures(),
            steady_times(),
            forked_decoders(),
        ):
            yield sites
    finally:
        for site in sites.values():
            site.kill()


def quick_figures() -> mock._patch:
    """Figures that are not drawn, which takes most of a small run's time: each is a file of one pixel."""
    from matplotlib.figure import Figure
    from PIL import Image

    def save(figure: Figure, path: Path, **options: object) -> None:
        Image.new("RGB", (1, 1)).save(path, format="png")

    return mock.patch.object(Figure, "savefig", save)


@contextmanager
def steady_times() -> Iterator[None]:
    """What is measured takes the same time in each run, and is run once."""
    from clip_pipeline.adaptation import trials
    from clip_pipeline.evaluation import unit_inference

    def measure(part: str, run: Callable[[], object], *counts: int) -> unit_inference.Latency:
        run()
        return unit_inference.Latency(part, 1.0, 2.0, 1)

    clock = SimpleNamespace(monotonic=lambda: 0.0, process_time=lambda: 0.0)
    with mock.patch.object(unit_inference, "_measure", measure), mock.patch.object(trials, "time", clock):
        yield


def run_small(data: Path, selected: str = "") -> None:
    """As `clip-pipeline run --recipe tiny --select …`."""
    from clip_pipeline.api.run import run

    run("tiny", data, select=selected, settings=SETTINGS)
