# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
# mypy: disable-error-code="assignment, call-overload"
"""Words of a plain text, found and counted in a hash table (`hash_table.py`): compiled."""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import (
    CAPITAL,
    DIGIT,
    LETTER,
    MARK,
    SPACE,
    WORD,
    code_point_at,
    flags_at,
    kernel,
    write_code_point,
)
from clip_pipeline.words.wikitext.hash_table import add_word
from clip_pipeline.words.wikitext.links import CAPTION_BEGINS, CAPTION_ENDS

PLAIN, WORD_FREQUENCY = 0, 1
"""Rules of what a word is: see `tokens.py`."""

DOT_ABOVE = 0x307


@kernel
def _begin_line(text, i, n, flags):
    """The byte where the prose of the line that begins at i begins: the rest of a broken table is skipped."""
    while i < n:
        c = text[i]
        if c == 32:
            i += 1
        elif c in (10, CAPTION_BEGINS, CAPTION_ENDS):
            return i
        elif c == 124 or (c == 123 and text[i + 1] == 124):
            while i < n and text[i] != 10 and text[i] != CAPTION_BEGINS and text[i] != CAPTION_ENDS:
                i += 1
            return i
        elif c < 128:
            if not flags[c] & SPACE:
                return i
            i += 1
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & SPACE:
                return i
            i += size
    return i


@kernel
def _small_sigma(text, i, flags, letters):
    """ς at the end of a word, σ elsewhere: the lower case of the Σ whose next character is at i."""
    if not letters & LETTER:
        return 0x3C3
    after, size = flags_at(text, i, flags)
    while after & MARK:
        i += size
        after, size = flags_at(text, i, flags)
    return 0x3C3 if after & LETTER else 0x3C2


@kernel
def _is_word_at(text, i, n, flags):
    if i >= n:
        return False
    if text[i] < 128:
        return flags[text[i]] & WORD != 0
    return flags[code_point_at(text, i)[0]] & WORD != 0


@kernel
def count_words(text, n, table, characters, document, only_captioned):
    """Adds the words of text[:n] to the table, as those of one document (its number, from 1).

    only_captioned: count nothing but words in captions, and those as captioned only.
    """
    flags, lower = characters.flags, characters.lower
    slots, entries, more, arena = table.slots, table.entries, table.more, table.arena
    token, used, seed = table.token, table.used, table.seed[0]
    captioned = 0
    i = _begin_line(text, np.int64(0), n, flags)
    while i < n:
        c = text[np.uint64(i)]
        if c < 128:
            if not flags[c] & WORD:
                if c == 10:
                    i = _begin_line(text, i + 1, n, flags)
                elif c == CAPTION_BEGINS:
                    captioned += 1
                    i = _begin_line(text, i + 1, n, flags)
                elif c == CAPTION_ENDS:
                    captioned = max(0, captioned - 1)
                    i = _begin_line(text, i + 1, n, flags)
                else:
                    i += 1
                continue
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & WORD:
                i += size
                continue
        first, second = np.uint64(0), np.uint64(0)
        length = np.int64(0)
        letters = np.int64(0)
        capital = False
        while i < n:
            c = text[np.uint64(i)]
            if c < 128:
                flag = flags[c]
                if flag & WORD:
                    if flag & CAPITAL:
                        c |= np.uint8(32)
                        if length == 0:
                            capital = True
                elif not (c == 39 or c == 45) or not _is_word_at(text, i + 1, n, flags):
                    break
                letters |= flag
                token[np.uint64(length)] = c
                if length < 8:
                    first |= np.uint64(c) << np.uint64(8 * length)
                elif length < 16:
                    second |= np.uint64(c) << np.uint64(8 * (length - 8))
                length += 1
                i += 1
                continue
            code, size = code_point_at(text, i)
            flag = np.int64(flags[code])
            if code == 0x2019:
                if not _is_word_at(text, i + 3, n, flags):
                    break
                code = 39
            elif not flag & (WORD | MARK):
                break
            elif code == DOT_ABOVE and token[length - 1] == 105:  # as the lower case of İ, which is the same letter
                i += size
                continue
            elif flag & CAPITAL and length == 0:
                capital = True
            i += size
            if code == 0x3A3:
                code = _small_sigma(text, i, flags, letters)
            elif code < lower.size:
                code = np.int64(lower[code])
            letters |= flag
            end = write_code_point(token, length, code)
            while length < end:
                if length < 8:
                    first |= np.uint64(token[length]) << np.uint64(8 * length)
                elif length < 16:
                    second |= np.uint64(token[length]) << np.uint64(8 * (length - 8))
                length += 1
        if letters & LETTER:
            add_word(
                slots, entries, more, arena, token, used, seed, first, second, length, document, capital, captioned > 0, only_captioned
            )  # fmt: skip


@kernel
def count_runs(text, n, table, characters, document, only_captioned):
    """`count_words` by the rules of wikipedia-word-frequency.

    A run of letters, digits, underscores, hyphens and apostrophes is a word where it begins and ends with none of the last
    two and holds no decimal digit. Dashes are hyphens, typographic apostrophes are straight ones.
    """
    flags, lower = characters.flags, characters.lower
    slots, entries, more, arena = table.slots, table.entries, table.more, table.arena
    token, used, seed = table.token, table.used, table.seed[0]
    captioned = 0
    length = np.int64(0)
    every = np.int64(0)
    begins = False
    capital = False
    i = _begin_line(text, np.int64(0), n, flags)
    while i <= n:
        code, size = (np.int64(text[i]), 1) if text[i] < 128 else code_point_at(text, i)
        if code == 0x2019:
            code = 39
        elif code == 0x2013:
            code = 45
        flag = np.int64(flags[code])
        in_word = flag & WORD != 0 or code == 95
        if in_word or code == 39 or code == 45:
            i += size
            if length == 0:
                begins = in_word
                capital = flag & CAPITAL != 0
            if code == 0x3A3:
                code = _small_sigma(text, i, flags, every)
            elif code < lower.size:
                code = np.int64(lower[code])
            every |= flag
            length = write_code_point(token, length, code)
            continue
        # The byte after the text is a 0, which ends its last word.
        if length and begins and every & DIGIT == 0 and token[length - 1] != 39 and token[length - 1] != 45:
            first, second = np.uint64(0), np.uint64(0)
            for j in range(min(length, 8)):
                first |= np.uint64(token[j]) << np.uint64(8 * j)
            for j in range(8, min(length, 16)):
                second |= np.uint64(token[j]) << np.uint64(8 * (j - 8))
            add_word(
                slots, entries, more, arena, token, used, seed, first, second, length, document, capital, captioned > 0, only_captioned
            )  # fmt: skip
        length = 0
        every = 0
        i += size
        if code in (10, CAPTION_BEGINS, CAPTION_ENDS):
            if code == CAPTION_BEGINS:
                captioned += 1
            elif code == CAPTION_ENDS:
                captioned = max(0, captioned - 1)
            i = _begin_line(text, i, n, flags)
