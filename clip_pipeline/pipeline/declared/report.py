"""The report on all scores, which comes last, for it tells of the adaptation too."""

from __future__ import annotations

import clip_pipeline.records as records
from clip_pipeline.pipeline.asset import Asset, Figures, Page, Scores

REPORT = (
    Asset(
        name="benchmark_report",  # last, for it tells of the adaptation too
        stage="evaluation",
        about="All scores with tables and figures, as Markdown, HTML, CSV and scores.json.",
        code_version="4",
        kinds=("markdown", "html"),
        owner="evaluation",
        after=("zero_shot_scores", "retrieval_scores", "probe_scores", "adaptation_curves"),
        steps="report",
        columns=records.SCORES_COLUMNS,
        preview=(
            Scores(of_all=True),
            Page("report.html"),
            Figures(
                (
                    *("figures/scores.png", "figures/variants.png", "figures/photos_*.png", "figures/search_*.png"),
                    "figures/adaptation*.png",
                )
            ),
        ),
        holds_photos=True,
    ),
)
