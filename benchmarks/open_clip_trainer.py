"""open_clip's own trainer (open_clip_train 3.3) as a process that can be measured: what the comparisons beside it share.

    python benchmarks/open_clip_trainer.py --timings TIMES.json --configs FOLDER -- --train-data ... --model NAME ...

Runs `open_clip_train.main` with the arguments after `--` and writes how long its parts took. --configs: model
configurations that become known to open_clip by their file names. webdataset is an older one than ours, in a folder of its own:
open_clip_train 3.3 loads no shards with webdataset 1.0.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clip_pipeline.models.torchvision_operators import define_missing_operators

WEBDATASET = "webdataset==0.2.86"
PRECISIONS = {"fp32": "fp32", "bf16": "amp_bf16"}


def install_webdataset(environments: Path) -> Path:
    """The folder that holds webdataset as open_clip_train wants it; made where it is missing."""
    folder = environments / "webdataset_for_open_clip"
    if not (folder / "webdataset").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--target", str(folder), WEBDATASET], check=True)
    return folder


def trainer_command(timings: Path, configs: Path, webdataset: Path | None, options: dict[str, Any]) -> list[str]:
    """The command line of one training. options: open_clip_train's, by name; a list is several values, True a switch."""
    command = [sys.executable, str(Path(__file__).resolve()), "--timings", str(timings), "--configs", str(configs)]
    if webdataset is not None:
        command += ["--webdataset", str(webdataset)]
    command.append("--")
    for name, value in options.items():
        command.append(f"--{name}")
        if value is not True:
            command += [str(one) for one in (value if isinstance(value, list) else [value])]
    return command


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The weights of one of its checkpoints by name."""
    import torch

    return torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]


def timed(part: Callable, spent: list[float], written: Callable[[], None]) -> Callable:
    """The function as it is, but the seconds of each call are kept."""

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.monotonic()
        result = part(*arguments, **named)
        spent.append(time.monotonic() - started)
        written()
        return result

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timings", type=Path, required=True, help="JSON file for the seconds of each part")
    parser.add_argument("--configs", type=Path, required=True, help="folder of model configurations")
    parser.add_argument("--webdataset", type=Path, help="folder that holds the webdataset to use")
    parser.add_argument("arguments", nargs="*", help="open_clip_train's own, after --")
    options = parser.parse_args()
    started = time.monotonic()
    if options.webdataset is not None:
        sys.path.insert(0, str(options.webdataset))
    define_missing_operators()
    import open_clip
    from open_clip_train import main as trainer

    open_clip.add_model_config(options.configs)
    spent: dict[str, list[float]] = {"training": [], "validation": []}

    def write() -> None:
        seconds = {"since_start": time.monotonic() - started, **spent}
        temporary = options.timings.with_suffix(".tmp")
        temporary.write_text(json.dumps(seconds))
        temporary.replace(options.timings)

    trainer.train_one_epoch = timed(trainer.train_one_epoch, spent["training"], write)
    trainer.evaluate = timed(trainer.evaluate, spent["validation"], write)
    failed = trainer.main(options.arguments)
    write()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
