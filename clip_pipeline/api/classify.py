"""Which of some labels fits a photo best, and how long the answer takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from clip_pipeline.errors import DatasetError, PhotosError, SettingsError
from clip_pipeline.evaluation.class_vector_cache import vectors_of_classes
from clip_pipeline.evaluation.single_photo import SinglePhotos
from clip_pipeline.machine.device import choose_device
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.models.folder import check_model
from clip_pipeline.pixels.decode import decode
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.storage.published import published_file

LABELS_AS_THEY_ARE = ("{c}",)
MAX_DRAWN = 12


@dataclass(frozen=True)
class Classified:
    """path: the photo. ranked: (label, probability) from likeliest to least; the probabilities sum to 1.

    prepare_ms, image_ms: for decoding and preprocessing this photo, and for the image encoder. text_ms: for all prompts, which
    is done once for all photos. prompts: how many. remembered: whether they were encoded by an earlier call.
    """

    path: Path
    ranked: list[tuple[str, float]]
    prepare_ms: float
    image_ms: float
    text_ms: float
    prompts: int = 0
    remembered: bool = False


def classify(
    model: str | Path,
    images: str | Path | Sequence[str | Path],
    labels: Sequence[str] | None = None,
    *,
    labels_file: str | Path = "",
    dataset: str = "",
    templates: str | Sequence[str] = "",
    device: str = DEFAULTS.compute.device,
    progress: bool = False,
) -> list[Classified]:
    """Which label fits each photo best: softmax over the labels of logit scale × cosine (Radford et al. 2021), one result a photo.

    model: a folder, or a name as `load` takes it. images: one photo or several; they go through the model one at a time. labels:
    what to choose from; or labels_file: a file with one a line; or dataset: its classes and prompts instead. templates: prompts with `{c}`
    or `{}` where the label goes, or names of sets (cifar18, imagenet80) with commas between; by default the label itself is the prompt, or
    the dataset's prompts are taken. Of 500 prompts or more the vectors are kept in the user's cache.
    device: of compute.device. Times are those of a warm model: the first photo is answered once before. Raises SettingsError
    for more or less than one of labels, labels_file and dataset and a template without a place for the label, DatasetError for fewer than two labels or a repeated one, PhotosError for a path
    that is no photo, ModelError.
    """
    labels, prompts = _labels_and_prompts(labels, labels_file, dataset, templates)
    check_model(model)
    images = [images] if isinstance(images, str | Path) else images
    with shown_progress(progress):
        return _classify(model, [Path(path) for path in images], labels, prompts, device)


def _labels_and_prompts(
    labels: Sequence[str] | None, labels_file: str | Path, dataset: str, templates: str | Sequence[str]
) -> tuple[list[str], Sequence[str]]:
    from clip_pipeline.evaluation.datasets.classes import classes_of
    from clip_pipeline.evaluation.labels import chosen_templates, read_labels

    if sum((labels is not None, bool(labels_file), bool(dataset))) != 1:
        raise SettingsError(
            'Give either labels, as in --labels "a dog, a cat", or a file of them with --labels-file, or a dataset, as in --dataset '
            "cifar10."
        )
    if dataset:
        names, own = classes_of(dataset)
    else:
        names, own = list(labels) if labels is not None else read_labels(Path(labels_file)), LABELS_AS_THEY_ARE
    return names, chosen_templates(templates, own)


def _classify(
    model: str | Path, paths: Sequence[Path], labels: Sequence[str], templates: Sequence[str], device: str
) -> list[Classified]:
    from clip_pipeline.models.folder import open_model

    if len(set(labels)) < 2 or len(set(labels)) != len(labels):
        raise DatasetError(
            f"Different labels: {len(set(labels))} of {len(labels)} ({', '.join(labels[:10]) or 'none'}). "
            'Give at least two different labels, as in --labels "a dog, a cat".'
        )
    contents = [(path, _read_photo(path)) for path in paths]
    device = choose_device(device)
    loaded, preprocess, tokenizer = open_model(model, device)
    begun = perf_counter()
    classes_CD, prompts, remembered = vectors_of_classes(model, loaded, tokenizer, labels, templates, device)
    text_ms = _milliseconds(begun)
    logit_scale = float(loaded.get_parameter("logit_scale").detach().exp())
    photos = SinglePhotos(loaded, preprocess, tokenizer, device)
    for path, content in contents[:1]:
        photos.embed(photos.prepare(content, str(path)))
    results = []
    for path, content in contents:
        begun = perf_counter()
        pixels = photos.prepare(content, str(path))
        prepare_ms, begun = _milliseconds(begun), perf_counter()
        image_D = photos.embed(pixels)
        image_ms = _milliseconds(begun)
        results.append(
            Classified(
                path,
                _ranked(labels, logit_scale * (classes_CD @ image_D)),
                *(prepare_ms, image_ms, text_ms),
                prompts,
                remembered,
            )
        )
    return results


def _milliseconds(begun: float) -> float:
    return (perf_counter() - begun) * 1000


def _read_photo(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotosError(f"{path} cannot be read: {error.strerror}. Give the path of a photo.") from error


def _ranked(labels: Sequence[str], logits_C: np.ndarray) -> list[tuple[str, float]]:
    weights_C = np.exp(logits_C - logits_C.max())
    probabilities_C = weights_C / weights_C.sum()
    return [(labels[c], float(probabilities_C[c])) for c in np.argsort(-probabilities_C, kind="stable")]


def draw_classified(results: Sequence[Classified], output: str | Path, top: int = 5) -> None:
    """A figure (PNG): each photo beside bars of its likeliest labels. 12 photos at most are drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from clip_pipeline.evaluation.report.figures import COLOURS, INK, QUIET, save_figure

    shown = results[:MAX_DRAWN]
    top = min(top, len(shown[0].ranked))
    figure, axes = plt.subplots(
        len(shown),
        2,
        figsize=(8.2, 2.5 * len(shown)),
        width_ratios=(1, 1.6),
        squeeze=False,
        dpi=110,
        layout="constrained",
    )
    for (image, bars), result in zip(axes, shown, strict=True):
        image.imshow(decode(result.path.read_bytes()).rows_HW3)
        image.set_axis_off()
        names, values = zip(*result.ranked[:top], strict=True)
        colours = [COLOURS[0], *[QUIET] * (top - 1)]
        bars.barh([place + 0.15 for place in range(top)], values, color=colours, height=0.36)
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            bars.text(0, place - 0.06, name, va="bottom", fontsize=9, color=INK)
            bars.text(value + 0.01, place + 0.15, f"{value:.1%}", va="center", fontsize=9, color=INK)
        bars.set(xlim=(0, 1.15), ylim=(top - 0.5, -0.85), xticks=[], yticks=[])
        bars.set_frame_on(False)
        took = f"{result.prepare_ms:.1f} ms to prepare, {result.image_ms:.1f} ms in the model"
        bars.set_title(f"{result.path.name}   ({took})", loc="left", fontsize=8.5, color=QUIET)
    with published_file(output) as path:
        save_figure(figure, path)
