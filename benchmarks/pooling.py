"""Image encoders that pool their tokens beside the plain ViT: time of a forward pass and of a training step, in turn in one process.

    python benchmarks/pooling.py                              both shapes, seven rounds; about ten minutes on a quiet core
    python benchmarks/pooling.py --shapes laptop_vit --kinds plain windows gumbel --rounds 3
    python benchmarks/pooling.py --target 9 --after-layer 1   other tokens than a quarter after a quarter of the layers
    python benchmarks/pooling.py --out pooling.json           every round's numbers too

plain          open_clip's own ViT
none           the same in our code, which pools nothing
windows, fixed, gumbel, router, tome    see docs/pooling.md; all to the same number of tokens
dropout        patches left out at the input, as many as pooling would merge; a training step alone, for a forward pass sees all

The shapes are those of laptop_vit (6 × 192, 64 tokens) and vit_s_8_112 (8 × 512, 196 tokens), with random weights of a fixed seed and random
photos: what tokens hold does not change how long they take. One thread; times are of the processor, not of the clock, in ms a photo.
A forward pass is that of `embed` (runtimes torch_fp32 and torch_bf16), a step that of `train` (autocast to bf16, attention in few passes, deterministic kernels),
of the image encoder alone, forward and backward. Each round takes every encoder once, in an order of its own; the first does not count. Beside
the median stand the least and the largest.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES = {"laptop_vit": 32, "vit_s_8_112": 8}
"""Photos of a batch."""
PLAIN, DROPOUT = "plain", "dropout"
KINDS = (PLAIN, "none", "windows", "fixed", "gumbel", "router", "tome", DROPOUT)
MEASURES = ("forward fp32", "forward bf16", "step bf16")
SEED = 0


def config_of(shape: str, kind: str, target: float, after_layer: int, order: str) -> dict[str, Any]:
    """The configuration of an encoder of that shape and kind."""
    from clip_pipeline.models.registry import load_config
    from clip_pipeline.models.token_pooling import ALONG_AN_ORDER, KEY, NONE

    config = copy.deepcopy(load_config(shape))
    if kind == NONE:
        config["vision_cfg"][KEY] = {"kind": kind}
    elif kind not in (PLAIN, DROPOUT):
        along = {"order": order} if kind in ALONG_AN_ORDER else {}
        config["vision_cfg"][KEY] = {"kind": kind, "target": target, "after_layer": after_layer} | along
    return config


def encoder_of(config: dict[str, Any], kind: str, target: float) -> Any:
    """The image encoder as a training has it on a CPU."""
    import torch

    from clip_pipeline.training.model.initial_model import InitialModel, make_model

    torch.manual_seed(SEED)
    dropped = 1 - 1 / target if kind == DROPOUT else 0.0
    return make_model(config, InitialModel(name=kind, patch_dropout=dropped), "cpu").visual


def forward(encoder: Any, pixels: Any) -> None:
    """What `embed` does."""
    import torch

    with torch.inference_mode():
        encoder(pixels)


def step(encoder: Any, pixels: Any) -> None:
    """What a training does with the image encoder, but for the optimizer, which is the same for all."""
    from clip_pipeline.training.model.precision import autocast, reproducible_arithmetic

    encoder.zero_grad()
    with reproducible_arithmetic(SEED, "cpu", 1):
        with autocast("cpu", "bf16"):
            features = encoder(pixels)
        features.float().square().mean().backward()


def works_of(encoder: Any, kind: str, pixels: Any) -> dict[str, Callable[[], None]]:
    """By measure, what is to be timed."""
    import torch

    trained = encoder.train()
    works = {"step bf16": lambda: step(trained, pixels)}
    if kind == DROPOUT:
        return works
    plain = copy.deepcopy(encoder).eval()
    for part in plain.modules():
        vars(part).pop("forward", None)  # the attention of trainings; `embed` has open_clip's own
    half = copy.deepcopy(plain).to(torch.bfloat16)
    works["forward fp32"] = lambda: forward(plain, pixels)
    works["forward bf16"] = lambda: forward(half, pixels.to(torch.bfloat16))
    return works


def measured(
    works: dict[str, dict[str, Callable[[], None]]], rounds: int, photos: int
) -> dict[str, dict[str, list[float]]]:
    """By measure and kind, ms a photo in each round; one round more is taken first and left out."""
    found: dict[str, dict[str, list[float]]] = {measure: {} for measure in MEASURES}
    chance = random.Random(SEED)
    for number in range(rounds + 1):
        for kind in chance.sample(list(works), len(works)):
            for measure, work in works[kind].items():
                began = time.process_time()
                work()
                if number:
                    found[measure].setdefault(kind, []).append((time.process_time() - began) * 1000 / photos)
    return found


def table(
    shape: str, found: dict[str, dict[str, list[float]]], gflops: dict[str, float], tokens: dict[str, str]
) -> str:
    """Markdown: medians, how many times as fast as plain, and the least and largest."""
    lines = [
        f"| {shape} | tokens of its layers | GFLOPs | " + " | ".join(MEASURES) + " |",
        "|---" * (len(MEASURES) + 3) + "|",
    ]
    for kind in gflops:
        cells = []
        for measure in MEASURES:
            times = found[measure].get(kind)
            if times is None:
                cells.append("–")
                continue
            plain = found[measure].get(PLAIN)
            faster = f", {statistics.median(plain) / statistics.median(times):.2f}×" if plain else ""
            cells.append(f"{statistics.median(times):.2f} ms{faster} ({min(times):.2f} to {max(times):.2f})")
        lines.append(f"| {kind} | {tokens[kind]} | {gflops[kind]:.3g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of_shape(shape: str, options: argparse.Namespace) -> dict[str, Any]:
    """All kinds of one shape; prints their table."""
    import torch

    from clip_pipeline.models.pooled_image_encoder import pooling_of
    from clip_pipeline.models.registry import build_model, image_size_of
    from clip_pipeline.models.zoo import describe_model

    torch.set_num_threads(1)
    gflops, tokens, works, photos = {}, {}, {}, options.photos or SHAPES[shape]
    for kind in options.kinds:
        config = config_of(shape, kind, options.target, options.after_layer, options.order)
        height, width = image_size_of(config)
        pixels = torch.randn(photos, 3, height, width, generator=torch.Generator().manual_seed(SEED))
        works[kind] = works_of(encoder_of(config, kind, options.target), kind, pixels)
        gflops[kind] = describe_model(shape, config).image_gflops
        with torch.device("meta"):
            pooling = pooling_of(build_model(config))
        tokens[kind] = "→".join(map(str, dict.fromkeys(pooling.tokens_of_layers()))) if pooling else "all"
    found = measured(works, options.rounds, photos)
    print(table(shape, found, gflops, tokens), end="\n\n", flush=True)
    return {"photos": photos, "tokens": tokens, "gflops": gflops, "ms_a_photo": found}


def main(arguments: list[str] | None = None) -> None:
    """Measures what the options say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=0, help="of a batch; 0 is the shape's own")
    parser.add_argument("--target", type=float, default=4, help="tokens that become one")
    parser.add_argument("--after-layer", type=int, default=0, help="0 is a quarter of the layers")
    parser.add_argument("--order", choices=("raster", "serpentine", "hilbert"), default="serpentine")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    found = {shape: of_shape(shape, options) for shape in options.shapes}
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
