"""Text: corpus and tokenizer."""

from clip_pipeline.defs.asset import pipeline_asset

caption_corpus = pipeline_asset("caption_corpus", kinds={"text"}, owner="models")
bpe_tokenizer = pipeline_asset("bpe_tokenizer", kinds={"huggingface"}, owner="models")
