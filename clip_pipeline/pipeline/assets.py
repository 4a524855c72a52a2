"""Every asset in the order of the flow. Each is declared once, in its stage's file of `declared/`."""

from __future__ import annotations

from clip_pipeline.pipeline.declared.adaptation import ADAPTATION
from clip_pipeline.pipeline.declared.embedding import EMBEDDING
from clip_pipeline.pipeline.declared.evaluation import EVALUATION
from clip_pipeline.pipeline.declared.images import IMAGES
from clip_pipeline.pipeline.declared.language import LANGUAGE
from clip_pipeline.pipeline.declared.report import REPORT
from clip_pipeline.pipeline.declared.search import SEARCH
from clip_pipeline.pipeline.declared.text import TEXT
from clip_pipeline.pipeline.declared.training import TRAINING
from clip_pipeline.pipeline.declared.words import WORDS

ASSETS = (*WORDS, *IMAGES, *TEXT, *TRAINING, *EMBEDDING, *EVALUATION, *ADAPTATION, *SEARCH, *LANGUAGE, *REPORT)
