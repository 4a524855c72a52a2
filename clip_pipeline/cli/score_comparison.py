"""The command `compare-scores`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT


@click.command(context_settings=CONTEXT)
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("-o", "--output", default="comparison.png", show_default=True, type=click.Path(path_type=Path), help="Image to write; the numbers go beside it as .json.")  # fmt: skip
@click.option("--samples", default=4000, show_default=True, type=click.IntRange(100), help="Resamples behind each interval.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
def compare_scores(first: Path, second: Path, output: Path, samples: int, seed: int) -> None:
    """Compare the scores of two models sample by sample, and say which differences are more than chance.

    FIRST and SECOND are scores.json files of `clip-pipeline evaluate` on the same dataset, or folders of scores in data/.
    """
    import json

    from clip_pipeline.evaluation.comparison.figure import draw_comparison
    from clip_pipeline.evaluation.comparison.models import compare_scores
    from clip_pipeline.evaluation.comparison.text import comparison_text
    from clip_pipeline.storage.published import published_file

    found = compare_scores(first, second, samples, seed)
    with published_file(output) as path:
        draw_comparison(found, path)
    with published_file(output.with_suffix(".json")) as path:
        path.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    click.echo(comparison_text(found))
    click.echo(f"\nWrote {output} and {output.with_suffix('.json')}")
