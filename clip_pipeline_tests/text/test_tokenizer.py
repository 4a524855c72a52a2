"""The byte-level BPE and its two readers: ours and transformers'."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import CaptionsError, ModelError
from clip_pipeline.recipes import TokenizerSettings
from clip_pipeline.text.tokenizer import END, PAD, START, load_tokenizer, train_tokenizer

CAPTIONS = [
    f"a {colour} {thing} on the table" for colour in ("red", "green", "blue") for thing in ("cup", "ball", "fish")
]
TEXTS = [*CAPTIONS, "A Red CUP's lid, 12 cm!", "ein größerer Hund — 犬", "", "cup " * 40]


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "corpus.txt").write_text("\n".join(CAPTIONS))
    train_tokenizer(folder / "corpus.txt", TokenizerSettings(vocab_size=300), 16, folder)
    return folder


def test_frequent_words_become_one_token_wherever_they_stand(tokenizer_folder):
    tokenizer = load_tokenizer(tokenizer_folder)
    red, cup_red = tokenizer.encode(["red", "cup red"], 16)
    assert red[1] in cup_red[1:-1]
    assert list(red[:3]) == [tokenizer.start_id, red[1], tokenizer.end_id]


def test_padding_is_zero_and_the_end_token_has_the_highest_id(tokenizer_folder):
    """open_clip pools a text at its highest id."""
    tokenizer = load_tokenizer(tokenizer_folder)
    assert (tokenizer.pad_id, tokenizer.end_id) == (0, tokenizer.vocab_size - 1)
    assert tokenizer.vocab_size <= 300
    ids = tokenizer.encode(TEXTS, 16)
    assert ids.shape == (len(TEXTS), 16)
    assert (ids.max(axis=1) == tokenizer.end_id).all(), "a text that is cut keeps its end token"


def test_a_caption_comes_back_in_lower_case(tokenizer_folder):
    tokenizer = load_tokenizer(tokenizer_folder)
    for text in (*CAPTIONS, "A Red CUP's lid, 12 cm!", "ein größerer Hund — 犬"):
        assert tokenizer.decode(tokenizer.encode([text], 64)[0]) == text.lower()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=30))
def test_any_text_is_covered_by_the_256_bytes(tokenizer_folder, text):
    import unicodedata

    tokenizer = load_tokenizer(tokenizer_folder)
    normal = unicodedata.normalize("NFC", text)
    if any(name in text for name in (PAD, START, END)):
        return
    decoded = tokenizer.decode(tokenizer.encode([text], 300)[0])
    assert len(decoded) == len(normal.lower()) or decoded.casefold() == normal.casefold()
    assert "\N{REPLACEMENT CHARACTER}" not in decoded or "\N{REPLACEMENT CHARACTER}" in text


def test_open_clip_and_transformers_read_the_same_ids(tokenizer_folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.tokenizer import HFTokenizer
    from transformers import AutoTokenizer

    ours = load_tokenizer(tokenizer_folder).encode(TEXTS, 16)
    assert np.array_equal(HFTokenizer(str(tokenizer_folder), context_length=16)(TEXTS).numpy(), ours)
    theirs = AutoTokenizer.from_pretrained(tokenizer_folder)
    assert (theirs.bos_token, theirs.eos_token, theirs.pad_token) == (START, END, PAD)
    assert theirs.decode(theirs("a red cup").input_ids, skip_special_tokens=True) == "a red cup"


def test_the_same_captions_give_the_same_bytes(tokenizer_folder, tmp_path):
    train_tokenizer(tokenizer_folder / "corpus.txt", TokenizerSettings(vocab_size=300), 16, tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (tmp_path / name).read_bytes() == (tokenizer_folder / name).read_bytes()


def test_facts_say_how_well_captions_fit(tokenizer_folder, tmp_path):
    facts = train_tokenizer(tokenizer_folder / "corpus.txt", TokenizerSettings(vocab_size=300), 5, tmp_path)
    assert facts["captions"] == 9
    assert facts["cut_captions"] == 1.0
    assert facts["tokens"] == len(json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]) + 2


def test_missing_empty_and_foreign_files_get_a_sentence(tmp_path):
    with pytest.raises(CaptionsError, match="does not exist"):
        train_tokenizer(tmp_path / "none.txt", TokenizerSettings(), 16, tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(CaptionsError, match="is empty"):
        train_tokenizer(tmp_path / "empty.txt", TokenizerSettings(), 16, tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(CaptionsError, match="not UTF-8"):
        train_tokenizer(tmp_path / "latin.txt", TokenizerSettings(), 16, tmp_path)
    with pytest.raises(ModelError, match="holds no tokenizer.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read as a tokenizer"):
        load_tokenizer(tmp_path)
