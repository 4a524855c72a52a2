"""Which words of the vocabulary a photo's captions and keywords hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from clip_pipeline.text.word_boundaries import split_words, without_possessive
from clip_pipeline.words.segmentation import Segmenter, can_segment, has_no_spaces

KEYWORDS_REMEMBERED = 100_000


class WordMatcher:
    """Which words of the vocabulary a text holds, by the rule that the vocabulary was counted with.

    Words are given as numbers, their places in the list. A keyword matches as a whole too: "new york" where that is a word. "Lincoln's"
    is lincoln where lincoln's is no word. Where words of a script without spaces are among them, text in it is cut into words.
    """

    def __init__(self, words: Iterable[str]):
        self._number_of = {word: number for number, word in enumerate(words)}
        cut = any(map(has_no_spaces, self._number_of)) and can_segment()
        self._segmenter = Segmenter() if cut else None
        self.in_keyword: Callable[[str], tuple[int, ...]] = lru_cache(KEYWORDS_REMEMBERED)(self._in_keyword)

    def in_captions(self, captions: Iterable[str]) -> set[int]:
        found = (self._number_in(word) for caption in captions for word in self._words_of(caption))
        return {number for number in found if number is not None}

    def _words_of(self, caption: str) -> list[str]:
        words = split_words(caption)
        if self._segmenter is not None and has_no_spaces(caption):
            words += split_words(self._segmenter.cut(caption))
        return words

    def _number_in(self, word: str) -> int | None:
        number = self._number_of.get(word)
        return self._number_of.get(without_possessive(word)) if number is None else number

    def _in_keyword(self, keyword: str) -> tuple[int, ...]:
        whole = self._number_of.get(" ".join(keyword.lower().split()))
        return tuple(sorted(self.in_captions([keyword]) | ({whole} if whole is not None else set())))

    def in_photo(self, captions: Iterable[str], keywords: Iterable[str]) -> set[int]:
        return self.in_captions(captions).union(*map(self.in_keyword, keywords))
