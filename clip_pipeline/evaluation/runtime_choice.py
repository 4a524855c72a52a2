"""Which runtime embeds the photos with a model: measured on the user's own photos, scored on a benchmark."""

from __future__ import annotations

import json
import logging
import platform
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.embedding.runtimes.choice import MEASURING, Choice, Measuring, choose_runtime
from clip_pipeline.embedding.runtimes.runtime import AUTO, REFERENCE
from clip_pipeline.models.identity import hash_model_files
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline.storage.cache import cached_folder, user_cache
from clip_pipeline.storage.disk import hash_json

if TYPE_CHECKING:
    from clip_pipeline.embedding.dataset import MakeRuntime
    from clip_pipeline.embedding.runtimes.agreement import Benchmark
    from clip_pipeline.embedding.runtimes.runtime import Runtime
    from clip_pipeline.evaluation.datasets import Dataset

logger = logging.getLogger(__name__)

KEPT_CHOICES = 64
CHOICE_FILE = "runtime.json"

Photos = Iterable[tuple[str, Callable[[], Any]]]
"""(id, what reads the photo) of photos of the user's own."""


def needs_measuring(settings: EmbeddingSettings, photos: int | None) -> bool:
    """Whether another runtime than fp32 is wanted, and not for a handful of photos. photos: how many, None for unknown."""
    if settings.runtime == AUTO:
        return photos is None or photos >= settings.min_photos
    return settings.runtime != REFERENCE


def measured_choice(
    model: str | Path,
    photos: Photos,
    count: int | None,
    dataset: Callable[[], Dataset],
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    cache: Path,
    work: Path,
    measuring: Measuring = MEASURING,
) -> Choice:
    """Measures the runtimes for a model and chooses.

    model: as of `open_model`. count: of the photos, None for unknown. dataset: the labelled one that top-1 is of. cache: exported graphs are kept below it.
    work: a folder for the decoded pixels, which are removed. Raises what `choose_runtime` raises.
    """
    from clip_pipeline.embedding.ready_pixels import ready_pixels
    from clip_pipeline.embedding.runtimes.runtime import Place
    from clip_pipeline.machine.device import choose_device, use_threads
    from clip_pipeline.models.folder import open_model

    place = Place(choose_device(compute.device), compute.threads, cache)
    use_threads(compute.threads)
    clip, preprocess, tokenizer = open_model(model, place.device)
    some = spread(photos, count, measuring.photos)
    with tempfile.TemporaryDirectory(prefix="pixels_", dir=work) as scratch:
        images = ((photo_id, read()) for photo_id, read in some)
        pixels = ready_pixels(clip, preprocess, images, len(some), Path(scratch, "photos.npy"))

        def benchmark() -> Benchmark:
            labelled, path = measuring.labelled_photos, Path(scratch, "labelled.npy")
            return _benchmark(clip, preprocess, tokenizer, dataset(), labelled, place.device, path)

        return choose_runtime(clip, pixels, benchmark, place, settings.runtime, measuring)


def _benchmark(
    clip: Any, preprocess: Any, tokenizer: Any, dataset: Dataset, photos: int, device: str, path: Path
) -> Benchmark:
    """At most so many of the labelled photos, and the classes' vectors by the text encoder."""
    from clip_pipeline.embedding.encode import embed_texts
    from clip_pipeline.embedding.ready_pixels import ready_pixels
    from clip_pipeline.embedding.runtimes.agreement import Benchmark
    from clip_pipeline.evaluation.zero_shot import class_vectors

    truth, prompts = dataset.truth(), dataset.texts()
    rows = spread_rows(len(dataset.ids), photos)
    images = ((dataset.ids[row], dataset.read(row)) for row in rows)
    pixels = ready_pixels(clip, preprocess, images, len(rows), path)
    label_of = dict(zip(truth.ids, truth.labels, strict=True))
    prompts_PD = embed_texts(clip, tokenizer, prompts["text"].to_pylist(), device=device)
    classes_CD = class_vectors(prompts_PD, prompts["class_index"].to_pylist(), len(truth.class_names))
    return Benchmark(dataset.name, pixels, [label_of[photo_id] for photo_id in pixels.ids], classes_CD)


def spread_rows(count: int, most: int) -> list[int]:
    """At most `most` of the rows below `count`, evenly spread: photos that lie together are alike."""
    return list(range(count)) if count <= most else [row * count // most for row in range(most)]


def spread(photos: Photos, count: int | None, most: int) -> list[tuple[str, Callable[[], Any]]]:
    """At most `most` of the photos, evenly spread; the first ones where nobody knows how many there are."""
    if count is None:
        return list(islice(photos, most))
    rows = set(spread_rows(count, most))
    return [photo for row, photo in enumerate(photos) if row in rows]


def runtime_maker(name: str, compute: ComputeSettings, cache: Path | None = None) -> Callable[[Any, str], Runtime]:
    """(model, device) -> the runtime of that name; exported graphs lie below `cache`, in the user's cache where it is None."""
    from clip_pipeline.embedding.runtimes.registry import make_runtime
    from clip_pipeline.embedding.runtimes.runtime import Place

    return lambda model, device: make_runtime(name, model, Place(device, compute.threads, cache or user_cache()))


def built_in_dataset() -> Dataset:
    """Scikit-learn's handwritten digits, for runs without a labelled dataset of their own."""
    from clip_pipeline.evaluation.datasets import open_dataset

    return open_dataset("digits")


def runtime_for_command(
    model: str | Path,
    photos: Photos,
    count: int | None,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    cache: Path | None = None,
    measuring: Measuring = MEASURING,
) -> str:
    """The name of the runtime for a command without a data folder; fp32 for a handful of photos."""
    if not needs_measuring(settings, count):
        return REFERENCE
    return choice_for_command(model, photos, count, settings, compute, cache or user_cache(), measuring)["runtime"]


def runtime_for_dataset(
    model: str | Path, dataset: Dataset, settings: EmbeddingSettings, compute: ComputeSettings
) -> MakeRuntime | None:
    """What makes the runtime that the settings want for the photos of a dataset; None for plain fp32."""
    if settings.runtime == REFERENCE:
        return None
    photos = ((photo_id, partial(dataset.read, row)) for row, photo_id in enumerate(dataset.ids))
    return runtime_maker(runtime_for_command(model, photos, len(dataset.ids), settings, compute), compute)


def choice_for_command(
    model: str | Path,
    photos: Photos,
    count: int | None,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    cache: Path,
    measuring: Measuring = MEASURING,
) -> dict[str, Any]:
    """{"runtime": name, "measured": rows}: measured when the model is first used on this machine, and remembered."""
    from clip_pipeline.machine.device import choose_device

    machine = [platform.node(), platform.machine(), choose_device(compute.device), compute.threads]

    def build(folder: Path) -> None:
        choice = measured_choice(model, photos, count, built_in_dataset, settings, compute, cache, folder, measuring)
        (folder / CHOICE_FILE).write_text(
            json.dumps({"runtime": choice.runtime, "measured": choice.as_rows()}, indent=1)
        )

    identity = hash_json([hash_model_files(model), settings.runtime, machine, candidates(), _versions()])
    folder = cached_folder(cache, "runtimes", identity, build, KEPT_CHOICES)
    return json.loads((folder / CHOICE_FILE).read_text())


def candidates() -> list[str]:
    """What there is to choose from: all runtimes, and the version of the graphs that they run. Another list is measured anew."""
    from clip_pipeline.embedding.runtimes.onnx_graph import EXPORT_VERSION
    from clip_pipeline.embedding.runtimes.registry import RUNTIMES

    return [*RUNTIMES, EXPORT_VERSION]


def _versions() -> dict[str, str]:
    """Of the packages that runtimes are made of: a new one is measured again."""
    import importlib.metadata
    import importlib.util

    packages = [name for name in ("torch", "onnxruntime", "openvino") if importlib.util.find_spec(name)]
    return {name: importlib.metadata.version(name) for name in packages}
