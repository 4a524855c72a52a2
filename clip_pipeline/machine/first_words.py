"""What a command is doing, said before its first second is over: imports alone take longer than a person waits without a word."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.machine.progress import SECONDS_BEFORE_FIRST_WORDS, waiting

NAMES_SHOWN = 3


def says(words: str | Callable[..., str], at_once: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator, the one next to a command's function: a line on stderr where the command takes longer than about a second.

    words: the present participle of the work with {names} of parameters, or a function of the parameters that gives it. The
    decorated function has it as `first_words`. at_once: of a command that loads torch, which always takes longer, and while its libraries
    are loaded no other thread runs, so that a line which is due meanwhile comes a second or two late. Of the processes of one torchrun
    the first speaks.
    """

    make_line = words.format if isinstance(words, str) else words

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def said(*arguments: Any, **options: Any) -> Any:
            line = make_line(**options)
            if os.environ.get("RANK", "0") != "0":
                return command(*arguments, **options)
            with waiting(line, after=0 if at_once else SECONDS_BEFORE_FIRST_WORDS):
                return command(*arguments, **options)

        said.first_words = make_line  # type: ignore[attr-defined]
        return said

    return decorated


def shown_names(places: Sequence[str]) -> str:
    """The last parts of paths, three at most: `enwiki.xml.bz2, dewiki.xml.bz2 and 4 more`."""
    names = [Path(place).name or str(place) for place in places]
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
