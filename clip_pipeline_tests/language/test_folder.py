"""Language models as folders: written the same, read back whole, refused where something is wrong."""

from __future__ import annotations

import json

import pytest
import torch

from clip_pipeline.errors import ModelError
from clip_pipeline.language.folder import load_language_model, save_language_model
from clip_pipeline.language.model import KINDS, ModelForm, build_model


def saved(folder, kind: str = "router") -> torch.nn.Module:
    torch.manual_seed(0)
    form = ModelForm(kind, 3.0, (1, 1, 1), 16, 2)
    model = build_model(form).eval()
    save_language_model(model, form, folder)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_answers_as_what_was_written(kind, tmp_path):
    model = saved(tmp_path, kind)
    again, form = load_language_model(tmp_path, kind)
    tokens = torch.arange(20)[None]
    assert form.kind == kind and form.layers == (1, 1, 1) and not again.training
    assert torch.equal(again(tokens).logits_BLV, model(tokens).logits_BLV)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save_language_model(again, form, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_model_of_another_kind_is_refused(tmp_path):
    saved(tmp_path, "gumbel")
    with pytest.raises(ModelError, match="with gumbel pooling, and one with whitespace pooling was expected"):
        load_language_model(tmp_path, "whitespace")


def test_what_is_damaged_or_missing_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(ModelError, match="is no language model: it has no language_model.json"):
        load_language_model(tmp_path)
    saved(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "language_model.json"
    whole, described = weights.read_bytes(), json.loads(config.read_text())
    weights.write_bytes(whole[:-4] + bytes(255 - byte for byte in whole[-4:]))
    with pytest.raises(ModelError, match="checksum does not match"):
        load_language_model(tmp_path)
    weights.write_bytes(whole[:-4])
    with pytest.raises(ModelError, match="is cut"):
        load_language_model(tmp_path)
    weights.write_bytes(whole)
    config.write_text(json.dumps(described | {"form": described["form"] | {"width": 32}}))
    with pytest.raises(ModelError, match="are not those of the form"):
        load_language_model(tmp_path)
    for broken in ("{", "[]", "{}", json.dumps(described | {"form": {"kind": "words", "layers": [1, 1, 1]}})):
        config.write_text(broken)
        with pytest.raises(ModelError, match="does not describe a language model of this version"):
            load_language_model(tmp_path)
    weights.unlink()
    config.write_text(json.dumps(described))
    with pytest.raises(ModelError, match="has no model.safetensors"):
        load_language_model(tmp_path)
