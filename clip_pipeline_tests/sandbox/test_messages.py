from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.sandbox.messages import Request, addresses_for, file_response

CONTENT = b"0123456789"


def _ask(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return file_response(Request("GET", "/f", {}, named), CONTENT, "text/plain", "tag")


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=5-2", 416, b""),
        ("bytes=a-b", 200, CONTENT),
        ("lines=1-2", 200, CONTENT),
    ],
)
def test_a_range_gives_that_part(wanted, status, body):
    response = _ask(range=wanted)
    assert (response.status, response.body) == (status, body)


def test_a_range_of_another_version_gives_the_whole_file():
    assert _ask(range="bytes=5-", if_range='"old"').status == 200
    assert _ask(range="bytes=5-", if_range='"tag"').status == 206


def test_an_unchanged_file_is_not_sent_again():
    assert _ask(if_none_match='"tag"').status == 304


@given(st.text(max_size=20))
def test_no_range_header_breaks_the_answer(text):
    response = _ask(range=f"bytes={text}")
    assert response.status in (200, 206, 416) and response.body in CONTENT


def test_virtual_hosts_get_addresses_without_a_port():
    assert addresses_for("api.sandbox.test:8123").images == "http://images.sandbox.test"
    assert addresses_for("127.0.0.1:8123").images == "http://127.0.0.1:8123/images"
