"""What text_cfg says of token pooling, and what it cannot say."""

from __future__ import annotations

import copy

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.models.registry import build_model, load_config, without_tokenizer
from clip_pipeline.models.text_pooling import reads_bytes, text_pooling_of

TEXT = {"context_length": 62, "vocab_size": 259, "width": 32, "heads": 2, "layers": 4}
BYTES = {"tokens": "bytes", "kind": "whitespace"}


def said(pooling, **text):
    return text_pooling_of(TEXT | text | {"token_pooling": pooling}, "mine.json")


def test_nothing_said_is_no_pooling():
    assert text_pooling_of(TEXT, "mine.json") is None
    assert not reads_bytes({"text_cfg": TEXT})


def test_bytes_are_words_before_the_first_layer_where_nothing_else_is_said():
    pooling = said(BYTES)
    assert (pooling.after_layer, pooling.convolution, pooling.segments) == (0, 5, 22)
    assert pooling.facts() == {
        "tokens": "bytes", "kind": "whitespace", "convolution": 5, "after_layer": 0, "max_segments": 22,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pooling", "segments", "after"),
    [
        ({"kind": "fixed"}, 32, 1),
        ({"kind": "router", "target": 2.5, "after_layer": 2}, 26, 2),
        ({"kind": "router", "tokens": "bytes"}, 17, 0),
        ({"kind": "fixed", "tokens": "bytes", "convolution": 0, "target": 7}, 11, 1),
        (BYTES | {"segments": 62}, 62, 0),
        (BYTES | {"segments": 3}, 3, 0),
    ],
)
def test_segments_are_the_tokens_by_the_target_and_both_ends(pooling, segments, after):
    found = said(pooling)
    assert (found.segments, found.after_layer) == (segments, after)


@pytest.mark.parametrize(
    ("pooling", "text", "sentence"),
    [
        ("whitespace", {}, 'mine.json: token_pooling of text_cfg is no table with a kind. Expected one such as {"tokens": "bytes"'),
        ({"kind": "spaces"}, {}, 'There is no kind of text pooling called "spaces".'),
        ({"kind": "fixed", "tokens": "letters"}, {}, 'There are no tokens called "letters".'),
        ({"kind": "whitespace"}, {}, "whitespace looks for spaces among bytes; a tokenizer's tokens have none."),
        (BYTES | {"target": 4}, {}, "target means nothing to the kind whitespace."),
        ({"kind": "none", "after_layer": 1}, {}, "after_layer means nothing to the kind none."),
        ({"kind": "fixed", "layer": 1}, {}, 'There is no entry "layer". Did you mean "after_layer"?'),
        ({"kind": "fixed", "target": 1}, {}, "The target is 1 tokens a segment: pooling begins above 1."),
        ({"kind": "fixed", "target": 2.5}, {}, "target is 2.5; stretches of one length need a whole number."),
        ({"kind": "router", "target": True}, {}, "target is 'True', expected how many tokens become one"),
        ({"kind": "router", "after_layer": 4}, {}, "after_layer is 4, and the text encoder has 4 layers: one has to see"),
        ({"kind": "router", "after_layer": -1}, {}, "after_layer is '-1', expected a whole number."),
        (BYTES | {"segments": 2}, {}, "segments is 2. Both ends are one each: set it to 3 to 62."),
        (BYTES | {"segments": 63}, {}, "set it to 3 to 62."),
        (BYTES | {"convolution": 4}, {}, "convolution is 4, expected an odd number up to 15, or 0 for none."),
        ({"kind": "fixed", "convolution": 3}, {}, "convolution is 3, expected none without bytes."),
        (BYTES, {"vocab_size": 300}, "vocab_size is 300; the bytes, both ends and padding are 259."),
        (BYTES, {"context_length": 2}, "context_length is 2: both ends and a token need 3."),
        (BYTES, {"pool_type": "last"}, "The text encoder has pool_type = last;"),
        (BYTES, {"hf_model_name": "google-bert/bert-base-uncased"}, "The text encoder has hf_model_name ="),
        (BYTES, {"qk_norm": True}, "The text encoder has qk_norm = True;"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(pooling, text, sentence):
    with pytest.raises(ModelError) as error:
        said(pooling, **text)
    assert sentence in str(error.value) and "mine.json" in str(error.value)


def test_open_clip_has_to_be_told_that_the_text_encoder_is_a_part_of_its_own():
    config = copy.deepcopy(load_config("laptop_bytes"))
    del config["custom_text"]
    with pytest.raises(ModelError, match='Write "custom_text": true beside text_cfg'):
        build_model(config)


def test_a_published_model_of_bytes_names_no_tokenizer():
    config = copy.deepcopy(load_config("laptop_bytes"))
    config["text_cfg"] |= {"hf_tokenizer_name": ".", "tokenizer_kwargs": {"clean": "lower"}}
    text = without_tokenizer(config)["text_cfg"]
    assert (text["vocab_size"], text["pad_id"], text["eos_id"], text["pool_type"]) == (259, 0, 258, "argmax")
    assert "hf_tokenizer_name" not in text and "tokenizer_kwargs" not in text
