"""The gradient of a batch taken in chunks, against the same batch at once."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.model.freezing import training_mode
from clip_pipeline.training.model.initial_model import make_model, with_loss
from clip_pipeline.training.objective.bag_of_words_loss import make_word_head
from clip_pipeline.training.objective.grad_cache import GradCacheStep, RandomState, quiet_statistics
from clip_pipeline.training.options import initial_model_of, objective_of
from clip_pipeline_tests.made.warm_python import run_python

SETTINGS = TrainingSettings(model="tiny_test", batch_size=12, bag_of_words_loss=0.5)


def train_step_of(settings: TrainingSettings, layers: int = 1) -> GradCacheStep:
    """Of a model with random weights, as a training by those settings has it."""
    torch.manual_seed(0)
    config = load_config(settings.model)
    config["vision_cfg"]["layers"] = config["text_cfg"]["layers"] = layers
    initial = initial_model_of(settings)
    model = make_model(with_loss(config, settings.loss), initial, "cpu")
    training_mode(model, initial.frozen)
    weights = torch.ones(config["text_cfg"]["vocab_size"]).numpy()
    return GradCacheStep(
        model,
        make_word_head(config["embed_dim"], weights),
        objective_of(settings),
        "cpu",
        precision=settings.precision,
        chunk_size=settings.chunk_size,
        gradient_checkpointing=settings.gradient_checkpointing,
        frozen=initial.frozen,
    )


def random_batch(train_step: GradCacheStep, count: int = 12, captions: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and tokens of `captions` captions of each."""
    size, length = train_step.model.visual.image_size, train_step.model.context_length
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, 3, *(size if isinstance(size, tuple) else (size, size)), generator=generator)
    shape = (count, captions, length)
    tokens = torch.randint(1, 290, shape, generator=generator)
    tokens[..., -1] = 299
    return images, tokens


def gradients(train_step: GradCacheStep) -> dict[str, torch.Tensor]:
    parameters = {**dict(train_step.model.named_parameters()), **dict(train_step.word_head.named_parameters())}
    return {name: p.grad.clone() for name, p in parameters.items()}


def assert_equal_gradients(ours: dict, theirs: dict) -> None:
    assert set(ours) == set(theirs)
    for name, gradient in ours.items():
        assert torch.allclose(gradient, theirs[name], atol=1e-5, rtol=1e-5), name
    assert any(gradient.abs().max() > 1e-3 for gradient in ours.values())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize(("size", "captions"), [(1, 1), (4, 1), (5, 1), (5, 3)])
def test_the_gradient_in_chunks_is_that_of_the_whole_batch(loss, size, captions):
    settings = dataclasses.replace(SETTINGS, loss=loss)
    whole, chunked = train_step_of(settings), train_step_of(dataclasses.replace(settings, chunk_size=size))
    batch = random_batch(whole, captions=captions)
    assert chunked.backward(*batch) == pytest.approx(whole.backward(*batch), abs=1e-5)
    assert_equal_gradients(gradients(chunked), gradients(whole))


def test_the_loss_of_several_captions_is_the_mean_of_the_losses_of_one():
    train_step = train_step_of(SETTINGS)
    images, tokens = random_batch(train_step, captions=3)
    singles = [train_step.losses(*train_step.features(images, tokens[:, [k]]), tokens[:, [k]]) for k in range(3)]
    total, contrastive = train_step.losses(*train_step.features(images, tokens), tokens)
    assert contrastive == pytest.approx(sum(one for _, one in singles) / 3, abs=1e-5)
    assert total.item() == pytest.approx(sum(one.item() for one, _ in singles) / 3, rel=1e-5)


@pytest.mark.parametrize("chunk_size", [0, 4])
def test_words_that_the_text_encoder_does_not_see_are_guessed_all_the_same(chunk_size):
    settings = dataclasses.replace(SETTINGS, chunk_size=chunk_size)
    all_shown, some_shown = train_step_of(settings), train_step_of(settings)
    images, tokens = random_batch(all_shown)
    shown = tokens.masked_fill(tokens % 2 == 0, 0)
    assert all_shown.backward(images, tokens) != some_shown.backward(images, tokens, shown=shown)
    assert torch.equal(all_shown.word_head.weight.grad, some_shown.word_head.weight.grad)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_dropout_leaves_out_the_same_things_in_both_passages(loss):
    """Patches are left out at random; beside a graph of all chunks that is drawn once and kept."""
    settings = dataclasses.replace(SETTINGS, loss=loss, chunk_size=4, patch_dropout=0.5)
    chunked, plain = train_step_of(settings), train_step_of(settings)
    images, tokens = random_batch(plain)
    torch.manual_seed(5)
    parts = [plain.features(images[i : i + 4], tokens[i : i + 4]) for i in (0, 4, 8)]
    total, contrastive = plain.losses(*(torch.cat(part) for part in zip(*parts, strict=True)), tokens)
    total.backward()
    torch.manual_seed(5)
    assert chunked.backward(images, tokens) == pytest.approx(contrastive, abs=1e-5)
    assert_equal_gradients(gradients(chunked), gradients(plain))


def test_random_numbers_are_drawn_again():
    state = RandomState("cpu")
    drawn = torch.rand(3)
    state.restore()
    assert torch.equal(torch.rand(3), drawn)


def test_the_statistics_of_batch_norms_take_each_image_in_once():
    layer = torch.nn.BatchNorm1d(2)
    batch = torch.randn(6, 2)
    with quiet_statistics(layer):
        layer(batch)
    assert int(layer.num_batches_tracked) == 0 and torch.equal(layer.running_mean, torch.zeros(2))
    layer(batch)
    assert int(layer.num_batches_tracked) == 1 and layer.running_mean.abs().max() > 0


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_gradient_checkpointing_changes_no_gradient(loss):
    plain = train_step_of(dataclasses.replace(SETTINGS, loss=loss))
    checkpointed = train_step_of(dataclasses.replace(SETTINGS, loss=loss, gradient_checkpointing=True))
    assert (
        checkpointed.model.visual.transformer.grad_checkpointing and checkpointed.model.transformer.grad_checkpointing
    )
    batch = random_batch(plain)
    plain.backward(*batch), checkpointed.backward(*batch)
    assert_equal_gradients(gradients(checkpointed), gradients(plain))


@pytest.mark.slow
@pytest.mark.parametrize("chunk_size", [0, 3])
def test_gradient_checkpointing_shows_batch_norms_each_image_once(chunk_size):
    settings = dataclasses.replace(SETTINGS, model="laptop_small", chunk_size=chunk_size)
    plain, checkpointed = (
        train_step_of(settings),
        train_step_of(dataclasses.replace(settings, gradient_checkpointing=True)),
    )
    batch = random_batch(plain, 6)
    plain.backward(*batch), checkpointed.backward(*batch)
    ours, theirs = checkpointed.model.state_dict(), plain.model.state_dict()
    assert int(ours["visual.trunk.layer1.0.bn1.num_batches_tracked"]) == (2 if chunk_size else 1)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    assert_equal_gradients(gradients(checkpointed), gradients(plain))


MEASURED = """
import gc, json, pathlib, sys, torch
torch.set_num_threads(1)
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.reports.throughput import peak_memory_bytes
from clip_pipeline_tests.training.objective.test_grad_cache import train_step_of, random_batch
train_step = train_step_of(TrainingSettings(model="tiny_test", batch_size=1024, **json.loads(sys.argv[1])), layers=4)
batch = random_batch(train_step, 1024)
gc.collect()
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
before = peak_memory_bytes("cpu")
train_step.backward(*batch)
print(peak_memory_bytes("cpu") - before)
"""


@pytest.mark.slow
def test_chunks_and_checkpointing_need_less_memory_than_the_batch_at_once():
    """A reference's accumulation kept the graph of the whole batch. One process a case, since freed memory stays with it."""

    def added_bytes(**changes) -> int:
        said = run_python(["-c", MEASURED, json.dumps(changes)])
        assert said.returncode == 0, said.stderr
        return int(said.stdout)

    at_once = added_bytes()
    assert at_once > 100e6
    assert added_bytes(chunk_size=64) < 0.5 * at_once
    assert added_bytes(gradient_checkpointing=True) < 0.95 * at_once  # 0.70 to 0.85 was seen
