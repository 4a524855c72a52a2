"""An arithmetic coder: what a model claims in bits, as bytes from which the text comes back. A leak cannot decode.

Whole numbers only (Witten, Neal and Cleary 1987): both sides compute the same interval, whatever the machine. Texts of a batch share
one code, so that its last byte is paid once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clip_pipeline.errors import InputError

NextProbabilities = Callable[[np.ndarray], np.ndarray]
"""(B, t) ids, t from 0 → (B, V) probabilities of what follows each. The same ids must give the same bits on both sides."""

STATE_BITS, TOTAL_BITS = 48, 24
"""Of the interval, and of the sum of all characters' shares: a character costs at most 2⁻²⁴ of the interval, and rounding some 10⁻⁶ of a bit."""
_TOP, _HALF, _QUARTER, _TOTAL = 1 << STATE_BITS, 1 << (STATE_BITS - 1), 1 << (STATE_BITS - 2), 1 << TOTAL_BITS


def cumulative_shares(probabilities_V: np.ndarray) -> list[int]:
    """Whole numbers from 0 to 2²⁴, one more than there are characters; each character has a share of one at least."""
    p = np.asarray(probabilities_V, np.float64)
    if not np.isfinite(p).all() or p.min(initial=0.0) < 0 or not p.sum() > 0:
        raise InputError("These are no probabilities: they hold a number below nought, or one that is not finite.")
    shares = np.floor(p / p.sum() * (_TOTAL - len(p))).astype(np.int64) + 1
    shares[int(p.argmax())] += _TOTAL - int(shares.sum())
    return [0, *np.cumsum(shares).tolist()]


class Encoder:
    """Takes characters one by one; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._low, self._high, self._waiting = 0, _TOP - 1, 0
        self._bits: list[int] = []

    def add(self, shares: list[int], symbol: int) -> None:
        """Codes one character whose shares are `cumulative_shares` of what was predicted."""
        self._low, self._high = _narrowed(self._low, self._high, shares, symbol)
        while True:
            if self._high < _HALF:
                self._put(0)
            elif self._low >= _HALF:
                self._put(1)
                self._low, self._high = self._low - _HALF, self._high - _HALF
            elif self._low >= _QUARTER and self._high < 3 * _QUARTER:
                self._waiting += 1
                self._low, self._high = self._low - _QUARTER, self._high - _QUARTER
            else:
                return
            self._low, self._high = 2 * self._low, 2 * self._high + 1

    def finish(self) -> bytes:
        """The code, up to the next whole byte."""
        self._waiting += 1
        self._put(0 if self._low < _QUARTER else 1)
        return np.packbits(np.array(self._bits, np.uint8)).tobytes()

    def _put(self, bit: int) -> None:
        self._bits += [bit] + [1 - bit] * self._waiting
        self._waiting = 0


class Decoder:
    """Gives characters back one by one. code: of an `Encoder`."""

    def __init__(self, code: bytes):
        self._bits = iter(np.unpackbits(np.frombuffer(code, np.uint8)).tolist())
        self._low, self._high, self._value = 0, _TOP - 1, 0
        for _ in range(STATE_BITS):
            self._value = 2 * self._value + next(self._bits, 0)

    def take(self, shares: list[int]) -> int:
        """The next character, given the same shares as it was coded with."""
        place = ((self._value - self._low + 1) * _TOTAL - 1) // (self._high - self._low + 1)
        symbol = int(np.searchsorted(np.asarray(shares), place, side="right")) - 1
        self._low, self._high = _narrowed(self._low, self._high, shares, symbol)
        while True:
            if self._low >= _HALF:
                shift = _HALF
            elif self._low >= _QUARTER and self._high < 3 * _QUARTER:
                shift = _QUARTER
            elif self._high < _HALF:
                shift = 0
            else:
                return symbol
            self._low, self._high = 2 * (self._low - shift), 2 * (self._high - shift) + 1
            self._value = 2 * (self._value - shift) + next(self._bits, 0)


def encode_texts(ids_BL: np.ndarray, next_probabilities: NextProbabilities) -> bytes:
    """The code of a batch of texts of one length, each predicted from its own beginning alone."""
    encoder = Encoder()
    for place in range(ids_BL.shape[1]):
        for probabilities, symbol in zip(next_probabilities(ids_BL[:, :place]), ids_BL[:, place].tolist(), strict=True):
            encoder.add(cumulative_shares(probabilities), symbol)
    return encoder.finish()


def decode_texts(code: bytes, texts: int, length: int, next_probabilities: NextProbabilities) -> np.ndarray:
    """(texts, length) int64: what `encode_texts` coded."""
    decoder, ids_BL = Decoder(code), np.zeros((texts, length), np.int64)
    for place in range(length):
        ids_BL[:, place] = [decoder.take(cumulative_shares(row)) for row in next_probabilities(ids_BL[:, :place])]
    return ids_BL


def _narrowed(low: int, high: int, shares: list[int], symbol: int) -> tuple[int, int]:
    width = high - low + 1
    return low + width * shares[symbol] // _TOTAL, low + width * shares[symbol + 1] // _TOTAL - 1
