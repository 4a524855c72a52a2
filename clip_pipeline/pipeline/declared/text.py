"""The assets of the stage `text`, in the order of the flow."""

from __future__ import annotations

from clip_pipeline.pipeline.asset import Asset, Figures

TEXT = (
    Asset(
        name="caption_corpus",
        stage="text",
        about="The training captions, one a line: what the tokenizer learns from.",
        code_version="1",
        kinds=("text",),
        owner="models",
        after=("image_text_pairs",),
        learnt_from_photos=True,
    ),
    Asset(
        name="bpe_tokenizer",
        stage="text",
        about="A byte-level BPE tokenizer, CLIP's or another, that loads in transformers and open_clip; how well it fits the captions.",
        code_version="2",
        kinds=("huggingface",),
        owner="models",
        after=("caption_corpus",),
        preview=(Figures(("lengths.png",)),),
        key_facts=("warnings", "tokens_per_caption", "characters_per_token", "unknown_rate", "cut_captions"),
        learnt_from_photos=True,
    ),
)
