"""What `clip_pipeline.pooling` computes, with loops and numpy, a token at a time; and as products with matrices of zeros and ones."""

from __future__ import annotations

import numpy as np


def closed_before(boundaries: np.ndarray) -> list[int]:
    """How many boundaries there are at or before each token of one text."""
    closed, counts = 0, []
    for boundary in boundaries:
        closed += int(boundary)
        counts.append(closed)
    return counts


def whole_segments(boundaries: np.ndarray) -> list[list[int]]:
    """The tokens of each segment that a boundary closes."""
    segments, current = [], []
    for token, boundary in enumerate(boundaries):
        current.append(token)
        if boundary:
            segments.append(current)
            current = []
    return segments


def means_by_loops(x: np.ndarray, boundaries: np.ndarray) -> np.ndarray:
    """(segments, D) of one text (L, D): the open last segment has no mean."""
    return np.array([x[tokens].astype(np.float64).mean(0) for tokens in whole_segments(boundaries)]).reshape(
        -1, x.shape[1]
    )


def dynamic_pooling(x_BLD: np.ndarray, boundaries_BL: np.ndarray, null_D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shortened (B, 1 + S, D) and spread again (B, L, D), as Nawrot's `shortening.py` does it: (B, L, S) one-hot matrices, each
    column of the first divided by its sum plus 1e-9."""
    b = boundaries_BL.astype(np.int64)
    count = int(b.sum(1).max())
    own = np.cumsum(b, 1) - b
    down_BLS = (own[:, :, None] == np.arange(count)).astype(np.float64)
    down_BLS /= down_BLS.sum(1, keepdims=True) + 1e-9
    short = np.einsum("bld,bls->bsd", x_BLD, down_BLS)
    short = np.concatenate([np.broadcast_to(null_D, (len(b), 1, len(null_D))), short], axis=1)
    up_BLS = (np.cumsum(b, 1)[:, :, None] == np.arange(count + 1)).astype(np.float64)
    return short, np.einsum("bsd,bls->bld", short, up_BLS)


def smoothed_by_loops(vectors: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The moving average along the chunks of one text (S, D)."""
    out = vectors.astype(np.float64).copy()
    for chunk in range(1, len(out)):
        p = float(probabilities[chunk])
        out[chunk] = p * vectors[chunk] + (1 - p) * out[chunk - 1]
    return out


def router_by_loops(queries: np.ndarray, keys: np.ndarray) -> list[float]:
    """Of one text (L, D): how unlike the token before's query and the token's key are."""
    found = [1.0]
    for token in range(1, len(keys)):
        q, k = queries[token - 1].astype(np.float64), keys[token].astype(np.float64)
        found.append(0.5 * (1 - q @ k / (np.linalg.norm(q) * np.linalg.norm(k))))
    return found


def entropy_targets_by_loops(logits: np.ndarray) -> list[bool]:
    """Of one text (L, V): whether each prediction is less sure than the two before it, as far as there are two."""
    entropies = []
    for row in logits.astype(np.float64):
        p = np.exp(row - row.max())
        p /= p.sum()
        entropies.append(float(-(p * np.log(p)).sum()))
    return [all(h > earlier for earlier in entropies[max(0, t - 2) : t]) for t, h in enumerate(entropies)]


def merged_by_loops(
    x: np.ndarray, sizes: np.ndarray, features: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of one image (L, D), merged until there are `count`: tokens are pulled out of lists one by one."""
    tokens = [(i, x[i].astype(np.float64), int(sizes[i]), features[i].astype(np.float64)) for i in range(len(x))]
    while len(tokens) > count:
        to_merge = min(len(tokens) - count, len(tokens) // 2)
        even, odd = tokens[::2], tokens[1::2]
        pairs = []
        for place, (_, _, _, f) in enumerate(odd):
            alike = [float(f @ g / (np.linalg.norm(f) * np.linalg.norm(g))) for _, _, _, g in even]
            best = int(np.argmax(alike))
            pairs.append((-alike[best], place, best))
        groups = {place: [token] for place, token in enumerate(even)}
        gone = set()
        for _, place, best in sorted(pairs)[:to_merge]:
            groups[best].append(odd[place])
            gone.add(odd[place][0])
        merged = []
        for group in groups.values():
            total = sum(size for _, _, size, _ in group)
            mean = sum(v * size for _, v, size, _ in group) / total
            feature = sum(f * size for _, _, size, f in group) / total
            merged.append((group[0][0], mean, total, feature))
        merged += [token for token in odd if token[0] not in gone]
        tokens = sorted(merged, key=lambda token: token[0])
    return np.array([v for _, v, _, _ in tokens]), np.array([size for _, _, size, _ in tokens])
