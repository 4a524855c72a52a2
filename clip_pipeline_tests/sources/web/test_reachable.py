from __future__ import annotations

import socket

import pytest

from clip_pipeline.sources.web.reachable import is_reachable

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def test_a_host_that_listens_is_reachable_and_one_that_does_not_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_reachable(f"http://127.0.0.1:{port}/some/path")
    assert not is_reachable(f"http://127.0.0.1:{port}")


def test_a_name_that_nobody_knows_is_not_reachable():
    assert not is_reachable("https://there-is-no-such-host.invalid")
    assert not is_reachable("no address")


def test_behind_a_proxy_the_request_itself_must_tell(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert is_reachable("http://there-is-no-such-host.invalid")
