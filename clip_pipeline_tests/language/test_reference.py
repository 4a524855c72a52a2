"""Our segments in the place of the published code's: the same logits and losses, boundaries and pieces.

The published code (PiotrNawrot/dynamic-pooling, Nawrot et al. 2023) is run where CLIP_PIPELINE_DYNAMIC_POOLING names a clone of it; a twin of its sums
written by hand runs always (`pooling/test_segments.py`).
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from clip_pipeline.language import unigram
from clip_pipeline.language.unigram import unigram_targets
from clip_pipeline.pooling.predictors import entropy_targets, fixed_boundaries
from clip_pipeline.pooling.rates import binomial_loss
from clip_pipeline.pooling.segments import closed_segments, own_segments, segment_means, spread

CLONE = os.environ.get("CLIP_PIPELINE_DYNAMIC_POOLING", "")
MODULES = ("hourglass", "shortening", "boundary_creator")
TEXT = "the unhappy cat of the happiest house and the sad dog happily ran to a house of unhappiness "
SPACE = 0

needs_clone = pytest.mark.skipif(not CLONE, reason="CLIP_PIPELINE_DYNAMIC_POOLING names no clone of dynamic-pooling")


@pytest.fixture
def published(monkeypatch):
    if not (Path(CLONE) / "hourglass.py").is_file():
        pytest.fail(f"CLIP_PIPELINE_DYNAMIC_POOLING={CLONE} holds no hourglass.py")
    monkeypatch.syspath_prepend(CLONE)
    # its boundaries of pieces import sentencepiece, of which only a model is asked for
    monkeypatch.setitem(sys.modules, "sentencepiece", types.ModuleType("sentencepiece"))
    vars(sys.modules["sentencepiece"])["SentencePieceProcessor"] = lambda model_file: model_file
    yield types.SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in MODULES:
        sys.modules.pop(name, None)


def our_downsample(boundaries, hidden, null_group):
    hard_BL = boundaries > 0.5
    means_BSD, _ = segment_means(hidden.transpose(0, 1), own_segments(hard_BL), int(hard_BL.sum(-1).max()))
    return torch.cat([null_group.expand(1, hidden.shape[1], -1), means_BSD.transpose(0, 1)])


def our_upsample(boundaries, shortened_hidden):
    return spread(shortened_hidden.transpose(0, 1), closed_segments(boundaries > 0.5)).transpose(0, 1)


@needs_clone
@pytest.mark.parametrize("kind", ["fixed", "whitespaces", "unigram", "entropy", "gumbel"])
def test_logits_and_losses_of_the_published_model_are_the_same_with_our_segments(published, monkeypatch, kind):
    torch.manual_seed(0)
    model = published.hourglass.MemTransformerLM(
        n_token=27, n_head=2, d_model=32, d_head=16, d_inner=64, dropout=0.0, dropatt=0.0, pre_lnorm=False,
        model_config="[1, (2,), 1]", activation_function="relu", boundaries_type=kind, spikes_left=2, temp=0.5, prior=0.25,
    ).eval()  # fmt: skip
    data = torch.randint(0, 27, (65, 3))
    given = data[:-1] % 4 == 0 if kind in ("fixed", "whitespaces", "unigram") else None

    def run():
        torch.manual_seed(1)  # its evaluation of gumbel draws samples
        loss, _, loss_boundaries, logits = model(data[:-1], data[1:], given)
        return loss, loss_boundaries.float(), logits

    theirs = run()
    monkeypatch.setattr(published.hourglass, "downsample", our_downsample)
    monkeypatch.setattr(published.hourglass, "upsample", our_upsample)
    for mine, other in zip(run(), theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


@needs_clone
def test_targets_of_entropy_and_the_binomial_loss_are_those_of_the_published_code(published):
    torch.manual_seed(0)
    logits_BLV = 3 * torch.randn(2, 40, 27)
    model = types.SimpleNamespace(spikes_left=2)
    log_BLV = logits_BLV.log_softmax(-1)
    spikes_LB = published.hourglass.MemTransformerLM.get_spikes(model, -(log_BLV * log_BLV.exp()).sum(-1).T)
    assert torch.equal(entropy_targets(logits_BLV, 2), spikes_LB.T)
    predictor = published.hourglass.BoundaryPredictor(8, 8, "relu", 0.5, 0.2, "gumbel")
    drawn_BL = (torch.rand(4, 50) < 0.3).float()
    mine = binomial_loss(drawn_BL.sum(-1), torch.full((4,), 50.0), 5.0)
    torch.testing.assert_close(mine, predictor.calc_loss(drawn_BL, None), rtol=0, atol=1e-6)


@needs_clone
def test_boundaries_at_spaces_and_fixed_distances_are_those_of_the_published_code(published):
    tokens_LB = torch.randint(0, 5, (40, 3), generator=torch.Generator().manual_seed(0))
    make = published.boundary_creator.BoundaryCreator
    assert torch.equal(make("whitespaces", 0, SPACE).get_boundaries(tensor=tokens_LB), (tokens_LB == SPACE).T)
    for every in (2, 3, 5):
        theirs = make("fixed", every, SPACE).get_boundaries(tensor=tokens_LB)
        # its first segment is one token long
        assert torch.equal(theirs[0], fixed_boundaries(40, every, offset=every - 1))


@needs_clone
def test_targets_of_pieces_are_those_of_the_published_code_after_the_first_word(published):
    text = TEXT * 40
    cut = unigram._learnt(text.encode(), 60)

    def encode(words: list[str], out_type: type) -> list[list[str]]:
        found = [cut(word) if word else [""] for word in words]
        return [[unigram.WORD_START + pieces[0], *pieces[1:]] for pieces in found]

    theirs = published.boundary_creator.SPMBoundaries(types.SimpleNamespace(encode=encode))
    window = text[:400]
    found = theirs.get_boundaries(txt=[window])[0].bool().numpy()
    mine = unigram_targets(text.encode(), 60)[:400]
    first = len(window.split(" ")[0])
    # theirs marks the token after a piece of the first word, and the one after each later piece's space
    assert np.array_equal(np.flatnonzero(found[first + 1 :]), np.flatnonzero(mine[first + 1 :]))


def test_a_word_is_cut_as_sentencepiece_cuts_it_with_the_same_pieces(tmp_path):
    pytest.importorskip("sentencepiece")
    import sentencepiece
    from tokenizers import Tokenizer, models, pre_tokenizers

    file = tmp_path / "text.txt"
    file.write_text(TEXT * 200)
    sentencepiece.SentencePieceTrainer.train(
        input=str(file), model_prefix=str(tmp_path / "pieces"), vocab_size=60, hard_vocab_limit=False, character_coverage=1.0, max_sentence_length=10**6,
        normalization_rule_name="identity", num_threads=1,
    )  # fmt: skip
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "pieces.model"))
    vocabulary = [(theirs.id_to_piece(number), theirs.get_score(number)) for number in range(theirs.vocab_size())]
    ours = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    ours.pre_tokenizer = pre_tokenizers.Metaspace(replacement=unigram.WORD_START, prepend_scheme="always")
    for word in set(TEXT.split()):
        assert ours.encode(word).tokens == theirs.encode(word, out_type=str), word
