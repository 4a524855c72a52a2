"""The table to beat: how often each character followed the ones before it, in the training text, and nothing else.

Interpolated Witten–Bell (Witten and Bell 1991, method C): p_k(x | c) = (n(c x) + T(c) p_{k−1}(x | c')) / (N(c) + T(c)), where c is the last k characters, c' all
of them but the first, N(c) how often c was followed by anything and T(c) by how many different characters; p_{−1} is even. A context
that never came leaves it to the shorter one. A model that needs more bits than this has learnt less than a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.errors import SettingsError

MAX_KEY = 1 << 62


@dataclass(frozen=True)
class _Order:
    """What followed contexts of one length. keys: context · V + character, sorted, each once; counts: of each. contexts: sorted; totals, types: of each."""

    keys: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    types: np.ndarray


class CountModel:
    """ids: the training text. order: characters of the longest context. vocabulary: characters that there are.

    Raises SettingsError for an order whose contexts cannot be numbered in 62 bits.
    """

    def __init__(self, ids: np.ndarray, order: int, vocabulary: int):
        if order < 0 or vocabulary ** (order + 1) >= MAX_KEY:
            raise SettingsError(f"A table of the order {order} of {vocabulary} characters is too large. Take 0 to 12.")
        self.order, self.vocabulary = order, vocabulary
        self._orders = [self._counted(ids, length) for length in range(order + 1)]

    def _counted(self, ids: np.ndarray, length: int) -> _Order:
        keys, counts = np.unique(self._keys(ids, length), return_counts=True)
        contexts, first = np.unique(keys // self.vocabulary, return_index=True)
        types = np.diff(np.append(first, len(keys)))
        totals = np.add.reduceat(counts, first) if len(keys) else counts
        return _Order(keys, counts, contexts, totals, types)

    def _keys(self, ids: np.ndarray, length: int) -> np.ndarray:
        """(n − length,) of each character that has so long a context: that, and itself, as one number."""
        keys = np.zeros(max(0, len(ids) - length), np.int64)
        for distance in range(length, -1, -1) if len(keys) else ():
            keys *= self.vocabulary
            keys += ids[length - distance : len(ids) - distance]
        return keys

    def probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(n,) float64: of each character of a text given those before it, the first ones with as many as there are."""
        found = np.full(len(ids), 1.0 / self.vocabulary)
        for length in range(min(self.order, len(ids) - 1) + 1):
            keys = self._keys(ids, length)
            followed = _looked_up(self._orders[length].keys, self._orders[length].counts, keys)
            found[length:] = self._mixed(length, keys // self.vocabulary, followed, found[length:])
        return found

    def next_probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(V,) float64: of every character that may follow a text."""
        found = np.full(self.vocabulary, 1.0 / self.vocabulary)
        for length in range(min(self.order, len(ids)) + 1):
            context = 0
            for number in ids[len(ids) - length :].tolist():
                context = context * self.vocabulary + number
            keys = context * self.vocabulary + np.arange(self.vocabulary, dtype=np.int64)
            followed = _looked_up(self._orders[length].keys, self._orders[length].counts, keys)
            found = self._mixed(length, keys // self.vocabulary, followed, found)
        return found

    def bits(self, ids: np.ndarray) -> np.ndarray:
        """(n,) float64: −log2 of each character's probability."""
        return -np.log2(self.probabilities(ids))

    def _mixed(self, length: int, contexts: np.ndarray, followed: np.ndarray, shorter: np.ndarray) -> np.ndarray:
        """The estimate of one order out of that of the order below."""
        table = self._orders[length]
        totals = _looked_up(table.contexts, table.totals, contexts)
        types = _looked_up(table.contexts, table.types, contexts)
        seen = totals > 0
        return np.where(seen, (followed + types * shorter) / np.where(seen, totals + types, 1), shorter)


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key in sorted ones, 0 where it is not among them."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
