"""A small world, and the same world served on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from clip_pipeline.sandbox.server import SANDBOX_KEY, RunningSandbox, start_sandbox
from clip_pipeline.sandbox.world import World
from clip_pipeline.settings import SandboxSettings

SETTINGS = SandboxSettings(seed=0, photos=3000, articles=150)


@pytest.fixture(scope="session")
def world() -> World:
    return World(SETTINGS.seed, SETTINGS.photos, SETTINGS.articles)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[RunningSandbox]:
    with start_sandbox(SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def get(sandbox: RunningSandbox) -> Iterator[Callable[..., requests.Response]]:
    """`get("api.sandbox.test", "/photos", headers)` over one kept-alive session; the API key is sent to the API."""
    with requests.Session() as session:
        session.trust_env = False

        def ask(host: str, path: str, headers: dict[str, str] | None = None, **options) -> requests.Response:
            key = {"Authorization": f"Client-ID {SANDBOX_KEY}"} if host.startswith("api.") else {}
            url = f"http://127.0.0.1:{sandbox.port}{path}"
            return session.get(url, headers={"Host": host, **key, **(headers or {})}, timeout=20, **options)

        yield ask
