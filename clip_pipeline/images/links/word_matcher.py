"""Which words of the vocabulary a photo's captions and keywords hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from clip_pipeline.words.tokens import split_words

KEYWORDS_REMEMBERED = 100_000


class WordMatcher:
    """Which words of the vocabulary a text holds, by the rule that the vocabulary was counted with.

    Words are given as numbers, their places in the list. A keyword matches as a whole too: "new york" where that is a word.
    """

    def __init__(self, words: Iterable[str]):
        self._number_of = {word: number for number, word in enumerate(words)}
        self.in_keyword: Callable[[str], tuple[int, ...]] = lru_cache(KEYWORDS_REMEMBERED)(self._in_keyword)

    def in_captions(self, captions: Iterable[str]) -> set[int]:
        known = self._number_of
        return {known[word] for caption in captions for word in split_words(caption) if word in known}

    def _in_keyword(self, keyword: str) -> tuple[int, ...]:
        whole = self._number_of.get(" ".join(keyword.lower().split()))
        return tuple(sorted(self.in_captions([keyword]) | ({whole} if whole is not None else set())))

    def in_photo(self, captions: Iterable[str], keywords: Iterable[str]) -> set[int]:
        return self.in_captions(captions).union(*map(self.in_keyword, keywords))
