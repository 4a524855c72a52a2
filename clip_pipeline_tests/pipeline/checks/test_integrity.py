"""What the check of a trained model says."""

from __future__ import annotations

import io
import json
import shutil
from math import log

import pyarrow.parquet as pq
import pytest

from clip_pipeline.pipeline.checks.integrity import model_learnt
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.checked_json import checked_text


def judged(tiny_data, folder, **facts):
    """What the check says of the tiny run's model with other facts in its manifest."""
    data, model = folder / "data", "training/clip_checkpoint/tiny_test"
    shutil.copytree(tiny_data / model, data / model)
    (path,) = data.rglob("clip_checkpoint/tiny_test/manifest.json")
    manifest = json.loads(path.read_text())
    manifest["facts"] |= facts
    manifest.pop("checksum", None)
    path.write_text(checked_text(manifest))
    with Workspace(data, find_recipe("tiny")) as workspace:
        return model_learnt(workspace, "tiny_test")


@pytest.mark.parametrize(
    ("trained", "validation", "passed"),
    [
        (2.0, 2.5, True),
        (3.46, 3.46, True),
        (3.47, 2.5, False),
        (2.0, 3.47, False),
        (2.0, None, True),
        (3.5, None, False),
    ],
)
def test_a_model_is_measured_against_guessing_which_gives_ln_32_nats(tiny_data, tmp_path, trained, validation, passed):
    outcome = judged(tiny_data, tmp_path, final_train_loss=trained, final_validation_loss=validation, warnings=[])
    assert outcome.passed is passed
    assert outcome.numbers["guessing"] == pytest.approx(log(32), abs=1e-5)
    assert "guessing gives 3.466" in outcome.found


def test_the_validation_loss_that_is_judged_is_open_clips_own_of_the_stored_model_and_photos(tiny_data):
    """Photos from the tars through open_clip's preprocessing, its ClipLoss over the validation split in one batch."""
    import torch
    from open_clip.loss import ClipLoss
    from PIL import Image

    import clip_pipeline
    from clip_pipeline.models.registry import context_length_of
    from clip_pipeline.pipeline.partitions import shard_keys
    from clip_pipeline.sources.photos.formats.tar_index import read_photos
    from clip_pipeline.text.tokenizer import load_tokenizer
    from clip_pipeline.training.data.batches import validation_pairs
    from clip_pipeline.training.data.pairs import read_split
    from clip_pipeline.training.options import architecture_of

    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        settings = workspace.recipe.training
        checkpoint = workspace.get("clip_checkpoint", "tiny_test")
        pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"))
        tars = [workspace.get("image_shards", key).file(f"{key}.tar") for key in shard_keys(workspace)]
        judged = model_learnt(workspace, "tiny_test").numbers["validation"]
    model, preprocess, _ = clip_pipeline.load(checkpoint.folder)
    split = read_split(pairs, "validation")
    table = split.table(load_tokenizer(checkpoint.folder), context_length_of(architecture_of(settings)))
    ((rows, captions),) = validation_pairs(table, settings.batch_size, settings.seed)
    id_of = dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True))
    photos = dict(read_photos(tars, id_of))
    images = [preprocess(Image.open(io.BytesIO(photos[split.photo_ids[row]])).convert("RGB")) for row in rows]
    with torch.no_grad():
        tokens = torch.from_numpy(table.tokens[captions]).long()
        vectors = model.encode_image(torch.stack(images), normalize=True), model.encode_text(tokens, normalize=True)
        reference = ClipLoss()(*vectors, model.logit_scale.exp())
    assert judged == pytest.approx(float(reference), abs=0.01)


def test_a_model_that_only_guesses_and_its_warnings_are_told(tiny_data, tmp_path):
    outcome = judged(tiny_data, tmp_path, final_validation_loss=3.5)
    assert not outcome.passed
    assert "of the captions are longer than the 12 tokens" in outcome.found, "the test's model reads few tokens"
