"""A client of the MediaWiki action API that keeps to its etiquette: one request at a time, `maxlag`, a way to be reached.

Answers are kept in a journal, so that a killed run asks only for what it has not got yet.
API: https://www.mediawiki.org/wiki/API:Etiquette, API:Continue, API:Errors_and_warnings, Manual:Maxlag_parameter.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from clip_pipeline.errors import SettingsError, SourceError, UnavailableError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.sources.web.answer import Answer as HttpAnswer
from clip_pipeline.sources.web.answer import read_answer
from clip_pipeline.sources.web.api_session import Hosts, http_session
from clip_pipeline.sources.web.retries import Retries, connection_errors, may_pass, retry_after_seconds

logger = logging.getLogger(__name__)

MAXLAG_SECONDS = 5
"""Replicas of the wiki's database that are further behind than this make it refuse; we then wait our turn."""
MAX_TRIES = 6
MAX_WAITS = 40
JITTER_SECONDS = 0.5
"""By chance: clients that were asked to wait the same time do not come back together."""
MAX_ANSWER_BYTES = 24_000_000
"""The API cuts its own answers at 8 MiB of text ($wgAPIMaxResultSize), which JSON escapes may lengthen."""
WAITING_CODES = frozenset({"maxlag", "ratelimited", "readonly"})
PASSING_CODES = ("internal_api_error_", "timeout", "toomanyconnections", "cirrussearch-backend-error")

Answer = dict[str, Any]


class Journal:
    """Answers by request in a file of JSON lines; each is on the disk before the next is asked for.

    A line that a kill left unfinished is cut off.
    """

    def __init__(self, path: Path):
        self.path = path
        self._places: dict[str, int] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.seek(0)
        end = 0
        for line in self._file:
            record = _parse(line) if line.endswith(b"\n") else None
            if not isinstance(record, dict) or "request" not in record:
                break
            self._places[_request_key(record["request"])] = end
            end += len(line)
        self._file.truncate(end)

    def find(self, request: Mapping[str, str]) -> Answer | None:
        """The kept answer to a request, None where it was not answered yet."""
        place = self._places.get(_request_key(request))
        if place is None:
            return None
        self._file.seek(place)
        return json.loads(self._file.readline())["answer"]

    def keep(self, request: Mapping[str, str], answer: Answer) -> None:
        """Appends one answer."""
        self._places[_request_key(request)] = self._file.seek(0, os.SEEK_END)
        record = {"request": dict(sorted(request.items())), "answer": answer}
        self._file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class MediaWikiClient:
    """Asks one wiki, one request at a time. Use it in a `with` block.

    api: its address, such as https://en.wikipedia.org/w/api.php. journal: where answers are kept. hosts: addresses that
    stand in for names. sleep: waits so many seconds. Raises SettingsError for an address that is none, and for an empty
    contact where `hosts` is empty: the API's etiquette asks for a way to reach whoever asks.
    """

    def __init__(
        self, api: str, journal: Path, contact: str, hosts: Hosts, sleep: Callable[[float], None] = time.sleep
    ):
        if not re.fullmatch(r"https?://[^/\s?#]+/[^\s?#]+", api):
            raise SettingsError(
                f'wikipedia.api is "{api}", expected the address of a MediaWiki API such as '
                "https://en.wikipedia.org/w/api.php."
            )
        if not contact.strip() and not hosts:
            raise SettingsError(
                f"download.contact is empty, and {api} asks that whoever uses it can be reached. "
                "Set download.contact to your e-mail address or web page; it is sent in the User-Agent."
            )
        self.api = api
        self._sleep = sleep
        self._journal = Journal(journal)
        self._session = http_session(contact, hosts)
        self.requests = 0

    def __enter__(self) -> MediaWikiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()
        self._journal.close()

    def query(self, parameters: Mapping[str, str]) -> Iterator[Answer]:
        """The answers to `action=query` with these parameters, each `continue` followed until there is none.

        Raises SourceError as `ask`, and where the wiki continues at the same place again.
        """
        continued: dict[str, str] = {}
        seen = set()
        while True:
            answer = self.ask({"action": "query", **parameters, **continued})
            yield answer
            further = answer.get("continue")
            if not further:
                return
            if not isinstance(further, dict):
                raise SourceError(f"{self.api} sends a continue that is no object ({further!r}).")
            continued = {str(name): str(value) for name, value in further.items()}
            key = _request_key(continued)
            if key in seen:
                raise SourceError(f"{self.api} continues at the same place for ever ({key}). Ask its owner.")
            seen.add(key)

    def ask(self, parameters: Mapping[str, str]) -> Answer:
        """The answer to one request, from the journal or from the wiki; waits and tries again where that may help.

        Raises SourceError with the API's own words for an error, and for an answer that is none (HTML, cut, too long).
        """
        request = {"format": "json", "formatversion": "2", **parameters}
        kept = self._journal.find(request)
        if kept is not None:
            return kept
        answer = self._ask_with_patience(request)
        for module, text in sorted((answer.get("warnings") or {}).items()):
            logger.info("%s warns (%s): %s", self.api, module, text)
        self._journal.keep(request, answer)
        return answer

    def _ask_with_patience(self, request: Mapping[str, str]) -> Answer:
        retries = Retries(self.api, MAX_TRIES, self._sleep, max_waits=MAX_WAITS, jitter_seconds=JITTER_SECONDS)
        while retries.left:
            answer, problem, asked_seconds, is_busy = self._ask_once(request)
            if answer is not None:
                return answer
            if is_busy:
                retries.busy(problem, MAXLAG_SECONDS if asked_seconds is None else asked_seconds)
            else:
                retries.failed(problem, asked_seconds)
        raise UnavailableError(
            f"{self.api} cannot be read ({retries.problem}), after {retries.failures + retries.waits} tries. "
            "What came is kept; run again later to go on."
        )

    def _ask_once(self, request: Mapping[str, str]) -> tuple[Answer | None, str, float | None, bool]:
        """The answer, or (None, the problem, the seconds it asks to wait, whether it is only busy)."""
        self.requests += 1
        try:
            with self._session.get(
                self.api, params={**request, "maxlag": str(MAXLAG_SECONDS)}, stream=True, allow_redirects=False
            ) as response:
                asked_seconds = retry_after_seconds(response.headers, time.time())
                status = response.status_code
                content = _whole(read_answer(response, MAX_ANSWER_BYTES, expected="at most 50 articles"))
        except connection_errors() as error:
            return None, f"the connection broke: {type(error).__name__}", None, False
        answer = _parse(content)
        if isinstance(answer, dict):
            api_error = answer.get("error") or (answer.get("errors") or [None])[0]
            if api_error:
                return self._judge_error(api_error, asked_seconds)
            if status == 200:
                return answer, "", None, False
        if status == 404:
            raise SourceError(f"There is no MediaWiki API at {self.api} (404). Check wikipedia.api.")
        if status != 200 and not may_pass(status):
            raise SourceError(
                f"{self.api} refuses with status {status}: {_plain(content)} "
                "Check wikipedia.api, and download.contact, which it may ask for."
            )
        if status != 200:
            return None, f"status {status}", asked_seconds, status == 429
        if answer is not None:
            raise SourceError(f"{self.api} sends JSON that is no object ({_plain(content)}), expected an API answer.")
        return None, f"an answer that is no JSON: {_plain(content)}", asked_seconds, False

    def _judge_error(self, error: Any, asked_seconds: float | None) -> tuple[None, str, float | None, bool]:
        code = str(error.get("code", "")) if isinstance(error, dict) else str(error)
        info = str(error.get("info") or error.get("text") or "") if isinstance(error, dict) else ""
        if code in WAITING_CODES:
            return None, f"{code}: {info}", asked_seconds, True
        if code.startswith(PASSING_CODES):
            return None, f"{code}: {info}", asked_seconds, False
        raise SourceError(
            f'{self.api} answers with the error "{code}": {info.rstrip(".")}. Check wikipedia.titles and category.'
        )


def _whole(answer: HttpAnswer) -> bytes:
    """The body, nothing of one that was cut."""
    length = answer.headers.get("Content-Length", "")[:20]
    announced = length.isascii() and length.isdigit() and not answer.headers.get("Content-Encoding")
    return b"" if announced and len(answer.content) < int(length) else answer.content


def _request_key(request: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(request.items())), ensure_ascii=True)


def _parse(content: bytes) -> Any:
    """The JSON value, None where the bytes are none (cut, HTML)."""
    try:
        return parse_json(content)
    except ValueError:
        return None


def _plain(content: bytes) -> str:
    """The first words of an answer, without markup, for an error message."""
    text = re.sub(r"<(?:style|script)\b.*?</(?:style|script)>|<[^>]*>", " ", content[:4000].decode("utf-8", "replace"), flags=re.S)  # fmt: skip
    return f'"{" ".join(text.split())[:160]}"'
