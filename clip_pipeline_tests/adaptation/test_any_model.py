"""Adapting anybody's model: the photos that all trials share are what open_clip's own preprocessing makes of them, in any shape."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from clip_pipeline.adaptation.data import open_data
from clip_pipeline.adaptation.preparation import prepare_data
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.adaptation.trials import run_trial
from clip_pipeline.errors import ModelError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.models.folder import open_model
from clip_pipeline_tests.adaptation.conftest import COMPUTE, EVALUATION
from clip_pipeline_tests.made.model_forms import CLIPS, FORMS, changed, safetensors, write_folder


@pytest.mark.parametrize(
    "form", ["wider than high", "higher than wide and cropped", "bilinear and filled", "half precision"]
)
def test_a_model_of_any_shape_is_adapted_on_what_it_sees(form, photos, settings, tmp_path):
    name = FORMS[form](tmp_path / "theirs")
    wanted = replace(settings, out_of_domain="", fractions="100", seeds=1)
    (tmp_path / "data").mkdir()
    prepare_data(name, open_dataset(photos / "colours"), None, wanted, COMPUTE, tmp_path / "data")
    data = open_data(tmp_path / "data")
    model, preprocess, _ = open_model(name)
    one = int(data.rows("test")[3])
    (photo,) = (photos / "colours").glob(f"test/**/{data.ids[one].rpartition('/')[2].removesuffix('.png')}.png")
    with torch.no_grad():
        vector = model.encode_image(preprocess(Image.open(photo))[None], normalize=True).numpy()[0]
    assert np.abs(vector - data.embeddings[one]).max() < 3e-4, "they are stored in half precision"
    context = TrialContext.open(name, data, wanted, EVALUATION, COMPUTE)
    run_trial(context, Trial("full", 100.0, 0), tmp_path / "trial")
    assert json.loads((tmp_path / "trial/trial.json").read_text())["scores"]


def test_an_image_encoder_that_gives_tokens_too_is_a_sentence(photos, settings, tmp_path):
    from open_clip.coca_model import CoCa

    text = {"embed_cls": True, "output_tokens": True}
    vision = {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    decoder = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
    config = changed(text, vision, multimodal_cfg=decoder)
    folder = write_folder(tmp_path / "theirs", changed(), CLIPS, safetensors)
    safetensors({name: tensor.contiguous().clone() for name, tensor in CoCa(**config).state_dict().items()}, folder)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config | {"custom_text": True}}))
    with pytest.raises(ModelError, match="gives the tokens beside the image's vector, as CoCa's does"):
        prepare_data(folder, open_dataset(photos / "colours"), None, settings, COMPUTE, tmp_path)
