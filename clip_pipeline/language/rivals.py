"""Whether a model that pools needs fewer bits than one that does not, on the same characters: means over seeds, intervals by paired blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clip_pipeline.display.text_table import text_table
from clip_pipeline.evaluation.statistics.bootstrap import interval, resampled_sums
from clip_pipeline.language.asked import AskedModel
from clip_pipeline.language.model import NONE

MIN_BLOCKS = 10


@dataclass(frozen=True)
class Pair:
    """One model beside one that is not pooled. bits, rival_bits: means over their seeds. less: how many bits fewer; negative is more. low, high: its 95 %
    interval over stretches of the text, with the trainings as they are; None for a short text. least, largest: of the seeds that both have."""

    name: str
    rival: str
    split: str
    seeds: int
    bits: float
    rival_bits: float
    less: float
    low: float | None
    high: float | None
    least: float
    largest: float


def mean_interval(values_N: np.ndarray, samples: int, seed: int) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the mean of blocks of a text; None of a text of few blocks, from whose resamples nothing can be said."""
    if len(values_N) < MIN_BLOCKS:
        return None, None
    return interval(resampled_sums(values_N[:, None], samples, seed)[:, 0] / len(values_N))


def pairs_of(
    models: Sequence[AskedModel], blocks: Mapping[tuple[str, str], np.ndarray], samples: int, seed: int
) -> list[Pair]:
    """Every model beside every one without pooling, by the seeds that both have. blocks: by key and split, the bits of `block_bits`."""
    seeds_of: dict[str, list[int]] = {}
    kinds = {model.name: model.kind for model in models}
    for model in models:
        seeds_of.setdefault(model.name, []).append(model.seed)
    found = []
    for split in dict.fromkeys(split for _, split in blocks):
        for rival in (name for name, kind in kinds.items() if kind == NONE):
            for name in (name for name in kinds if name != rival):
                common = sorted({*seeds_of[name]} & {*seeds_of[rival]})
                if not common:
                    continue
                mine_SN, other_SN = (
                    np.stack([blocks[f"{one}-{number}", split] for number in common]) for one in (name, rival)
                )
                less_SN = other_SN - mine_SN
                low, high = mean_interval(less_SN.mean(0), samples, seed)
                of_seeds = less_SN.mean(1)
                found.append(
                    Pair(
                        name, rival, split, len(common), float(mine_SN.mean()), float(other_SN.mean()), float(less_SN.mean()),
                        low, high, float(of_seeds.min()), float(of_seeds.max()),
                    )
                )  # fmt: skip
    return found


def rival_sentence(pairs: Sequence[Pair]) -> str:
    """Of the test text: which of the models that pool is best beside each that does not, and whether it needs fewer bits. Empty without pairs."""
    sentences = []
    rivals = dict.fromkeys(pair.rival for pair in pairs)
    for rival in rivals:
        pooled = [pair for pair in pairs if (pair.rival, pair.split) == (rival, "test") and pair.name not in rivals]
        if not pooled:
            continue
        best = max(pooled, key=lambda pair: pair.less)
        if best.low is None or best.high is None:
            said = f"{abs(best.less):.3f} bits {'fewer' if best.less > 0 else 'more'}; the text is too short for an interval"
        elif best.low > 0:
            said = f"{best.less:.3f} bits fewer ({best.low:.3f} to {best.high:.3f})"
        elif best.high < 0:
            said = f"{-best.less:.3f} bits more ({-best.high:.3f} to {-best.low:.3f}): nothing that pools beats it"
        else:
            said = f"no difference that the text can show ({best.low:+.3f} to {best.high:+.3f})"
        sentences.append(f"{best.name} beside {rival}: {said}.")
    return " ".join(sentences)


def pairs_text(pairs: Sequence[Pair]) -> str:
    """The test text's pairs for a terminal."""
    cells = [
        (
            pair.name,
            pair.rival,
            str(pair.seeds),
            f"{pair.bits:.3f}",
            f"{pair.rival_bits:.3f}",
            f"{pair.less:+.3f}",
            "" if pair.low is None or pair.high is None else f"{pair.low:+.3f} to {pair.high:+.3f}",
            f"{pair.least:+.3f} to {pair.largest:+.3f}" if pair.seeds > 1 else "",
        )
        for pair in pairs
        if pair.split == "test"
    ]
    header = ("model", "beside", "seeds", "its bits", "the other's", "fewer by", "95 %", "of the seeds")
    return text_table(cells, header, right=range(2, len(header)))
