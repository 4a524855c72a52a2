from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from clip_pipeline.sources.web.host_limits import HostLimits


def test_no_more_requests_run_at_one_host_than_allowed():
    polite = HostLimits(3, 0.0, 5.0)
    lock, running, most = threading.Lock(), 0, 0

    def visit(_: int) -> None:
        nonlocal running, most
        polite.enter("a")
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        polite.leave("a")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(visit, range(60)))
    assert most == 3


def test_a_full_host_does_not_keep_others_waiting():
    polite = HostLimits(1, 0.0, 5.0)
    polite.enter("slow")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(polite.enter, "slow")
        assert polite.enter("other") == 0.0
        assert not waiting.done()
        polite.leave("slow")
        assert waiting.result(timeout=30) > 0


def test_requests_to_a_host_keep_their_distance_and_other_hosts_are_not_slowed():
    polite = HostLimits(8, 50.0, 5.0)
    starts = []

    def visit(_: int) -> None:
        polite.enter("a")
        starts.append(time.monotonic())
        polite.leave("a")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(visit, range(6)))
    gaps = [later - earlier for earlier, later in zip(sorted(starts), sorted(starts)[1:], strict=False)]
    assert min(gaps) > 0.018
    assert polite.enter("b") < 0.01


def test_what_a_host_asks_for_is_kept_when_it_is_slower_than_the_setting():
    polite = HostLimits(8, 1000.0, 5.0)
    polite.enter("a", spacing=0.1)
    began = time.monotonic()
    assert polite.enter("a", spacing=0.1) > 0.08
    assert time.monotonic() - began > 0.08


def test_a_quiet_host_is_waited_for_and_one_that_wants_too_long_a_quiet_is_not():
    polite = HostLimits(8, 0.0, 0.5)
    polite.quiet("a", 0.1)
    assert polite.enter("a") > 0.08
    polite.quiet("a", 60.0)
    assert polite.enter("a") is None
    assert polite.enter("b") == 0.0


def test_after_a_quiet_half_as_many_requests_run_and_then_slowly_more():
    polite = HostLimits(8, 0.0, 0.5)
    polite.quiet("a", 0.02)
    polite.quiet("a", 0.03)  # another answer of the same burst
    limits = []
    for _ in range(40):
        polite.enter("a")
        limits.append(polite._hosts["a"].limit)
        polite.leave("a")
    assert limits[0] == 4
    assert limits == sorted(limits)
    assert 4 < limits[4] < 6
    assert limits[-1] == 8


def test_closing_ends_all_waiting():
    polite = HostLimits(1, 0.001, 5000.0)
    polite.enter("full")
    polite.quiet("quiet", 1000.0)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(polite.enter, name) for name in ("full", "quiet")]
        time.sleep(0.05)
        polite.close()
        assert [future.result(timeout=30) for future in waiting] == [None, None]
    assert polite.pause(100.0) is False


def test_hosts_that_are_done_with_are_forgotten():
    polite = HostLimits(1, 0.0, 5.0, max_hosts=10)
    polite.enter("busy")
    polite.quiet("quiet", 100.0)
    for number in range(100):
        polite.enter(f"host{number}")
        polite.leave(f"host{number}")
    assert len(polite._hosts) <= 11
    assert {"busy", "quiet"} <= set(polite._hosts)
