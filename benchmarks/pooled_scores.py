"""Unseen top-1 of trainings that pool their tokens beside plain ones, seeds taken together: what a kind costs, and whether it beats another.

    python benchmarks/pooled_scores.py data/evaluation/zero_shot_scores/sandbox --plain 'plain_*' --kinds 'windows_*' 'tome_*' 'gumbel_*'

Takes what `clip-pipeline run --variant pooling.kind=windows+training.seed=0 …` left: a folder of scores a training, named by patterns, one pattern a kind
and as many seeds of each. Each row is a kind: top-1 of every seed, their mean, and its difference from the plain ones and from every --rival, with the 95 %
interval of a paired bootstrap: photos are drawn, a photo with all its seeds at once. What another choice of seeds would change is not in that interval; the
range over the seeds stands beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from clip_pipeline.display.text_table import markdown_table
from clip_pipeline.evaluation.comparison.outcomes import read_outcomes
from clip_pipeline.evaluation.scores import SCORES_FILE, read_scores
from clip_pipeline.evaluation.statistics.bootstrap import interval, resampled_sums

SPLIT, METRIC = "unseen", "top1"
SAMPLES, SEED = 10_000, 0


def hits_of(folder: Path, split: str) -> dict[str, float]:
    """By photo, whether its class came first."""
    rows = [one for one in read_scores(folder / SCORES_FILE) if (one["split"], one["metric"]) == (split, METRIC)]
    outcomes = read_outcomes(rows[0], folder) if rows else None
    if outcomes is None:
        raise SystemExit(f"{folder} holds no predictions of {METRIC} on {split}.")
    return dict(zip(outcomes.ids, outcomes.hits_N.tolist(), strict=True))


def hits_of_kind(root: Path, pattern: str, split: str) -> np.ndarray:
    """(photos, seeds) of 0 and 1, photos sorted by id."""
    folders = sorted(path for path in root.glob(pattern) if (path / SCORES_FILE).is_file())
    if not folders:
        raise SystemExit(f"{root} has no scores named {pattern}.")
    seeds = [hits_of(folder, split) for folder in folders]
    if len({tuple(sorted(hits)) for hits in seeds}) > 1:
        raise SystemExit(f"The trainings {pattern} were scored on different photos.")
    return np.array([[hits[photo] for hits in seeds] for photo in sorted(seeds[0])])


def difference(one_NS: np.ndarray, other_NS: np.ndarray) -> tuple[float, float, float]:
    """(difference of the means, low, high), of seeds that both have, in points."""
    seeds = min(one_NS.shape[1], other_NS.shape[1])
    apart_N = (one_NS[:, :seeds] - other_NS[:, :seeds]).mean(1)
    low, high = interval(resampled_sums(apart_N[:, None], SAMPLES, SEED)[:, 0] / len(apart_N))
    return 100 * float(apart_N.mean()), 100 * low, 100 * high


def table(hits: dict[str, np.ndarray], rivals: list[str]) -> str:
    """Markdown, a row a kind. hits: (photos, seeds) by kind. rivals: kinds that the others are compared with."""
    rows = []
    for kind, hits_NS in hits.items():
        tops = 100 * hits_NS.mean(0)
        cells = [kind, ", ".join(f"{top:.1f}" for top in tops), f"{tops.mean():.1f}"]
        for rival in rivals:
            if rival == kind:
                cells.append("–")
                continue
            apart, low, high = difference(hits_NS, hits[rival])
            seeds = min(hits_NS.shape[1], hits[rival].shape[1])
            cells.append(f"{apart:+.1f} [{low:+.1f}, {high:+.1f}] ({seeds} seed{'s' if seeds > 1 else ''})")
        rows.append(tuple(cells))
    return markdown_table(rows, ("kind", "top-1 of each seed, %", "mean", *(f"minus {rival}" for rival in rivals)))


def main(arguments: list[str] | None = None) -> None:
    """Prints the table of what the options name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="folder of zero_shot_scores of one dataset")
    parser.add_argument("--plain", required=True, help="pattern of the plain trainings")
    parser.add_argument("--kinds", nargs="+", required=True, help="a pattern a kind")
    parser.add_argument(
        "--rivals", nargs="*", default=[], help="those of --kinds that the others are compared with too"
    )
    parser.add_argument("--split", default=SPLIT)
    options = parser.parse_args(arguments)
    patterns = [options.plain, *options.kinds]
    hits = {pattern: hits_of_kind(options.scores, pattern, options.split) for pattern in patterns}
    photos = {len(one) for one in hits.values()}
    if len(photos) > 1:
        raise SystemExit("The kinds were scored on different numbers of photos.")
    print(table(hits, [options.plain, *options.rivals]))


if __name__ == "__main__":
    main()
