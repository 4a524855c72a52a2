from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.sources.web.fair_queue import FairQueue


def test_the_urls_of_each_host_are_spread_evenly():
    urls = [f"http://big.test/{number}" for number in range(6)] + [
        "http://small.test/0",
        "http://small.test/1",
        "nonsense",
    ]
    assert [urls[position] for position in FairQueue(urls, 1, 1).each()] == [
        "http://big.test/0", "http://big.test/1", "http://small.test/0", "http://big.test/2", "nonsense",
        "http://big.test/3", "http://big.test/4", "http://small.test/1", "http://big.test/5",
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from(["http://a/1", "http://b/1", "https://c:1/", "http://[", ""])),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_threads_get_every_url_once_and_each_hosts_in_order(urls, threads, most):
    turns = FairQueue(urls, threads, most)
    running = [turns.each() for _ in range(threads)]
    order = []
    while running:
        one = running.pop(0)
        position = next(one, None)
        if position is not None:
            order.append(position)
            running.append(one)
    assert sorted(order) == list(range(len(urls)))
    for url in set(urls):
        positions = [position for position in order if urls[position] == url]
        assert positions == sorted(positions)


@pytest.mark.parametrize("max_at_a_time", [1, 8])
def test_a_slow_host_does_not_come_to_hold_all_threads(max_at_a_time):
    urls = [f"http://host{number % 10}.test/{number}" for number in range(200)]
    turns = FairQueue(urls, 8, max_at_a_time)
    began = time.monotonic()
    done: dict[str, list[float]] = {"slow": [], "fast": []}

    def fetch() -> None:
        for position in turns.each():
            kind = "slow" if "host0." in urls[position] else "fast"
            time.sleep(0.05 if kind == "slow" else 0.001)
            done[kind].append(time.monotonic() - began)

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(fetch) for _ in range(8)]:
            one.result()
    assert (len(done["slow"]), len(done["fast"])) == (20, 180)
    # In the order of the list the slow host would have all threads most of the time: its 20 photos take 0.125 s or 1 s.
    while_slow = sum(seconds < done["slow"][3] for seconds in done["fast"])
    assert while_slow > 150


def test_one_host_alone_gets_all_threads():
    turns = FairQueue(["http://a.test/"] * 20, 4, 16)
    running = [turns.each() for _ in range(4)]
    assert [next(one) for one in running] == [0, 1, 2, 3]


def test_a_host_at_its_limit_is_passed_over_while_another_has_urls():
    turns = FairQueue(["http://a.test/"] * 10 + ["http://b.test/"] * 2, 4, 2)
    running = [turns.each() for _ in range(4)]
    assert [next(one) for one in running] == [0, 1, 10, 11]


def test_after_the_end_no_thread_gets_anything():
    turns = FairQueue(["http://a.test/"] * 10, 4, 2)
    one = turns.each()
    next(one)
    turns.end()
    assert next(one, None) is None
    assert next(turns.each(), None) is None
