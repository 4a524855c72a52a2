"""Checks of the search index: that its answers are the right ones, and that it tells what is there from what is not."""

from __future__ import annotations

from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.workspace import Workspace

MIN_RECALL = 0.999
MIN_AUC = 0.6
"""Of the best scores of phrases that photos have, beside those that none has; guessing is 0.5."""
MIN_PHRASES = 40


def search_is_exact(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.searching.exactness import BEST, measured_exactness
    from clip_pipeline.searching.index import SearchIndex

    measured = measured_exactness(SearchIndex(workspace.get("search_index", partition).folder))
    found = f"recall@{BEST} beside float64 is {measured.photos:.4f} for {measured.queries} photos and {measured.texts:.4f} for texts"
    passed = min(measured.photos, measured.texts) >= MIN_RECALL
    return CheckOutcome(passed, found, {"photos": measured.photos, "texts": measured.texts})


def scores_tell_found_from_absent(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.searching.index import SearchIndex

    figures = SearchIndex(workspace.get("search_index", partition).folder).calibration.figures
    absent = int(figures.get("phrases absent", 0))
    if absent < MIN_PHRASES:
        return CheckOutcome(
            True, f"{absent} phrases of two words that no photo has are too few to know", {"absent": absent}
        )
    auc = float(figures[f"found or absent, AUC by {figures['scoring']}"])
    found = f"the best score tells phrases that photos have from those that none has with an AUC of {auc:.3f}; guessing is 0.5"
    return CheckOutcome(auc >= MIN_AUC, found, {"absent": absent, "auc": auc})


SEARCH_CHECKS = (
    Check("search_is_exact", "search_index", "The best ten by codes are those of float64, for photos and for texts.", True, search_is_exact),
    Check("scores_tell_found_from_absent", "search_index", "What photos show scores higher than what none shows.", False, scores_tell_found_from_absent),
)  # fmt: skip
