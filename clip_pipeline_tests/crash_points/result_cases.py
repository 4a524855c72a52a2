"""Cases of results at a place of the user's choice: `embed -o` and `train -o`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_pipeline_tests.crash_points.case import Case, bytes_of
from clip_pipeline_tests.crash_points.download_cases import photo_bytes


@contextmanager
def embedding() -> Iterator[Case]:
    """`clip-pipeline embed` onto an older result."""

    def prepare(folder: Path) -> None:
        from clip_pipeline_tests.made.tiny_model import build_tiny_model

        (folder / "photos").mkdir()
        for number in range(6):
            (folder / "photos" / f"{number}.jpg").write_bytes(photo_bytes(number))
        (folder / "vectors").mkdir()
        (folder / "vectors" / ".clip-pipeline").write_text("")
        child = os.fork()  # torch's threads belong to a process that ends
        if child == 0:
            build_tiny_model(folder)
            os._exit(0)
        os.waitpid(child, 0)

    def command(folder: Path) -> None:
        from clip_pipeline.api.embed import embed

        embed(
            folder / "model",
            folder / "vectors",
            images=folder / "photos",
            batch_size=2,
            runtime="torch_fp32",
            threads=1,
            replace=True,
        )

    yield Case("embed", prepare, command)


@contextmanager
def training() -> Iterator[Case]:
    """`clip-pipeline train -o`."""

    def prepare(folder: Path) -> None:
        (folder / "photos").mkdir()
        rows = ["file_name,caption"]
        for number in range(24):
            (folder / "photos" / f"{number}.jpg").write_bytes(photo_bytes(number))
            rows.append(f"{number}.jpg,a ball number {number} on a hill")
        (folder / "photos" / "captions.csv").write_text("\n".join(rows) + "\n")

    def command(folder: Path) -> None:
        from clip_pipeline.api.train import train

        settings = [
            "training.steps=3",
            "training.checkpoint_steps=1",
            "download.min_side=8",
            "training.batch_size=4",
        ]
        train(folder / "photos", folder / "model", recipe="tiny", settings=settings, device="cpu")

    def snapshot(folder: Path) -> dict[str, str]:
        timed = ("model/training.json", "model/train_log.csv", "model/train_log.parquet", "model/loss.png")
        return {name: "" if name in timed else value for name, value in bytes_of(folder).items()}

    yield Case("train", prepare, command, snapshot)
