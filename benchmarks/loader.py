"""Photos a second and memory of our two ways to load pairs, beside three others, on the same shards in one run.

    python benchmarks/loader.py                      128 px to 112, 256 px to 224; five loaders in turn, three rounds each
    python benchmarks/loader.py --sets 256 --stages  what one photo costs us, step by step

cached      images decoded once (its time is said), then `Loader`
streamed    `Loader` straight from the tars
open_clip   get_wds_dataset of open_clip_train 3.3 with its own training preprocess and tokenizer, two workers; webdataset
            0.2.86, which it needs, lies aside in --environments
whole_shard our small re-implementation of a known tinkering project's loader: a shard is read whole and decoded by threads into
            one float32 tensor, the next one meanwhile into a second; the order is that of the shards
plain_wds   our re-implementation of its other loader: webdataset's stream, Pillow, ToTensor, two workers, no shuffling
All give batches of 256, cropped at random (area 0.9 to 1), with captions as tokens; ours are normalised to float32 as well, as
those of open_clip are. The tinkering loaders crop, which the originals do not; their tokens are made by the fastest tokenizer.
Photos are those of the real sets in --data; a run begins with eight batches that do not count and then lasts --seconds at least.
Memory is the largest sum of the proportional set sizes (PSS) of a loader's processes, its start included, five times a second.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from download import cpu_of, process_family, tree_pss
from open_clip_trainer import install_webdataset
from train import parse_captions

HERE = Path(__file__).resolve()
DATA = HERE.parents[2] / "shared" / "data"
BATCH, CONTEXT, WARM_UP = 256, 77, 8
MIN_CROP = 0.9
OURS, THEIRS = ("cached", "streamed"), ("open_clip", "whole_shard", "plain_wds")
SETS = {128: 112, 256: 224}
"""Side of the stored photos: what the model sees."""
SHARDS = 8
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


# ---- the shards


def make_shards(side: int, count: int, data: Path, place: Path) -> Path:
    """A folder of webdataset tars (jpg, txt, json with the prompt) with `count` photos of side x side, made once."""
    from clip_pipeline.images.shards.tar import write_shard

    folder = place / f"loader_{side}px_{count}"
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    captions = _captions(data / "flickr8k_128.tar")
    photos = itertools.islice(_photos_128(data, captions) if side == 128 else _crops(side, data, captions), count)
    per_shard = -(-count // SHARDS)
    for shard in range(SHARDS):
        samples = []
        for number, (caption, content) in enumerate(itertools.islice(photos, per_shard), shard * per_shard):
            prompt = json.dumps({"prompt": caption}).encode()
            samples.append((f"{number:09d}", {"jpg": content, "txt": caption.encode(), "json": prompt}))
        write_shard(folder / f"{shard:05d}.tar", samples)
    (folder / "complete").touch()
    return folder


def _captions(tar_path: Path) -> dict[str, tuple[str, ...]]:
    """The captions of each photo of Flickr8k, by file name."""
    with tarfile.open(tar_path) as tar:
        file = tar.extractfile("flickr8k_128/text/Flickr8k.token.txt")
        assert file is not None
        return parse_captions(file.read().decode())


def _jpegs(tar_path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(tar_path) as tar:
        for entry in tar:
            if entry.name.endswith(".jpg"):
                file = tar.extractfile(entry)
                assert file is not None
                yield Path(entry.name).name, file.read()


def _photos_128(data: Path, captions: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, bytes]]:
    for name, content in _jpegs(data / "flickr8k_128.tar"):
        if name in captions:
            yield captions[name][0], content


def _crops(side: int, data: Path, captions: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, bytes]]:
    """Squares cut from the originals, each another one."""
    from PIL import Image

    chance = random.Random(0)
    originals = list(_jpegs(data / "flickr8k_orig_1000.tar"))
    for turn in itertools.count():
        for name, content in originals:
            with Image.open(io.BytesIO(content)) as photo:
                cut = round(min(photo.size) * chance.uniform(0.7, 1.0))
                left, top = chance.randint(0, photo.width - cut), chance.randint(0, photo.height - cut)
                square = photo.convert("RGB").crop((left, top, left + cut, top + cut))
            square = square.resize((side, side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            square.save(buffer, "JPEG", quality=90)
            own = captions.get(name, (f"photo {name}",))
            yield own[turn % len(own)], buffer.getvalue()


def sample_texts(folder: Path) -> list[tuple[str, str, str]]:
    """(shard, key, caption) of all samples."""
    from clip_pipeline.sources.photos.formats.tar_index import read_shard

    tars = sorted(folder.glob("*.tar"))
    return [(tar.stem, key, members["txt"].decode()) for tar in tars for key, members in read_shard(tar)]


# ---- ours


def our_batches(cached: bool, folder: Path, side: int) -> Iterator[Any]:
    import numpy as np
    import torch

    from clip_pipeline.pixels.normalise import normalised_images
    from clip_pipeline.training.data.augmentation import Augmentation
    from clip_pipeline.training.data.batches import Batches, CaptionTable
    from clip_pipeline.training.data.decoded_images import ImageSource, StoredImages
    from clip_pipeline.training.data.loader import Loader
    from clip_pipeline.training.data.pair_reader import PairReader
    from clip_pipeline.training.data.shard_images import ShardPhotos, StreamedImages

    samples = sample_texts(folder)
    keys = [key for _, key, _ in samples]
    wanted = stored_format(side)
    source: ImageSource
    if cached:
        source = StoredImages(folder / "stored", keys, wanted)
    else:
        tars = {path.stem: path for path in folder.glob("*.tar")}
        source = StreamedImages(ShardPhotos(tars, {key: (shard, key) for shard, key, _ in samples}), keys, wanted)
    tokens = fast_tokens([caption for *_, caption in samples])
    _fast_tokenizer.cache_clear()  # all captions are tokens now
    _, texts = np.unique([caption for *_, caption in samples], return_inverse=True)
    table = CaptionTable(np.arange(len(samples) + 1), texts, tokens)
    batches = Batches(table, BATCH, 0)
    steps = 1_000_000_000
    reader, augmentation = (
        PairReader(source, table, (SETS[side], SETS[side]), workers=0),
        Augmentation(crop_scale=MIN_CROP),
    )
    with Loader(reader, batches, steps, augmentation=augmentation) as loader:
        for step in range(steps):
            batch = loader.batch(step)
            tokens = torch.from_numpy(table.tokens[batch.captions[:, 0]]).long()
            yield normalised_images(batch.images, MEAN, STD), tokens


def stored_format(side: int) -> Any:
    from clip_pipeline.training.data.image_format import ImageFormat

    return ImageFormat(side, "shortest")


def store(folder: Path, side: int) -> float:
    """Decodes the images once; returns the seconds."""
    from clip_pipeline.sources.photos.formats.tar_index import read_photos
    from clip_pipeline.training.data.decoded_images import store_images

    keys = [key for _, key, _ in sample_texts(folder)]
    (folder / "stored").mkdir(exist_ok=True)
    started = time.perf_counter()
    photos = read_photos(sorted(folder.glob("*.tar")), {key: key for key in keys})
    store_images(photos, keys, stored_format(side), folder / "stored")
    return time.perf_counter() - started


def fast_tokens(texts: list[str]) -> Any:
    """(N, 77) int32: CLIP's tokens by the library that is written in Rust."""
    import numpy as np

    tokenizer = _fast_tokenizer()
    tokens = np.empty((len(texts), CONTEXT), np.int32)
    for start in range(0, len(texts), BATCH):
        some = tokenizer.encode_batch_fast(texts[start : start + BATCH])
        tokens[start : start + len(some)] = [encoding.ids for encoding in some]
    return tokens


@functools.cache
def _fast_tokenizer() -> Any:
    from clip_pipeline.text.ready_tokenizers import clip_tokenizer

    tokenizer, _ = clip_tokenizer()
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(length=CONTEXT)
    return tokenizer


# ---- theirs


def open_clip_batches(folder: Path, side: int) -> Iterator[Any]:
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    import open_clip
    from open_clip.transform import AugmentationCfg, PreprocessCfg, image_transform_v2
    from open_clip_train.data import get_wds_dataset

    tars = sorted(folder.glob("*.tar"))
    options = argparse.Namespace(
        train_data=f"{folder}/{{{tars[0].stem}..{tars[-1].stem}}}.tar",
        train_num_samples=1_000_000_000,
        train_data_upsampling_factors=None,
        dataset_resampled=False,
        seed=0,
        batch_size=BATCH,
        workers=2,
        world_size=1,
    )
    preprocess = image_transform_v2(PreprocessCfg(size=SETS[side]), is_train=True, aug_cfg=AugmentationCfg())
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    return iter(get_wds_dataset(options, preprocess, is_train=True, tokenizer=tokenizer).dataloader)


def _their_transform(size: int) -> Any:
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from torchvision import transforms

    bicubic = transforms.InterpolationMode.BICUBIC
    crop = transforms.RandomResizedCrop(size, scale=(MIN_CROP, 1.0), interpolation=bicubic)
    return transforms.Compose([crop, transforms.ToTensor()])


def whole_shard_batches(folder: Path, side: int) -> Iterator[Any]:
    """Two float32 tensors of a whole shard each: one is given out in slices while threads fill the other."""
    from concurrent.futures import ThreadPoolExecutor

    import torch
    from PIL import Image

    transform, size = _their_transform(SETS[side]), SETS[side]
    tars = sorted(folder.glob("*.tar"))
    threads = min(max(1, (os.cpu_count() or 1) // 2), 32)

    def load(path: Path, images: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        with tarfile.open(path) as tar:
            contents = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]
        photos = [content for name, content in sorted(contents.items()) if name.endswith(".jpg")]
        texts = [json.loads(content)["prompt"] for name, content in sorted(contents.items()) if name.endswith(".json")]
        room = torch.empty(len(photos), 3, size, size) if images is None or len(images) != len(photos) else images

        def decode(place: int) -> None:
            room[place] = transform(Image.open(io.BytesIO(photos[place])).convert("RGB"))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(decode, range(len(photos))))
        return room, torch.from_numpy(fast_tokens(texts))

    with ThreadPoolExecutor(1) as ahead:
        free: torch.Tensor | None = None
        coming = ahead.submit(load, tars[0], None)
        for number in itertools.count(1):
            images, tokens = coming.result()
            coming = ahead.submit(load, tars[number % len(tars)], free)
            for start in range(0, len(images) - BATCH + 1, BATCH):
                yield images[start : start + BATCH], tokens[start : start + BATCH]
            free = images


def plain_wds_batches(folder: Path, side: int) -> Iterator[Any]:
    transform = _their_transform(SETS[side])
    import torch
    import webdataset as wds

    tokenizer = _fast_tokenizer()

    def tokens_of(about: dict[str, str]) -> torch.Tensor:
        return torch.tensor(tokenizer.encode(about["prompt"]).ids)

    data = wds.DataPipeline(
        wds.SimpleShardList([str(path) for path in sorted(folder.glob("*.tar"))]),
        wds.split_by_worker,
        wds.tarfile_to_samples(),
        wds.decode("pilrgb"),
        wds.to_tuple("jpg", "json"),
        wds.map_tuple(transform, tokens_of),
        wds.batched(BATCH, partial=False),
    ).with_epoch(1_000_000_000)
    return iter(wds.WebLoader(data, batch_size=None, num_workers=2))


# ---- measuring


def run(name: str, folder: Path, side: int, seconds: float) -> None:
    """Takes batches and prints photos a second, processor milliseconds a photo and seconds to the first batch, as JSON."""
    began = time.perf_counter()
    makers = {"open_clip": open_clip_batches, "whole_shard": whole_shard_batches, "plain_wds": plain_wds_batches}
    batches = makers[name](folder, side) if name in makers else our_batches(name == "cached", folder, side)
    images, tokens = next(batches)
    first = time.perf_counter() - began
    size = SETS[side]
    assert tuple(images.shape) == (BATCH, 3, size, size) and tuple(tokens.shape) == (BATCH, CONTEXT), images.shape
    del images, tokens
    for _ in range(WARM_UP - 1):
        next(batches)
    started, used, count = time.perf_counter(), _family_cpu(), 0
    while (elapsed := time.perf_counter() - started) < seconds or count < 4 * BATCH:
        next(batches)
        count += BATCH
    elapsed, used = time.perf_counter() - started, _family_cpu() - used
    print(json.dumps({"rate": count / elapsed, "cpu": 1000 * used / count, "first": first}), flush=True)
    os._exit(0)  # without waiting for workers that have more in store


def _family_cpu() -> float:
    return sum(cpu_of(process) for process in process_family(os.getpid()))


def measured_run(name: str, folder: Path, side: int, options: argparse.Namespace) -> dict[str, float]:
    """One loader in a process of its own, its memory watched."""
    command = [sys.executable, str(HERE), "--run", name, str(folder), str(side), "--seconds", str(options.seconds)]
    paths = [str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    if name not in OURS:
        paths.insert(0, str(install_webdataset(options.environments)))
    as_our_command = {"ARROW_DEFAULT_MEMORY_POOL": "system"} if name in OURS else {}  # set by cli.main
    environment = os.environ | as_our_command | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    peak, done = [0.0], threading.Event()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said)

        def watch() -> None:
            while not done.wait(0.2):
                peak.append(tree_pss(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output, _ = process.communicate()
        done.set()
        watcher.join()
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{name} failed:\n{said.read().decode()[-3000:]}")
    figures = json.loads(output) | {"memory": max(peak)}
    print(
        f"  {name:<12}{figures['rate']:>8.0f} photos/s {figures['cpu']:>6.2f} ms CPU a photo {figures['memory']:>6.0f} MB, "
        f"first batch after {figures['first']:.1f} s",
        flush=True,
    )
    return figures


def compare(side: int, options: argparse.Namespace) -> None:
    folder = make_shards(side, options.photos, options.data, options.environments)
    seconds = store(folder, side)
    print(
        f"{options.photos:,} photos of {side} px in {SHARDS} tars to {SETS[side]}, {len(os.sched_getaffinity(0))} cores; "
        f"decoding them once took {seconds:.1f} s"
    )
    names = [*OURS, *THEIRS] if not options.only else options.only
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            runs[name].append(measured_run(name, folder, side, options))
    report(runs)


def report(runs: dict[str, list[dict[str, float]]]) -> None:
    """Medians, and ours beside each of the others and beside the fastest of them."""
    medians = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]} for name, rounds in runs.items()
    }
    print("medians")
    for name, median in medians.items():
        print(f"  {name:<12}{median['rate']:>8.0f} photos/s {median['cpu']:>6.2f} ms {median['memory']:>6.0f} MB")
    others = [name for name in medians if name in THEIRS]
    if not others:
        return
    best = max(others, key=lambda name: medians[name]["rate"])
    for ours in (name for name in medians if name in OURS):
        for name in others:
            rate, memory = (medians[ours][key] / medians[name][key] for key in ("rate", "memory"))
            verdict = ""
            if name == best:
                verdict = f" (the fastest; wanted 2 and 0.5: {'met' if rate >= 2 and memory <= 0.5 else 'NOT met'})"
            print(f"{ours} / {name}: {rate:.2f} times the photos a second, {memory:.2f} times the memory{verdict}")


def stages(side: int, options: argparse.Namespace) -> None:
    """What the parts of one photo cost us on one core."""
    import numpy as np

    from clip_pipeline.pixels.normalise import normalised_images
    from clip_pipeline.training.data.augmentation import draw_augmentation
    from clip_pipeline.training.data.decoded_images import StoredImages
    from clip_pipeline.training.data.shard_images import ShardPhotos, StreamedImages

    folder = make_shards(side, options.photos, options.data, options.environments)
    store(folder, side)
    samples = sample_texts(folder)[:BATCH]
    keys = [key for _, key, _ in samples]
    tars = {path.stem: path for path in folder.glob("*.tar")}
    stored = StoredImages(folder / "stored", keys, stored_format(side))
    places = {key: (shard, key) for shard, key, _ in samples}
    streamed = StreamedImages(ShardPhotos(tars, places), keys, stored_format(side))
    augmentation = draw_augmentation(0, 0, BATCH, MIN_CROP)
    assert augmentation is not None
    images = np.empty((BATCH, side, side, 3), np.uint8)
    cropped = np.empty((BATCH, SETS[side], SETS[side], 3), np.uint8)
    parts = {
        "read a stored image": lambda row: stored.read_into(row, images[row]),
        "read and decode a photo": lambda row: streamed.read_into(row, images[row]),
        "crop and scale": lambda row: augmentation.apply(row, images[row], cropped[row]),
        "normalise to float32": lambda row: normalised_images(cropped[row : row + 1], MEAN, STD),
    }
    for name, part in parts.items():
        for row in range(BATCH):  # compiles, and touches the memory
            part(row)
        started = time.process_time()
        for row in range(BATCH):
            part(row)
        print(f"  {name:<26}{1000 * (time.process_time() - started) / BATCH:.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(tempfile.gettempdir()) / "clip_pipeline_benchmarks"
    parser.add_argument("--data", type=Path, default=DATA, help="folder of flickr8k_128.tar and flickr8k_orig_1000.tar")
    parser.add_argument("--environments", type=Path, default=cache, help="folder for the shards and for webdataset")
    parser.add_argument(
        "--sets", type=int, nargs="+", choices=list(SETS), default=list(SETS), help="side of the photos"
    )
    parser.add_argument("--photos", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="a run lasts at least so long after its warm-up")
    parser.add_argument("--only", nargs="+", choices=[*OURS, *THEIRS], help="only these loaders")
    parser.add_argument("--stages", action="store_true", help="only what one photo costs us, step by step")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        name, folder, side = options.run
        run(name, Path(folder), int(side), options.seconds)
        return
    if options.photos < SHARDS * BATCH:
        parser.error(f"--photos is {options.photos}, less than a batch of {BATCH} for each of {SHARDS} shards")
    for side in options.sets:
        (stages if options.stages else compare)(side, options)


if __name__ == "__main__":
    main()
