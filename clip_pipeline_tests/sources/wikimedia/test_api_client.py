"""The client of the MediaWiki API over a real socket: recorded answers of Wikipedia, and troubles made by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from clip_pipeline.errors import SettingsError, SourceError, UnavailableError
from clip_pipeline.sources.wikimedia.api_client import MAX_TRIES, MAX_WAITS, Journal, MediaWikiClient
from clip_pipeline_tests.sources.loopback import Answer

API = "http://en.wikipedia.org/w/api.php"
PATH = "/w/api.php"
FRAMING = {"content-length", "transfer-encoding"}
OURS = {"format", "formatversion", "maxlag", "continue"}


def asked(path: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))


def answer_json(value, **options) -> Answer:
    return Answer(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"}, **options)


@pytest.fixture
def ask(site, tmp_path):
    """`ask(parameters)` through a client whose waits are noted in `ask.waits` and take no time."""
    waits: list[float] = []
    with MediaWikiClient(
        API, tmp_path / "answers.jsonl", "ann@example.org", site.hosts("en.wikipedia.org"), waits.append
    ) as client:

        def asking(**parameters):
            return client.ask(parameters)

        asking.waits, asking.client = waits, client
        yield asking


def recordings(folder: Path) -> dict[frozenset, dict]:
    found = {}
    for path in sorted(folder.glob("*.json")):
        for interaction in json.loads(path.read_text())["interactions"]:
            question = asked(interaction["request"]["uri"])
            key = frozenset((name, value) for name, value in question.items() if name not in OURS)
            found[key] = interaction["response"]
    return found


def play(site, found) -> None:
    def answer(request, count):
        question = asked(request.path)
        assert question["maxlag"] == "5" and question["format"] == "json"
        recorded = found[frozenset((name, value) for name, value in question.items() if name not in OURS)]
        headers = {name: values[0] for name, values in recorded["headers"].items() if name not in FRAMING}
        return Answer(recorded["status"]["code"], recorded["body"]["string"].encode(), headers)

    site.routes[PATH] = answer


def test_every_recorded_answer_of_wikipedia_is_read_to_its_last_continue(shared_data, site, ask):
    found = recordings(shared_data("mediawiki_api/wikipedia-api-cassettes"))
    play(site, found)
    assert len(found) > 90
    answers = errors = 0
    for key in sorted(found, key=sorted):
        parameters = dict(key)
        if any(name.endswith("continue") for name in parameters):
            continue
        try:
            for answer in ask.client.query(parameters):
                answers += 1
                further = {**parameters, **(answer.get("continue") or {})}
                if frozenset((name, value) for name, value in further.items() if name not in OURS) not in found:
                    break  # the recording ends before the wiki does
        except SourceError as error:
            assert 'the error "search-title-disabled": "title" search is disabled' in str(error)
            errors += 1
    assert (answers, errors) == (len(found) - 1, 1)
    assert ask.waits == []


def test_continue_is_followed_to_its_end(site, ask):
    pages = {"": ("a", "2|x"), "2|x": ("b", "3|é&y"), "3|é&y": ("c", None)}

    def answer(request, count):
        name, further = pages[asked(request.path).get("cmcontinue", "")]
        value = {"query": {"categorymembers": [{"ns": 0, "title": name}]}}
        return answer_json(value | ({"continue": {"cmcontinue": further, "continue": "-||"}} if further else {}))

    site.routes[PATH] = answer
    members = [
        answer["query"]["categorymembers"][0]["title"] for answer in ask.client.query({"list": "categorymembers"})
    ]
    assert members == ["a", "b", "c"]


def test_a_wiki_that_continues_for_ever_is_told(site, ask):
    site.always(PATH, answer_json({"continue": {"x": "1", "continue": "||"}}))
    with pytest.raises(SourceError, match="continues at the same place"):
        list(ask.client.query({"list": "x"}))


def test_a_lagging_wiki_is_asked_again_after_the_time_it_tells(site, ask):
    lag = {"error": {"code": "maxlag", "info": "Waiting for db1: 6 seconds lagged.", "lag": 6}}
    site.in_turn(
        PATH,
        Answer(body=json.dumps(lag).encode(), headers={"Retry-After": "7"}),
        Answer(503, json.dumps(lag).encode()),
        answer_json({"query": 1}),
    )
    assert ask(action="query") == {"query": 1}
    assert 7 <= ask.waits[0] <= 7.5 and 5 <= ask.waits[1] <= 5.5


def test_a_wiki_that_lags_for_hours_is_given_up_with_a_sentence(site, ask):
    site.always(PATH, answer_json({"error": {"code": "maxlag", "info": "Waiting"}}))
    with pytest.raises(UnavailableError, match="maxlag: Waiting"):
        ask(action="query")
    assert len(ask.waits) == MAX_WAITS - 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_wiki_is_asked_again_after_the_time_it_tells(site, ask, status):
    site.in_turn(PATH, Answer(status, b"<html>busy</html>", {"Retry-After": "30"}), answer_json({"query": 2}))
    assert ask(action="query") == {"query": 2}
    assert 30 <= ask.waits[0] <= 30.5


def test_cut_and_html_answers_are_asked_for_again_and_then_told(site, ask):
    whole = json.dumps({"query": {"text": "long" * 100}}).encode()
    site.in_turn(
        PATH,
        Answer(body=whole[:50], length=len(whole)),
        Answer(body=whole[:50]),
        Answer(body=b"<html><style>b{}</style><h1>Wikimedia Error</h1></html>"),
        Answer(500, b"<html>oops"),
        Answer(body=whole),
    )
    assert ask(action="query")["query"]["text"].startswith("long")
    assert len(ask.waits) == 4
    site.always(PATH, Answer(body=b"<html><style>b{}</style><h1>Wikimedia Error</h1></html>"))
    with pytest.raises(UnavailableError, match='no JSON: "Wikimedia Error"'):
        ask(action="other")
    assert len(ask.waits) == 4 + MAX_TRIES - 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            answer_json({"error": {"code": "cmnotitle", "info": "The title is invalid."}}),
            'error "cmnotitle": The title',
        ),
        (answer_json({"errors": [{"code": "badvalue", "text": "Bad value."}]}), 'error "badvalue": Bad value'),
        (Answer(403, b"<h1>Please set a user-agent</h1>"), "refuses with status 403.*Please set a user-agent.*contact"),
        (Answer(301, b"", {"Location": "http://127.0.0.1/"}), "refuses with status 301"),
        (Answer(404, b"no"), "no MediaWiki API at"),
        (answer_json([1, 2]), "JSON that is no object"),
    ],
)
def test_an_error_is_told_at_once_in_the_apis_own_words(site, ask, answer, words):
    site.always(PATH, answer)
    with pytest.raises(SourceError, match=words):
        ask(action="query")
    assert ask.waits == [] and len(site.requests) == 1


def test_packed_answers_are_read_and_the_client_says_who_it_is(site, ask):
    packed = gzip.compress(json.dumps({"query": "é" * 1000}).encode())
    site.always(PATH, Answer(body=packed, headers={"Content-Encoding": "gzip"}))
    assert ask(action="query") == {"query": "é" * 1000}
    (headers,) = site.headers
    assert headers["User-Agent"].startswith("clip_pipeline/") and "ann@example.org" in headers["User-Agent"]
    assert "gzip" in headers["Accept-Encoding"]


def test_the_live_api_needs_a_way_to_be_reached(tmp_path):
    with pytest.raises(SettingsError, match="download.contact is empty"):
        MediaWikiClient("https://en.wikipedia.org/w/api.php", tmp_path / "a", " ", {})
    with pytest.raises(SettingsError, match="expected the address of a MediaWiki API"):
        MediaWikiClient("en.wikipedia.org", tmp_path / "a", "ann@example.org", {})


def test_what_was_answered_is_not_asked_again_and_half_a_line_is_cut_off(site, tmp_path):
    site.always(PATH, answer_json({"query": "kept"}))
    hosts = site.hosts("en.wikipedia.org")
    for _ in range(2):
        with MediaWikiClient(API, tmp_path / "a.jsonl", "ann", hosts) as client:
            assert client.ask({"titles": "Ä|B"}) == {"query": "kept"}
        with (tmp_path / "a.jsonl").open("ab") as file:
            file.write(b'{"request": {"titles": "C"}, "answ')
    assert len(site.requests) == 1
    journal = Journal(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes().count(b"\n") == 1
    assert journal.find({"titles": "C"}) is None
    journal.close()
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(b'{"request": {"titles": "C"}, "answ')
    for _ in range(2):
        with MediaWikiClient(API, tmp_path / "a.jsonl", "ann", hosts) as client:
            assert client.ask({"titles": "D"}) == {"query": "kept"}
    assert len(site.requests) == 2
