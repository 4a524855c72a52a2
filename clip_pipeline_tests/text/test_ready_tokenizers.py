"""Tokenizers of others, as folders of the same shape as our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import ModelError
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.text.captions import clean_caption
from clip_pipeline.text.tokenizer import load_tokenizer
from clip_pipeline_tests.made.tokenizers import train_tokenizer

CAPTIONS = ["a red cup on the table", "a blue ball in the grass", "hello table"] * 4
TEXTS = ["a red cup", "A dog's ball, 12!? hello", "ein größerer Hund — 犬", "", "!!! !?!", "İstanbul ΑΒ", "cup " * 40]


@pytest.fixture(scope="module", autouse=True)
def _offline():
    """The tests reach no network, whatever the machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "captions.txt"
    path.write_text("\n".join(CAPTIONS))
    return path


@pytest.fixture(scope="module")
def clip_folder(corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    train_tokenizer(corpus, TokenizerSettings(kind="clip"), 24, folder)
    return folder


def simple_tokenizer(length: int):
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=length)


@pytest.fixture(scope="module")
def both_clips(clip_folder):
    return load_tokenizer(clip_folder), simple_tokenizer(60)


def hf_tokenizer(folder: Path, length: int):
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.tokenizer import HFTokenizer

    return HFTokenizer(str(folder), context_length=length)


def word_piece(folder: Path) -> Path:
    """As BERT has it: class and separator tokens around a text, and an unknown one."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    pad, unknown, start, end = names
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=start, sep_token=end
    )
    wrapped.save_pretrained(folder)
    return folder


def byte_level(folder: Path) -> Path:
    """As GPT-2 has it: one token for the start and the end, and none for padding."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    name = "<|endoftext|>"
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[name], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=name, eos_token=name)
    wrapped.save_pretrained(folder)
    return folder


def unigram(folder: Path) -> Path:
    """As T5 has it: an end, no start."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    names = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=names, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder)
    return folder


def only_the_file(folder: Path) -> Path:
    """A tokenizer.json and nothing beside it: no special token is named."""
    byte_level(folder)
    for path in folder.iterdir():
        if path.name != "tokenizer.json":
            path.unlink()
    return folder


MAKERS = {"word_piece": word_piece, "byte_level": byte_level, "unigram": unigram, "only_the_file": only_the_file}


def test_clip_has_the_ids_of_open_clips_own_tokenizer(both_clips):
    ours, simple = both_clips
    assert (ours.vocab_size, ours.start_id, ours.end_id, ours.pad_id) == (49408, 49406, 49407, 0)
    assert np.array_equal(ours.encode(TEXTS, 24), simple(TEXTS, 24).numpy())


@settings(deadline=None, max_examples=150)
@given(text=st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=24))
def test_clip_has_the_ids_of_open_clips_own_tokenizer_for_any_clean_caption(both_clips, text):
    caption = clean_caption(text)
    ours, simple = both_clips
    if "ς" in caption.lower():
        return  # Python's lower() writes a sigma at the end of a word as ς; the tokenizers library does not
    if simple.clean_fn(caption) != caption.lower():
        return  # ftfy mends more than our cleaning does, such as text that was decoded in the wrong character set
    assert np.array_equal(ours.encode([caption], 60), simple([caption]).numpy())


def test_a_caption_comes_back_from_clip(both_clips):
    tokenizer, _ = both_clips
    back = [tokenizer.decode(row) for row in tokenizer.encode(TEXTS[:4], 24)]
    assert back == ["a red cup", "a dog 's ball , 1 2 !? hello", "ein größerer hund — 犬", ""]


def test_an_exclamation_mark_inside_a_text_is_not_taken_for_padding(both_clips):
    """CLIP pads with 0, which is also the mark before other punctuation. A text encoder that leaves padded columns out must
    still see the end of such a text when it stands alone."""
    import torch

    from clip_pipeline.models.registry import build_model, load_config, with_tokenizer
    from clip_pipeline.training.model.encode import encode_captions

    tokenizer, _ = both_clips
    row = tokenizer.encode(["!¿"], 12)
    assert row[0, 1] == 0 and row[0, 3] == tokenizer.end_id
    torch.manual_seed(0)
    model = build_model(with_tokenizer(load_config("tiny_test"), tokenizer.vocab_size, 0, tokenizer.end_id)).eval()
    ids = torch.from_numpy(row).long()
    with torch.no_grad():
        assert torch.allclose(encode_captions(model, ids), model.encode_text(ids, normalize=True), atol=1e-6)


def test_transformers_gives_clips_ids_but_for_the_padding(clip_folder):
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(clip_folder), load_tokenizer(clip_folder)
    for text in TEXTS[:-1]:
        row = ours.encode([text], 24)[0]
        assert list(row[: int((row == ours.end_id).argmax()) + 1]) == theirs(text).input_ids


@pytest.mark.parametrize("maker", MAKERS)
def test_a_tokenizer_of_hugging_face_becomes_a_folder_of_the_same_shape(maker, corpus, tmp_path):
    source = MAKERS[maker](tmp_path / "source")
    train_tokenizer(corpus, TokenizerSettings(kind=str(source)), 24, tmp_path / "folder")
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    }
    ours = load_tokenizer(tmp_path / "folder")
    assert len({ours.pad_id, ours.start_id, ours.end_id}) == 3
    ids = ours.encode(TEXTS, 24)
    assert np.array_equal(ids, hf_tokenizer(tmp_path / "folder", 24)(TEXTS).numpy())
    assert (ids[:, 0] == ours.start_id).all()
    assert ((ids == ours.end_id).sum(axis=1) == 1).all(), "one end, also where the text is cut"
    assert ids.max() < ours.vocab_size
    assert ours.decode(ids[0]).strip() == "a red cup"


def test_its_own_special_tokens_are_used_and_only_missing_ones_added(corpus, tmp_path):
    train_tokenizer(corpus, TokenizerSettings(kind=str(word_piece(tmp_path / "bert"))), 24, tmp_path / "one")
    bert = load_tokenizer(tmp_path / "one")
    assert (bert.pad_id, bert.unknown_id, bert.start_id, bert.end_id) == (0, 1, 2, 3)
    train_tokenizer(corpus, TokenizerSettings(kind=str(byte_level(tmp_path / "gpt"))), 24, tmp_path / "two")
    gpt = load_tokenizer(tmp_path / "two")
    assert gpt.start_id == 0
    assert (gpt.pad_id, gpt.end_id) == (gpt.vocab_size - 2, gpt.vocab_size - 1)


@pytest.mark.parametrize("kind", ["clip", "word_piece", "byte_level"])
def test_what_a_caption_says_is_never_a_special_token(kind, corpus, clip_folder, tmp_path):
    folder = clip_folder
    if kind != "clip":
        folder = tmp_path / "folder"
        train_tokenizer(corpus, TokenizerSettings(kind=str(MAKERS[kind](tmp_path / "source"))), 24, folder)
    tokenizer = load_tokenizer(folder)
    row = tokenizer.encode(["cup <end_of_text> [SEP] [EOS] <|endoftext|> [CLS] cup"], 60)[0]
    assert (row == tokenizer.end_id).sum() == (row == tokenizer.start_id).sum() == 1
    assert row.tolist().index(tokenizer.end_id) > 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clip", *MAKERS])
def test_a_model_reads_its_texts_at_their_end_in_training_and_in_open_clip(kind, corpus, clip_folder, tmp_path):
    """The whole way: tokenizer folder → configuration → model folder → `load`, and the training's own text path."""
    import torch

    import clip_pipeline
    from clip_pipeline.models.folder import save_model_folder
    from clip_pipeline.models.preprocessing import preprocess_config
    from clip_pipeline.models.registry import build_model, load_config, with_tokenizer
    from clip_pipeline.training.model.encode import encode_captions

    folder = clip_folder
    if kind != "clip":
        folder = tmp_path / "folder"
        train_tokenizer(corpus, TokenizerSettings(kind=str(MAKERS[kind](tmp_path / "source"))), 24, folder)
    tokenizer = load_tokenizer(folder)
    config = load_config("tiny_test")
    config["text_cfg"]["context_length"] = 24
    config = with_tokenizer(config, tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id, tokenizer.context_length)
    assert config["text_cfg"]["vocab_size"] == tokenizer.vocab_size
    torch.manual_seed(0)
    save_model_folder(build_model(config), config, preprocess_config(config), folder, tmp_path / "model")
    model, _, published = clip_pipeline.load(tmp_path / "model")
    texts = ["a red cup", "a blue ball in the grass", "!!", "hello " * 40]
    ids = torch.from_numpy(tokenizer.encode(texts, 24)).long()
    with torch.no_grad():
        theirs = model.encode_text(published(texts), normalize=True)
        assert torch.allclose(theirs, encode_captions(model, ids), atol=1e-5)
        for row, features in zip(ids, theirs, strict=True):
            end = int((row == tokenizer.end_id).int().argmax())
            row[end + 1 :] = 9  # padding is never read
            assert torch.allclose(features, encode_captions(model, row[None])[0], atol=1e-5)
            row[end - 1] = 11 if row[end - 1] == 12 else 12  # the last token of the text is
            assert not torch.allclose(features, encode_captions(model, row[None])[0], atol=1e-4)


@pytest.mark.slow
def test_a_name_without_a_network_gets_a_sentence(corpus, tmp_path):
    """In a process of its own: Hugging Face's library reads its setting once."""
    code = """
import sys
from pathlib import Path
from clip_pipeline.errors import ModelError
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline_tests.made.tokenizers import train_tokenizer
try:
    train_tokenizer(Path(sys.argv[1]), TokenizerSettings(kind="some-people/some-tokenizer"), 24, Path(sys.argv[2]))
except ModelError as error:
    print(error)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, str(corpus), str(tmp_path / "folder")]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert 'tokenizer.kind is "some-people/some-tokenizer"' in result.stdout, result.stderr
    assert "neither bpe nor clip nor a folder here" in result.stdout
    assert "set tokenizer.kind to the folder" in result.stdout


def test_a_name_without_a_network_is_a_sentence_without_a_single_try(corpus, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("clip_pipeline.sources.hub.is_reachable", lambda address: False)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits before it tries again"))
    with pytest.raises(ModelError, match="Hugging Face's tokenizer of that name cannot be had"):
        train_tokenizer(corpus, TokenizerSettings(kind="some-people/some-tokenizer"), 24, tmp_path / "folder")


def test_a_folder_without_a_tokenizer_gets_a_sentence(corpus, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="transformers cannot read the tokenizer in .*empty.*Expected tokenizer.json"):
        train_tokenizer(corpus, TokenizerSettings(kind=str(tmp_path / "empty")), 24, tmp_path / "folder")
