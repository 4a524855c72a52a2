"""The byte-level BPE and its two readers: ours and transformers'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import CaptionsError, ModelError
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.text.bpe import END, PAD, START
from clip_pipeline.text.captions import clean_caption
from clip_pipeline.text.tokenizer import TOKENIZER_FILE, load_tokenizer
from clip_pipeline_tests.made.tokenizers import train_tokenizer

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


@pytest.fixture(scope="module")
def loaded(tokenizer_folder):
    return load_tokenizer(tokenizer_folder)


@pytest.fixture(scope="module")
def in_transformers(tokenizer_folder):
    from transformers import AutoTokenizer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return AutoTokenizer.from_pretrained(tokenizer_folder)


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


def lower_cased(text: str) -> str:
    """Letter by letter, as the tokenizers library does; Python's own writes a last sigma differently."""
    return "".join(map(str.lower, text))


pieces = st.sampled_from([PAD, START, END, "a dog", " ", "Größe", "'s", "1", "\t", "犬"])
any_text = st.text(alphabet=st.characters(codec="utf-8"), max_size=40) | st.lists(pieces, max_size=6).map("".join)


@settings(deadline=None, max_examples=300)
@given(text=any_text)
def test_any_clean_text_comes_back_in_lower_case(loaded, text):
    """Nothing is unknown: the 256 bytes cover every character. "[EOS]" in a text is text."""
    caption = unicodedata.normalize("NFC", clean_caption(text))
    row = loaded.encode([caption], 4 * len(caption) * 4 + 3)[0]
    assert loaded.decode(row) == lower_cased(caption)
    assert (row == loaded.end_id).sum() == 1


@settings(deadline=None, max_examples=100)
@given(texts=st.lists(any_text, min_size=1, max_size=4), length=st.integers(min_value=3, max_value=20))
def test_any_text_has_the_same_ids_in_transformers(loaded, in_transformers, texts, length):
    rows = loaded.encode(texts, length)
    theirs = in_transformers(texts, max_length=length, padding="max_length", truncation=True).input_ids
    assert rows.tolist() == theirs


@pytest.mark.parametrize("tokens", [259, 260, 261, 280, 2000])
def test_a_vocabulary_of_any_size_is_never_exceeded(tokenizer_folder, tmp_path, tokens):
    facts = train_tokenizer(tokenizer_folder / "corpus.txt", TokenizerSettings(vocab_size=tokens), 16, tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.vocab_size == facts["tokens"] == facts["merges"] + 259 <= tokens
    assert facts["tokens"] == tokens or tokens == 2000, "the captions hold fewer pairs"
    assert tokenizer.decode(tokenizer.encode(["a red cup"], 64)[0]) == "a red cup"


@pytest.mark.slow
def test_the_order_of_the_captions_and_the_threads_leave_the_bytes_unchanged(tmp_path):
    words = ["red", "green", "blue", "cup", "ball", "table", "grass", "é", "犬", "12"]
    lines = [f"{one} {two} {three}" for one in words for two in words for three in words]
    (tmp_path / "one.txt").write_text("\n".join(lines))
    (tmp_path / "two.txt").write_text("\n".join(reversed(lines)))
    made = []
    for name, parallel in (("one", "true"), ("two", "false")):
        code = (
            "import sys; from pathlib import Path; from clip_pipeline.settings import TokenizerSettings\n"
            "from clip_pipeline_tests.made.tokenizers import train_tokenizer\n"
            "train_tokenizer(Path(sys.argv[1]), TokenizerSettings(vocab_size=320), 16, Path(sys.argv[2]))"
        )
        command = [sys.executable, "-c", code, str(tmp_path / f"{name}.txt"), str(tmp_path / name)]
        subprocess.run(command, check=True, env=os.environ | {"TOKENIZERS_PARALLELISM": parallel})
        made.append((tmp_path / name / "tokenizer.json").read_bytes())
    assert made[0] == made[1]


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
    with pytest.raises(CaptionsError, match="no UTF-8 text"):
        train_tokenizer(tmp_path / "latin.txt", TokenizerSettings(), 16, tmp_path)
    with pytest.raises(ModelError, match="holds no tokenizer.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read as a tokenizer"):
        load_tokenizer(tmp_path)
    train_tokenizer(_captions(tmp_path), TokenizerSettings(vocab_size=300), 16, tmp_path / "named")
    (tmp_path / "named/tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match="names no bos_token, eos_token, pad_token"):
        load_tokenizer(tmp_path / "named")
    (tmp_path / "named/tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="tokenizer_config.json cannot be read"):
        load_tokenizer(tmp_path / "named")
    with pytest.raises(ModelError, match="context length is 2, the least that works is 3"):
        train_tokenizer(_captions(tmp_path), TokenizerSettings(vocab_size=300), 2, tmp_path / "short")


def _captions(folder):
    (folder / "captions.txt").write_text("\n".join(CAPTIONS))
    return folder / "captions.txt"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_corpus_of_any_unicode_gives_the_same_tokenizer_and_no_byte_order_mark(tmp_path, encoding):
    texts = "a red cup\r\na red car on a table\r\n" * 5
    tokenizers = []
    for name, content in (("as it is", texts.encode(encoding)), ("plain", texts.replace("\r", "").encode())):
        (tmp_path / f"{name}.txt").write_bytes(content)
        train_tokenizer(
            tmp_path / f"{name}.txt", TokenizerSettings(vocab_size=300, min_frequency=2), 16, tmp_path / name
        )
        tokenizers.append((tmp_path / name / TOKENIZER_FILE).read_text())
    assert tokenizers[0] == tokenizers[1]
    assert "\ufeff" not in tokenizers[0]
