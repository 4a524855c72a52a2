from __future__ import annotations

import socket

import pytest

from clip_pipeline.sources.web.addresses import WITNESS, AddressBook, ForbiddenAddress, UnknownName, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::1", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    ],
)  # fmt: skip
def test_addresses_off_the_public_internet_are_known(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "151.101.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_public_addresses_are_known(address):
    assert is_public(address)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "127.1", "0", "::1", "localhost."])
def test_every_spelling_of_loopback_is_refused(name):
    with pytest.raises((ForbiddenAddress, UnknownName, socket.gaierror)):
        AddressBook({}).find(name, 80, 5)


def test_a_name_in_hosts_leads_where_it_says():
    assert AddressBook({"Photos.Test": ("127.0.0.1", 8000)}).find("photos.test", 80, 5) == [("127.0.0.1", 8000)]


def test_a_name_without_an_address_is_unknown():
    # .invalid never has one (RFC 6761); without a resolver the answer is the trouble that may pass.
    with pytest.raises((UnknownName, OSError)):
        AddressBook({}).find("no-such-name.invalid", 80, 5)


def test_an_answer_is_kept_and_pinned(monkeypatch):
    answers = [["1.1.1.1"], ["127.0.0.1"]]

    def resolve(name, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    book = AddressBook({})
    assert book.find("changing.test", 80, 5) == book.find("changing.test", 80, 5) == [("1.1.1.1", 80)]
    with pytest.raises(ForbiddenAddress, match=r"changing\.test leads to 127\.0\.0\.1"):
        AddressBook({}).find("changing.test", 80, 5)


def test_of_mixed_addresses_only_the_public_are_used(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("10.0.0.1", "1.1.1.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert AddressBook({}).find("mixed.test", 80, 5) == [("1.1.1.1", 80)]


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    import threading

    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(5) and [])
    with pytest.raises(TimeoutError):
        AddressBook({}).find("slow.test", 80, 0.05)
    ended.set()


def test_a_name_is_looked_up_once_by_many_threads_and_refusals_are_kept(monkeypatch):
    import time
    from concurrent.futures import ThreadPoolExecutor

    asked = []

    def resolve(name, *_, **__):
        asked.append(name)
        time.sleep(0.05)
        if name == "gone.test":
            raise socket.gaierror(socket.EAI_NONAME, "text that differs between systems")
        return [(2, 1, 6, "", (address, 0)) for address in ("192.168.0.9", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    book = AddressBook({})

    def find(name):
        with pytest.raises((ForbiddenAddress, UnknownName)) as raised:
            book.find(name, 80, 5)
        return str(raised.value)

    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(find, ["gone.test", "inside.test"] * 10))
    assert told == {
        "no address exists for gone.test",
        "inside.test leads to 10.0.0.1, which is not on the public internet",
    }
    assert sorted(set(asked) - {WITNESS}) == ["gone.test", "inside.test"] and asked.count("gone.test") == 1


def test_a_trouble_of_the_resolver_passes(monkeypatch):
    answers = [socket.gaierror(socket.EAI_AGAIN, "for now"), [(2, 1, 6, "", ("1.1.1.1", 0))]]

    def resolve(*_, **__):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    book = AddressBook({}, seconds_trouble_kept=0.0)
    with pytest.raises(socket.gaierror):
        book.find("flaky.test", 80, 5)
    assert book.find("flaky.test", 443, 5) == [("1.1.1.1", 443)]


NO_SUCH_NAME = socket.gaierror(socket.EAI_NONAME, "no such name")


def resolver_of(monkeypatch, found, error=NO_SUCH_NAME):
    """A resolver that finds the names in `found`, which may change, and says `error` of every other. Returns the names it was asked for."""
    asked = []

    def resolve(name, *_, **__):
        asked.append(name)
        if name not in found:
            raise error
        return [(2, 1, 6, "", ("1.1.1.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def what_is_said_of(book, name):
    with pytest.raises((UnknownName, OSError)) as raised:
        book.find(name, 80, 5)
    return type(raised.value)


def test_a_name_that_does_not_exist_is_final_where_others_are_found(monkeypatch):
    asked = resolver_of(monkeypatch, {"there.test"})
    book = AddressBook({})
    book.find("there.test", 80, 5)
    assert {what_is_said_of(book, f"gone{number}.test") for number in range(50)} == {UnknownName}
    assert WITNESS not in asked, "a name of the list bears witness"
    assert asked.count("there.test") == 2, "once for itself, once for all fifty"


def test_a_list_of_dead_names_alone_is_final_too(monkeypatch):
    resolver_of(monkeypatch, {WITNESS})
    assert what_is_said_of(AddressBook({}), "gone.test") is UnknownName


def test_where_no_name_is_found_it_is_a_trouble_that_may_pass(monkeypatch):
    found = {"there.test", WITNESS}
    resolver_of(monkeypatch, found)
    book = AddressBook({}, seconds_kept=0.0, seconds_trouble_kept=0.0)
    book.find("there.test", 80, 5)
    found.clear()  # the network goes
    assert what_is_said_of(book, "gone.test") is socket.gaierror
    assert what_is_said_of(book, "there.test") is socket.gaierror
    found.add("there.test")
    assert what_is_said_of(book, "gone.test") is UnknownName


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_FAIL, "name server failed"), OSError(24, "Too many open files")]
)
def test_troubles_of_the_resolver_are_no_word_about_the_name(monkeypatch, error):
    resolver_of(monkeypatch, {WITNESS}, error)
    assert what_is_said_of(AddressBook({}), "there.test") is not UnknownName


def test_the_number_of_names_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("1.1.1.1", 0))])
    book = AddressBook({}, seconds_kept=0.0, max_names=10)
    for number in range(100):
        book.find(f"name{number}.test", 80, 5)
    assert len(book._kept) <= 10
