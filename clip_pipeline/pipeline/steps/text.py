"""caption_corpus → bpe_tokenizer."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.storage.disk import hash_file
from clip_pipeline.storage.manifest import Built

logger = logging.getLogger(__name__)


def _build_corpus(context: BuildContext) -> Built:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from clip_pipeline.text.captions import write_corpus

    pairs = pq.read_table(context.workspace.get("image_text_pairs").file("pairs.parquet"), columns=["caption", "split"])
    captions = pairs.filter(pc.equal(pairs["split"], "train"))["caption"].to_pylist()
    lines = write_corpus(captions, context.folder / "captions.txt")
    return Built(rows={"captions": lines})


def _tokenizer_config(workspace: Workspace) -> dict:
    from clip_pipeline.models.registry import context_length_of
    from clip_pipeline.training.options import architecture_of

    context_length = context_length_of(architecture_of(workspace.recipe.training))
    return fingerprinted(workspace.recipe.tokenizer) | {"context_length": context_length}


def _tokenizer_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    """A tokenizer in a folder of the user's own is an input too: its files decide the bytes."""
    inputs = {"caption_corpus": workspace.get("caption_corpus").content}
    folder = Path(workspace.recipe.tokenizer.kind).expanduser()
    if folder.is_dir():
        inputs |= {
            f"tokenizer.kind/{path.name}": hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()
        }
    return inputs


def _build_tokenizer(context: BuildContext) -> Built:
    from clip_pipeline.sources.hub import without_waiting
    from clip_pipeline.sources.tables.caption_lines import caption_lines
    from clip_pipeline.text.tokenizer_folder import train_tokenizer
    from clip_pipeline.text.tokenizer_report import FIGURE_FILE, REPORT_FILE, write_report

    workspace, folder = context.workspace, context.folder
    corpus = workspace.get("caption_corpus").file("captions.txt")
    context_length = _tokenizer_config(workspace)["context_length"]
    captions = partial(caption_lines, corpus)
    facts = train_tokenizer(captions, workspace.recipe.tokenizer, context_length, folder, without_waiting)
    write_report(facts, folder)
    for sentence in facts["warnings"]:
        logger.warning("%s", sentence)
    for sentence in facts["notes"]:
        logger.info("%s", sentence)
    return Built(rows={"tokens": facts["tokens"]}, facts=facts, sidecars=(REPORT_FILE, FIGURE_FILE))


BUILDERS = {
    "caption_corpus": Builder(
        config=lambda workspace: {},
        inputs=lambda workspace, _: {
            "image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet"),
        },
        build=_build_corpus,
    ),
    "bpe_tokenizer": Builder(
        config=_tokenizer_config,
        inputs=_tokenizer_inputs,
        build=_build_tokenizer,
    ),
}
