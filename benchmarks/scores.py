"""The same model on the same photos through CLIP_benchmark 1.6.2 and through clip_pipeline: the scores must be equal.

    python benchmarks/scores.py --model MODEL --labelled photos_by_class/ --captioned photos_with_captions/

Writes each dataset as a webdataset in CLIP_benchmark's layout, lets both programs score the same files with the same model folder,
and prints the figures side by side with the number of samples that they differ by. CLIP_benchmark lives in an environment of its
own, made where it is missing, and runs in fp32 (--no_amp). Its `build` then reads our JSON files. Ends with status 1 when a score
differs by more than --tolerance samples.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.api.evaluate import evaluate, predictions_folder
from clip_pipeline.evaluation.clip_benchmark_form import BENCHMARK_FOLDER, in_clip_benchmark_form
from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline.images.shards.tar import write_shard
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings, Recipe
from clip_pipeline.storage.scratch import scratch_folder

PEER = "clip-benchmark==1.6.2"
ROOT = Path(__file__).resolve().parents[1]
NUMPY = "numpy<2.4"
"""Since 2.4 an array of one number is no number any more, which CLIP_benchmark 1.6.2 makes use of."""
CONSTRAINED = ("torch", "torchvision", "open_clip_torch", "timm", "transformers", "webdataset")
START = (
    "import sys; sys.path.insert(0, {root!r}); "
    "from clip_pipeline.models.torchvision_operators import define_missing_operators; define_missing_operators(); "
    "sys.path.pop(0); from clip_benchmark.cli import main; main()"
)
RECALLS = ("1", "5", "10")


def peer_python(environments: Path) -> Path:
    """The Python of CLIP_benchmark's own environment; made where it is missing, with the versions of constraints.txt."""
    folder = environments / "clip_benchmark"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    installed = subprocess.run([str(python), "-m", "pip", "show", "-q", "clip-benchmark"], capture_output=True)
    if installed.returncode:
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        same = folder / "constraints.txt"
        same.write_text("\n".join(line for line in lines if line.split("==")[0] in CONSTRAINED) + "\n")
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "-c", str(same), PEER, NUMPY, "requests"], check=True
        )
    return python


def write_webdataset(dataset: Dataset, folder: Path, photos: int) -> int:
    """Every k-th photo of a dataset in CLIP_benchmark's layout, as the split `test`; returns how many."""
    rows = list(range(0, len(dataset.ids), max(1, len(dataset.ids) // photos)))[:photos]
    (folder / "test").mkdir(parents=True, exist_ok=True)
    write_shard(folder / "test" / "0.tar", list(_samples(dataset, rows)))
    (folder / "test" / "nshards.txt").write_text("1\n")
    kind = "retrieval" if dataset.task == "retrieval" else "classification"
    (folder / "dataset_type.txt").write_text(kind + "\n")
    if kind == "classification":
        (folder / "classnames.txt").write_text("\n".join(dataset.class_names) + "\n", encoding="utf-8")
        templates = folder / "zeroshot_classification_templates.txt"
        templates.write_text("\n".join(dataset.templates) + "\n", encoding="utf-8")
    return len(rows)


def _samples(dataset: Dataset, rows: list[int]) -> Iterator[tuple[str, dict[str, bytes]]]:
    for number, row in enumerate(rows):
        photo = dataset.read(row)
        ending = "png" if photo.startswith(b"\x89PNG") else "webp" if photo.startswith(b"RIFF") else "jpg"
        if dataset.labels is not None:
            yield f"{number:09d}", {ending: photo, "cls": str(dataset.labels[row]).encode()}
        elif dataset.captions is not None:
            yield f"{number:09d}", {ending: photo, "txt": "\n".join(dataset.captions[row]).encode()}


def peer_scores(python: Path, folder: Path, model: Path, task: str, output: Path) -> tuple[dict[str, float], float]:
    """CLIP_benchmark's metrics of one webdataset, and the seconds it took."""
    command = [str(python), "-c", START.format(root=str(ROOT)), "eval", "--dataset", f"wds/{folder.name}"]
    command += ["--dataset_root", str(folder), "--task", task, "--model", f"local-dir:{model}", "--pretrained", ""]
    command += ["--output", str(output), "--no_amp", "--num_workers", "0", "--recall_k", *RECALLS]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"CLIP_benchmark failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(output.read_text())["metrics"], time.monotonic() - started


def compare(dataset: Dataset, name: str, python: Path, arguments: argparse.Namespace, work: Path) -> float:
    """Scores one dataset with both programs and prints the figures; returns the largest difference in samples."""
    folder = work / name
    count = write_webdataset(dataset, folder, arguments.photos)
    model = arguments.model.absolute()
    started = time.monotonic()
    embedding, compute = EmbeddingSettings(dtype=arguments.dtype), ComputeSettings(device="cpu")
    scores = work / f"{name}.json"
    recipe = Recipe(embedding=embedding, compute=compute)
    rows = evaluate(model, open_dataset(folder), scores, recipe=recipe)
    own_seconds = time.monotonic() - started
    (entry,) = in_clip_benchmark_form(rows, model.name)
    theirs, peer_seconds = peer_scores(python, folder, model, entry["task"], work / f"{name}_peer.json")
    samples = {row["metric"]: row["n"] for row in rows}
    print(f"\n{name}: {entry['task']}, {count:,} photos, {model.name}")
    print(f"{'metric':28} {'clip_pipeline':>14} {'CLIP_benchmark':>15} {'samples apart':>14}")
    largest = 0.0
    for metric, value in sorted(entry["metrics"].items()):
        n = max(samples.values()) if metric.startswith("image_retrieval") else min(samples.values())
        apart = abs(value - theirs[metric]) * n
        largest = max(largest, apart)
        print(f"{metric:28} {value:14.6f} {theirs[metric]:15.6f} {apart:14.2f}")
    print(f"{'seconds, all in all':28} {own_seconds:14.1f} {peer_seconds:15.1f}")
    table = work / f"{name}_build.csv"
    local_photos = predictions_folder(scores) / BENCHMARK_FOLDER
    build = [str(python), "-c", START.format(root=str(ROOT)), "build", str(local_photos), "--output", str(table)]
    subprocess.run(build, check=True, capture_output=True)
    print(f"`clip_benchmark build` reads our files: {len(table.read_text().splitlines()) - 1} line")
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="an open_clip folder")
    parser.add_argument("--labelled", type=Path, help="a dataset with labels")
    parser.add_argument("--captioned", type=Path, help="a dataset with captions")
    parser.add_argument("--photos", type=int, default=2000, help="photos of each dataset")
    parser.add_argument("--dtype", default="float16", help="of our stored vectors")
    parser.add_argument("--tolerance", type=float, default=0.01, help="samples that a score may differ by")
    cache = Path(tempfile.gettempdir()) / "clip_pipeline_benchmarks"
    parser.add_argument(
        "--environments", type=Path, default=cache, help="where CLIP_benchmark's environment is or is made"
    )
    arguments = parser.parse_args()
    python = peer_python(arguments.environments)
    largest = 0.0
    with scratch_folder("scores") as scratch:
        for name in ("labelled", "captioned"):
            if getattr(arguments, name):
                dataset = open_dataset(getattr(arguments, name))
                largest = max(largest, compare(dataset, name, python, arguments, scratch))
    if largest > arguments.tolerance:
        raise SystemExit(f"A score differs by {largest:.2f} samples, more than {arguments.tolerance}.")


if __name__ == "__main__":
    main()
