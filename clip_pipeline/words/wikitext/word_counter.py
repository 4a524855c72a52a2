# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
# mypy: disable-error-code="assignment, call-overload"
"""Words of a plain text, found and counted in a hash table (`hash_table.py`): compiled."""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import (
    CAPITAL,
    COMPOSES,
    DIGIT,
    GERSHAYIM,
    LETTER,
    MARK,
    SPACE,
    UNSEEN,
    WORD,
    code_after,
    ends_in_i,
    flags_at,
    is_cyrillic,
    is_joiner_at,
    is_word_at,
    joins_words,
    last_letter,
)
from clip_pipeline.words.wikitext.code_points import code_point_at, kernel, write_code_point
from clip_pipeline.words.wikitext.hash_table import POSSESSIVES, add_word
from clip_pipeline.words.wikitext.links import CAPTION_BEGINS, CAPTION_ENDS
from clip_pipeline.words.wikitext.normal_form import MOST_BYTES, normalize

PLAIN, WORD_FREQUENCY, POSSESSIVES_MERGED = 0, 1, 2
"""Rules of what a word is: see `tokens.py`. With the last one "lincoln's" counts for "lincoln"."""

REPACK = 1 << 20
"""A bit beside the flags of a word's characters: its bytes have changed since they were packed."""
DOT_ABOVE, LETTER_APOSTROPHE = 0x307, 0x2BC


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
def _small_sigma(text, i, flags, before):
    """The lower case of the Σ whose next character is at i: ς where it ends a run of letters, else σ. before: the flags of what is
    before it in the word."""
    if not before & LETTER:
        return 0x3C3
    after, size = flags_at(text, i, flags)
    while after & MARK or after == UNSEEN or is_joiner_at(text, i):
        i += size
        after, size = flags_at(text, i, flags)
    return 0x3C3 if after & LETTER else 0x3C2


@kernel
def _packed(token, length):
    """The first 16 bytes of a word as `add_word` wants them."""
    first, second = np.uint64(0), np.uint64(0)
    for j in range(min(length, 8)):
        first |= np.uint64(token[j]) << np.uint64(8 * j)
    for j in range(8, min(length, 16)):
        second |= np.uint64(token[j]) << np.uint64(8 * (j - 8))
    return first, second


@kernel
def _without_possessive(token, length, letters):
    """The length of lincoln's without its 's, and `letters`: 0 where no letter is left (1990's)."""
    for j in range(length - 2):
        if token[j] >= 97:
            return length - 2, letters
    return length - 2, 0


@kernel
def count_words(text, n, table, characters, normal, document, merge_possessives):
    """Adds the words of text[:n] to the table, as those of one document (its number, from 1)."""
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
        before = np.int64(0)
        capital = False
        while i < n:
            c = text[np.uint64(i)]
            if c < 128:
                flag = np.int64(flags[c])
                if flag & WORD:
                    if flag & CAPITAL:
                        c |= np.uint8(32)
                        if length == 0:
                            capital = True
                elif not (c == 39 or c == 45) or not is_word_at(text, i + 1, n, flags):
                    if c != 34 or token[length - 1] < 128:
                        break
                    if joins_words(text, i + 1, n, np.int64(34), token, length, flags) < 0:
                        break
                    length = write_code_point(token, length, np.int64(GERSHAYIM))
                    letters |= REPACK
                    i += 1
                    continue
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
            if flag & (WORD | MARK) == 0:
                if flag == UNSEEN:
                    i += size
                    continue
                code = joins_words(text, i + size, n, code, token, length, flags)
                if code < 0:
                    break
                i += size
                if code == 0:
                    continue
            elif code == DOT_ABOVE and ends_in_i(
                token, length, normal.classes
            ):  # as the lower case of İ, which is the same letter
                i += size
                continue
            else:
                i += size
                if flag & CAPITAL and length == 0:
                    capital = True
                if flag & MARK & before:
                    letters |= COMPOSES
                if code == 0x3A3:
                    code = _small_sigma(text, i, flags, flags[last_letter(token, length, flags)])
                elif code == LETTER_APOSTROPHE and length > 0:
                    if is_cyrillic(last_letter(token, length, flags)) and is_cyrillic(code_after(text, i, n, flags)):
                        code = 39
                elif code < lower.size:
                    code = np.int64(lower[code])
            before = flag
            letters |= flag
            end = write_code_point(token, length, code)
            while length < end:
                if length < 8:
                    first |= np.uint64(token[length]) << np.uint64(8 * length)
                elif length < 16:
                    second |= np.uint64(token[length]) << np.uint64(8 * (length - 8))
                length += 1
        if letters & COMPOSES and length <= MOST_BYTES:
            length = normalize(token, length, normal, table.codes)
            letters |= REPACK
        if merge_possessives and length > 2 and token[length - 1] == 115 and token[length - 2] == 39:
            length, letters = _without_possessive(token, length, letters)
            used[POSSESSIVES] += letters & LETTER != 0
            letters |= REPACK
        if letters & LETTER:
            if letters & REPACK:
                first, second = _packed(token, length)
            add_word(
                slots, entries, more, arena, token, used, seed, first, second, length, document, capital, captioned > 0
            )


@kernel
def count_runs(text, n, table, characters, document):
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
            first, second = _packed(token, length)
            add_word(
                slots, entries, more, arena, token, used, seed, first, second, length, document, capital, captioned > 0
            )
        length = 0
        every = 0
        i += size
        if code in (10, CAPTION_BEGINS, CAPTION_ENDS):
            if code == CAPTION_BEGINS:
                captioned += 1
            elif code == CAPTION_ENDS:
                captioned = max(0, captioned - 1)
            i = _begin_line(text, i, n, flags)
