"""JPEG photos to vectors: ours beside the plain loop, beside the chosen runtime alone, and beside clip-retrieval, in one run.

    python benchmarks/embed.py                        three rounds in turn; about a quarter of an hour on two quiet cores
    python benchmarks/embed.py --photos 256 --rounds 1 --only plain ours alone
    python benchmarks/embed.py --peer-environment F   clip-retrieval too, in an environment of its own, made in F
    python benchmarks/embed.py --growth               memory from 1,000 to 50,000 photos instead

plain           Pillow, open_clip's preprocess, batches of 32, fp32, eager, vectors to unit length
ours            what `clip-pipeline embed` does: decoding, the runtime that was chosen for the model, blocks on the disk
alone           that runtime on pixels that lie ready
clip_retrieval  clip_inference of 2.45, webdataset input, its own defaults but for the number of its loading processes

The model is open_clip's ViT-B-32 at 224 with random weights of a fixed seed; the photos are those of Flickr8k (--photos-from),
1,000 of them and then the same again under other names, or drawn ones where the file is absent. They are small, 200 px;
--side 1080 makes them as large as a camera's preview. A run begins with 64 photos
that do not count, and loading the model does not count either. Memory is the largest sum of the proportional set sizes (PSS)
of a run's processes, its start included. The runtime is chosen once and remembered in --environments; --runtime names another.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
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

from download import tree_pss

HERE = Path(__file__).resolve()
SHARED = HERE.parents[2] / "shared" / "data" / "flickr8k_orig_1000.tar"
ARCHITECTURE = "ViT-B-32"
WARM_UP, PLAIN_BATCH, READY = 64, 32, 256
SHARDS = 8
"""As many as clip-retrieval needs to give each of its loading processes some."""

RUNS = ("plain", "ours", "alone", "clip_retrieval")
PEER = "clip-retrieval==2.45.0"
PEER_PINS = ("torch==2.13.0", "torchvision==0.28.0", "setuptools<81")
GROWTH = (1_000, 10_000, 50_000)
MIN_OVER_PLAIN, MIN_OF_ALONE = 4.0, 0.7


# ---- the photos and the model


def make_shards(count: int, photos_from: Path, place: Path, side: int = 0) -> Path:
    """A folder of webdataset tars with `count` JPEGs, a text each, made once. side: the longest, 0 leaves the photos alone."""
    from clip_pipeline.images.shards.tar import write_shard

    kind = photos_from.stem if photos_from.is_file() else "drawn"
    folder = place / f"embed_{kind}_{side or 'as_they_are'}_{count}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = _jpegs(photos_from) if photos_from.is_file() else map(_drawn, range(200))
        photos = [_of_side(content, side) for content in itertools.islice(found, count)]
        for shard in range(SHARDS):
            rows = range(count * shard // SHARDS, count * (shard + 1) // SHARDS)
            samples = ((f"{row:09d}", {"jpg": photos[row % len(photos)], "txt": b"a photo"}) for row in rows)
            write_shard(folder / f"{shard:05d}.tar", samples)
        (folder / "complete").touch()
    return folder


def _jpegs(place: Path) -> Iterator[bytes]:
    """Those of a tar, or of the tars in a folder."""
    for path in sorted(place.glob("*.tar")) if place.is_dir() else [place]:
        with tarfile.open(path) as tar:
            for entry in tar:
                if entry.name.endswith(".jpg"):
                    file = tar.extractfile(entry)
                    assert file is not None
                    yield file.read()


def _drawn(seed: int) -> bytes:
    """A JPEG of the size of those of the file, with edges and grain, so that it is about as much work to decode."""
    import numpy as np
    from PIL import Image

    chance = np.random.default_rng(seed)
    coarse = Image.fromarray(chance.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((200, 150), Image.Resampling.BICUBIC))
    grain = chance.normal(0, 8, (150, 200, 1))
    return _as_jpeg(Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)))


def _as_jpeg(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _of_side(content: bytes, side: int) -> bytes:
    """The photo enlarged or reduced to a longest side, encoded again; as it is for 0."""
    from PIL import Image

    if not side:
        return content
    with Image.open(io.BytesIO(content)) as photo:
        share = side / max(photo.size)
        size = (round(photo.width * share), round(photo.height * share))
        return _as_jpeg(photo.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def make_weights(place: Path) -> Path:
    """A file of random weights of a fixed seed, made once."""
    path = place / f"{ARCHITECTURE}_seed0.safetensors"
    if not path.exists():
        import torch
        from safetensors.torch import save_file

        from clip_pipeline.models.torchvision_operators import define_missing_operators

        define_missing_operators()
        import open_clip

        torch.manual_seed(0)
        model = open_clip.create_model(ARCHITECTURE, pretrained=None)
        place.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".unfinished")
        save_file({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}, temporary)
        temporary.replace(path)
    return path


# ---- the runs: each in a process of its own; prints photos a second


def run_plain(weights: Path, shards: Path, options: argparse.Namespace) -> float:
    import torch
    from PIL import Image

    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(ARCHITECTURE, pretrained=str(weights))
    model.eval()
    photos = list(_jpegs(shards))

    def embed(some: list[bytes]) -> None:
        for start in range(0, len(some), PLAIN_BATCH):
            batch = [
                preprocess(Image.open(io.BytesIO(one)).convert("RGB")) for one in some[start : start + PLAIN_BATCH]
            ]
            with torch.no_grad():
                vectors = model.encode_image(torch.stack(batch))
                vectors /= vectors.norm(dim=-1, keepdim=True)

    embed(photos[:WARM_UP])
    started = time.perf_counter()
    embed(photos)
    return len(photos) / (time.perf_counter() - started)


def run_ours(weights: Path, shards: Path, options: argparse.Namespace) -> float:
    from clip_pipeline.embedding.dataset import embed_dataset_images
    from clip_pipeline.evaluation.runtime_choice import runtime_maker
    from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
    from clip_pipeline.sources.photos.open import open_photos

    compute, settings = ComputeSettings(device="cpu"), EmbeddingSettings()
    make = runtime_maker(options.runtime, compute, options.environments)
    once: list[Any] = []

    def kept(model: Any, device: str) -> Any:
        once[:] = once or [make(model, device)]
        return once[0]

    with tempfile.TemporaryDirectory() as scratch:
        first = ((str(number), content) for number, content in enumerate(itertools.islice(_jpegs(shards), WARM_UP)))
        embed_dataset_images(_name(weights), first, WARM_UP, Path(scratch, "warm"), settings, compute, runtime=kept)
        photos = open_photos(shards)
        all_of_them = ((photo.name, photo.read) for photo in photos)
        out = Path(scratch, "out")
        facts = embed_dataset_images(
            _name(weights), all_of_them, len(photos), out, settings, compute, identity=photos.identity, runtime=kept
        )
    return facts["photos"] / facts["seconds"]


def run_alone(weights: Path, shards: Path, options: argparse.Namespace) -> float:
    from clip_pipeline.embedding.ready_pixels import ready_pixels
    from clip_pipeline.evaluation.runtime_choice import runtime_maker
    from clip_pipeline.machine.device import use_threads
    from clip_pipeline.models.folder import open_model
    from clip_pipeline.settings import ComputeSettings

    use_threads(0)
    model, preprocess, _ = open_model(_name(weights))
    runtime = runtime_maker(options.runtime, ComputeSettings(device="cpu"), options.environments)(model, "cpu")
    with tempfile.TemporaryDirectory() as scratch:
        some = [(str(number), content) for number, content in enumerate(itertools.islice(_jpegs(shards), READY))]
        ready = ready_pixels(model, preprocess, some, len(some), Path(scratch, "pixels.npy"))
        batches = [ready.rows(start, start + WARM_UP) for start in range(0, len(ready), WARM_UP)]
    runtime.encode_images(batches[0])
    count, started = 0, time.perf_counter()
    for batch in itertools.cycle(batches):
        runtime.encode_images(batch)
        count += len(batch)
        if count >= options.photos:
            return count / (time.perf_counter() - started)
    raise AssertionError("a cycle does not end")


def _name(weights: Path) -> str:
    return f"{ARCHITECTURE}/{weights}"


CLIP_RETRIEVAL = """
import json, os, sys, time
import torch
if torch.version.cuda is None:
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold, float sigma, float score_threshold) -> Tensor")
import open_clip
architecture, weights, shards, output, workers = sys.argv[1:]
open_clip.list_pretrained = lambda *_, **__: [(architecture, weights)]
from clip_retrieval.clip_inference import mapper
ends, counts = [], []
plain = mapper.ClipMapper.__call__
def timed(self, item):
    result = plain(self, item)
    ends.append(time.perf_counter())
    counts.append(len(result["image_embs"]))
    return result
mapper.ClipMapper.__call__ = timed
from clip_retrieval.clip_inference.main import main
main(
    input_dataset=shards, output_folder=output, input_format="webdataset", enable_text=False, enable_metadata=False,
    num_prepro_workers=int(workers), clip_model="open_clip:" + architecture, use_jit=False, batch_size=64,
    write_batch_size=1_000_000, output_partition_count=1,
)
print(json.dumps({"rate": sum(counts[1:]) / (ends[-1] - ends[0])}), flush=True)
"""
"""Its batch of 256 would leave three of 1,000 photos to time; 64 is no slower on the CPU."""


def peer_python(environments: Path) -> Path:
    """The python of an environment that has clip-retrieval; made where it is missing."""
    home = environments / "clip_retrieval"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    if subprocess.run([python, "-c", "import clip_retrieval"], capture_output=True).returncode:
        pins = home / "pins.txt"
        pins.write_text("\n".join(PEER_PINS) + "\n")
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", str(pins)]
        subprocess.run([*command, "setuptools<81", "requests", PEER], check=True)
    return python


# ---- measuring


def measured_run(name: str, weights: Path, shards: Path, options: argparse.Namespace) -> dict[str, float]:
    """One run in a process of its own, its memory watched."""
    output_folder = tempfile.TemporaryDirectory()
    if name == "clip_retrieval":
        pattern = f"{shards}/{{00000..{SHARDS - 1:05d}}}.tar"
        told = [ARCHITECTURE, str(weights), pattern, output_folder.name, str(len(os.sched_getaffinity(0)))]
        command = [str(peer_python(options.peer_environment)), "-c", CLIP_RETRIEVAL, *told]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    else:
        command = [sys.executable, str(HERE), "--run", name, str(weights), str(shards), "--runtime", options.runtime]
        command += ["--environments", str(options.environments), "--photos", str(options.photos)]
        paths = filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONPATH": os.pathsep.join(paths)}
    peak, done = [0.0], threading.Event()
    with output_folder, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said)

        def watch() -> None:
            while not done.wait(0.3):
                peak.append(tree_pss(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output, _ = process.communicate()
        done.set()
        watcher.join()
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{name} failed:\n{said.read().decode()[-3000:]}")
    figures = json.loads(output.decode().strip().splitlines()[-1]) | {"memory": max(peak)}
    print(f"  {name:<15}{figures['rate']:>7.1f} photos/s {figures['memory']:>7.0f} MB", flush=True)
    return figures


def choose(weights: Path, shards: Path, options: argparse.Namespace) -> str:
    """The runtime that `auto` takes on this machine for these weights; prints what was measured."""
    from functools import partial

    from clip_pipeline.evaluation.runtime_choice import choice_for_command
    from clip_pipeline.settings import ComputeSettings, EmbeddingSettings

    photos = [
        (str(number), partial(bytes, content)) for number, content in enumerate(itertools.islice(_jpegs(shards), READY))
    ]
    settings = EmbeddingSettings(runtime="auto", min_photos=0)
    choice = choice_for_command(
        _name(weights), photos, len(photos), settings, ComputeSettings(device="cpu"), options.environments
    )
    print("runtimes on ready pixels")
    for row in choice["measured"]:
        rate = "" if row["photos_per_second"] is None else f"{row['photos_per_second']:>7.1f} photos/s"
        cosine = "" if row["lowest_cosine"] is None else f"cosine {row['lowest_cosine']:.5f}"
        top1 = "" if row["top1"] is None else f"top-1 {row['top1']:.2%}"
        print(f"  {row['runtime']:<15}{rate:>16}  {cosine:<15} {top1:<12} {row['status']} {row['reason']}".rstrip())
    return choice["runtime"]


def compare(weights: Path, options: argparse.Namespace) -> None:
    shards = make_shards(options.photos, options.photos_from, options.environments, options.side)
    names = options.only or [name for name in RUNS if name != "clip_retrieval" or options.peer_environment]
    print(
        f"{options.photos:,} photos, {len(os.sched_getaffinity(0))} cores, {ARCHITECTURE} at 224, runtime {options.runtime}"
    )
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            runs[name].append(measured_run(name, weights, shards, options))
    report(runs)


def report(runs: dict[str, list[dict[str, float]]]) -> None:
    """Medians, and ours beside each of the others."""
    median = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]} for name, rounds in runs.items()
    }
    print("medians")
    for name, figures in median.items():
        print(f"  {name:<15}{figures['rate']:>7.1f} photos/s {figures['memory']:>7.0f} MB")
    if "ours" not in median:
        return
    wanted = {"plain": MIN_OVER_PLAIN, "alone": MIN_OF_ALONE, "clip_retrieval": 0.0}
    for name, least in wanted.items():
        if name in median:
            ratio = median["ours"]["rate"] / median[name]["rate"]
            verdict = f" (wanted {least:g}: {'met' if ratio >= least else 'NOT met'})" if least else ""
            print(f"ours / {name}: {ratio:.2f} times the photos a second{verdict}")


def growth(weights: Path, options: argparse.Namespace) -> None:
    """Memory of ours for more and more photos."""
    found = []
    for count in options.growth_counts:
        shards = make_shards(count, options.photos_from, options.environments, options.side)
        print(f"{count:,} photos")
        found.append(measured_run("ours", weights, shards, options)["memory"])
    first, last = options.growth_counts[0], options.growth_counts[-1]
    print(f"memory at {last:,} / at {first:,} photos: {found[-1] / found[0]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(tempfile.gettempdir()) / "clip_pipeline_benchmarks"
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="flickr8k_orig_1000.tar")
    parser.add_argument(
        "--environments", type=Path, default=cache, help="folder for photos, weights and exported graphs"
    )
    parser.add_argument(
        "--peer-environment", type=Path, help="folder for clip-retrieval's environment; without, it is left out"
    )
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument(
        "--side", type=int, default=0, help="longest side of the photos, encoded again; 0 leaves the 200 px"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="", help="this one instead of the chosen one")
    parser.add_argument("--only", nargs="+", choices=RUNS, help="only these")
    parser.add_argument("--growth", action="store_true", help="memory of ours for more and more photos")
    parser.add_argument("--growth-counts", type=int, nargs="+", default=GROWTH)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        name, weights, shards = options.run
        run = {"plain": run_plain, "ours": run_ours, "alone": run_alone}[name]
        print(json.dumps({"rate": run(Path(weights), Path(shards), options)}), flush=True)
        return
    if "clip_retrieval" in (options.only or ()) and not options.peer_environment:
        parser.error("clip_retrieval needs --peer-environment, a folder for its environment")
    if options.photos < 2 * WARM_UP:
        parser.error(f"--photos is {options.photos}, at least {2 * WARM_UP} are needed")
    weights = make_weights(options.environments)
    if not options.runtime:
        options.runtime = choose(
            weights, make_shards(1000, options.photos_from, options.environments, options.side), options
        )
    (growth if options.growth else compare)(weights, options)


if __name__ == "__main__":
    main()
