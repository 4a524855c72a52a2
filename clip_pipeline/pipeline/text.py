"""caption_corpus → bpe_tokenizer."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.recipes import fingerprinted
from clip_pipeline.store import Built


def _build_corpus(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from clip_pipeline.text.captions import write_corpus

    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"), columns=["caption", "split"])
    captions = pairs.filter(pc.equal(pairs["split"], "train"))["caption"].to_pylist()
    lines = write_corpus(captions, folder / "captions.txt")
    return Built(rows={"captions": lines})


def _tokenizer_config(workspace: Workspace) -> dict:
    from clip_pipeline.models.registry import load_config

    context_length = load_config(workspace.recipe.training.model)["text_cfg"]["context_length"]
    return fingerprinted(workspace.recipe.tokenizer) | {"context_length": context_length}


def _build_tokenizer(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    from clip_pipeline.text.tokenizer import train_tokenizer

    corpus = workspace.get("caption_corpus").file("captions.txt")
    context_length = _tokenizer_config(workspace)["context_length"]
    facts = train_tokenizer(corpus, workspace.recipe.tokenizer, context_length, folder)
    return Built(rows={"tokens": facts["tokens"]}, facts=facts)


STEPS = (
    Step(
        asset="caption_corpus",
        about="The training captions, one a line: what the tokenizer learns from.",
        code_version="1",
        after=("image_text_pairs",),
        config=lambda workspace: {},
        inputs=lambda workspace, _: {
            "image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet"),
        },
        build=_build_corpus,
    ),
    Step(
        asset="bpe_tokenizer",
        about="A byte-level BPE tokenizer that loads in tokenizers, transformers and open_clip.",
        code_version="1",
        after=("caption_corpus",),
        config=_tokenizer_config,
        inputs=lambda workspace, _: {"caption_corpus": workspace.get("caption_corpus").content},
        build=_build_tokenizer,
    ),
)
