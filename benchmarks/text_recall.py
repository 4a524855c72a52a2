"""Text encoders that learn to meet fixed image vectors: recall of captions as written and mistyped, bytes beside BPE, in minutes instead of hours.

    python benchmarks/text_recall.py --steps 200 --folds 0 1

The image vectors are those of a CLIP ViT-B/32 of 1,000 Flickr8k photos, which stay as they are; what is compared is what a text encoder makes of 4,000 captions. A fold
is a fifth of the photos that is kept back: 200 photos and 1,000 captions that are looked for among each other. By the settings of the recipe
laptop: a text encoder that stays the mean of its tokens or words, half of which are left out in training; a batch is of 128 photos with a caption of
each. All kinds take equal numbers of steps, and what they took is printed. `text_encoders.py --epochs` is the measurement with images, which takes hours.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from text_encoders import BPE, KINDS, RECALL_AT, SEED, config_of, scores_table, tokenizer_of, with_mistyped
from train import SHARED, Photo, read_flickr8k

VECTORS = SHARED.parent / "clip_embeddings" / "flickr8k_vitb32_1000"
FOLDS = 5
BATCH = 128


def read_vectors(folder: Path, photos: Sequence[Photo]) -> tuple[list[Photo], np.ndarray]:
    """The photos that have a vector, and those, (N, 512) float32."""
    names = (folder / "image_names.txt").read_text().split()
    by_name = {photo.name: photo for photo in photos}
    return [by_name[name] for name in names], np.load(folder / "clip_embeddings.npy").astype(np.float32)


def trained(kind: str, photos: Sequence[Photo], vectors_ND: np.ndarray, options: Any, fold: int, scratch: Path) -> Any:
    """A function from captions to vectors: the text encoder after its steps. Prints what it took."""
    import torch

    from clip_pipeline.models.registry import context_length_of, with_tokenizer
    from clip_pipeline.settings.recipes import LAPTOP
    from clip_pipeline.text.byte_tokenizer import SPACE_ID, ByteTokenizer
    from clip_pipeline.text.tokenizer import load_tokenizer
    from clip_pipeline.training.data.captions import drop_tokens
    from clip_pipeline.training.model.encode import encode_captions
    from clip_pipeline.training.model.initial_model import InitialModel, make_model
    from clip_pipeline.training.model.precision import autocast, reproducible_arithmetic
    from clip_pipeline.training.objective.loss import clip_loss
    from clip_pipeline.training.optim.optimizer import ClipOptimizer, OptimizerOptions
    from clip_pipeline.training.optim.schedule import Schedule

    config, space = config_of(kind) | {"embed_dim": vectors_ND.shape[1]}, None
    if KINDS[kind] is None:
        tokenizer: Any = load_tokenizer(tokenizer_of(photos, scratch))
        config = with_tokenizer(config, tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id)
    else:
        tokenizer, space = ByteTokenizer(128), SPACE_ID
    length, chance = context_length_of(config), random.Random(fold)
    tokens = [tokenizer.encode(photo.captions, length) for photo in photos]
    settings = LAPTOP.training
    schedule = Schedule(options.steps, options.steps // 20, settings.learning_rate, 0.0)
    began = time.process_time()
    with reproducible_arithmetic(fold, "cpu", 1):
        torch.manual_seed(fold)
        model = make_model(config, InitialModel(name=kind, text_encoder=options.encoder), "cpu")
        model.visual.requires_grad_(False)
        by = OptimizerOptions(name=settings.optimizer, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        optimizer, order, seen = ClipOptimizer(model, model, by), [], []
        for step in range(options.steps):
            if len(order) < BATCH:
                order = chance.sample(range(len(photos)), len(photos))
            rows, order = order[:BATCH], order[BATCH:]
            batch = np.stack([tokens[row][chance.randrange(len(tokens[row]))] for row in rows])[:, None]
            batch = drop_tokens(
                batch, fold, step, settings.token_dropout, tokenizer.kept_ids, BATCH, slice(None), space
            )
            optimizer.zero_grad()
            with autocast("cpu", "bf16"):
                texts_BD = encode_captions(model, torch.from_numpy(batch[:, 0]).long())
            loss = clip_loss(torch.from_numpy(vectors_ND[rows]), texts_BD, model.logit_scale.exp())
            loss.backward()
            optimizer.step(schedule.rate_at(step))
            seen.append(float(loss.detach()))
    took = time.process_time() - began
    print(
        f"{kind}, fold {fold}: {options.steps} steps, {took:.0f} processor seconds, loss {np.mean(seen[-20:]):.3f}",
        flush=True,
    )
    model.eval()

    def vectors_of(captions: Sequence[str]) -> np.ndarray:
        with torch.no_grad():
            rows = [torch.from_numpy(tokenizer.encode(captions[at : at + 256], length)).long() for at in range(0, len(captions), 256)]  # fmt: skip
            return torch.cat([encode_captions(model, part) for part in rows]).numpy()

    return vectors_of


def hits(vectors_of: Any, photos: Sequence[Photo], vectors_ND: np.ndarray) -> dict[str, np.ndarray]:
    """By direction and photo, the share of its captions (of the photo itself) that is found among the first ten."""
    from clip_pipeline.evaluation.retrieval import image_to_text_ranks, text_to_image_ranks

    texts = vectors_of([caption for photo in photos for caption in photo.captions])
    owners = np.repeat(np.arange(len(photos)), [len(photo.captions) for photo in photos])
    of_text, _ = text_to_image_ranks(vectors_ND, texts, owners)
    of_image, _ = image_to_text_ranks(vectors_ND, texts, owners)
    shares = np.bincount(owners, weights=of_text < RECALL_AT) / np.bincount(owners)
    return {"text → image": shares, "image → text": (of_image < RECALL_AT).astype(float)}


def main(arguments: list[str] | None = None) -> None:
    """Measures what the options say."""
    from clip_pipeline.storage.scratch import scratch_folder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="tar of Flickr8k, with its text files")
    parser.add_argument(
        "--vectors", type=Path, default=VECTORS, help="folder with clip_embeddings.npy, image_names.txt"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[BPE, "bytes"])
    parser.add_argument("--encoder", default="stays_mean", choices=("open_clip", "starts_as_mean", "stays_mean"))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)), choices=range(FOLDS))
    parser.add_argument("--mistyped", type=float, default=0.1, help="share of the words")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    photos, vectors_ND = read_vectors(options.vectors, read_flickr8k(options.photos_from, ["train"])["train"])
    fold_of = np.random.default_rng(SEED).permutation(len(photos)) % FOLDS
    found: dict[str, Any] = {}
    for fold in options.folds:
        kept = np.flatnonzero(fold_of == fold)
        test, learnt = [photos[row] for row in kept], np.flatnonzero(fold_of != fold)
        forms = {"as written": test, "mistyped": with_mistyped(test, options.mistyped)}
        for kind in options.kinds:
            with scratch_folder("text_recall_benchmark") as scratch:
                vectors_of = trained(kind, [photos[row] for row in learnt], vectors_ND[learnt], options, fold, scratch)
            for form, shown in forms.items():
                for way, values in hits(vectors_of, shown, vectors_ND[kept]).items():
                    of_form = found.setdefault(way, {}).setdefault(kind, {})
                    of_form[form] = [np.concatenate([*of_form.get(form, []), values])]  # each photo is in one fold
        print(scores_table(found, options.kinds), flush=True)
    if options.out:
        listed = {way: {kind: {form: rows[0].tolist() for form, rows in forms.items()} for kind, forms in kinds.items()} for way, kinds in found.items()}  # fmt: skip
        options.out.write_text(json.dumps(listed) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
