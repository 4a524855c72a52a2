"""A text encoder that reads bytes beside one of BPE tokens: time of a forward pass and of a step, and recall on Flickr8k, also of mistyped captions.

    python benchmarks/text_encoders.py                        times, seven rounds; some minutes on a quiet core
    python benchmarks/text_encoders.py --epochs 9             trains one model of each and scores both; about ten processor minutes a model
    python benchmarks/text_encoders.py --epochs 9 --seeds 0 1 2 --out scores.json

bpe       laptop_vit's, of 4,000 tokens that are learnt from the captions
bytes     laptop_bytes's: words of bytes
bytes_1   the same, words after the first layer
bytes_9   the same, each byte with four on either side
router    the same, segments where two neighbours are unlike

Times are of the processor, one thread, in ms a caption, of batches of 128 captions of the training photos; --parts says into how many parts of one length
a batch is cut (`encode_captions`). A forward pass is that of a validation (bf16), a step forward and backward, of the text encoder alone. Each round takes every
encoder once, in an order of its own; the first does not count.

Models are trained by the settings of the recipe laptop but for two captions a photo, and with 2 × 2 windows in the image encoder, which save time and are the same
in all. All take equal numbers of steps; the processor minutes are printed. Scores are of the 1,000 photos of the test split and their captions;
intervals (95 %) resample photos. Of the mistyped captions a share of the words has two letters swapped, one dropped or one doubled.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from train import SHARED, Photo, read_flickr8k

BPE = "bpe"
KINDS: dict[str, dict[str, Any] | None] = {
    BPE: None,
    "bytes": {},
    "bytes_1": {"after_layer": 1},
    "bytes_9": {"convolution": 9},
    "router": {"kind": "router", "target": 5},
}
MEASURES = ("forward bf16", "step bf16")
BATCH = 128
SEED = 0
RECALL_AT = 10


def config_of(kind: str) -> dict[str, Any]:
    """The configuration of a model whose text encoder is of that kind."""
    from clip_pipeline.models.registry import load_config
    from clip_pipeline.models.token_pooling import KEY

    changes = KINDS[kind]
    config = copy.deepcopy(load_config("laptop_vit" if changes is None else "laptop_bytes"))
    if changes:
        config["text_cfg"][KEY] |= changes
    config["vision_cfg"][KEY] = {"kind": "windows"}
    return config


def mistyped(text: str, share: float, chance: random.Random) -> str:
    """The text with a share of its words mistyped: two letters swapped, one dropped or one doubled. Words of one or two letters stay."""
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) < 3 or chance.random() >= share:
            continue
        place, how = chance.randrange(len(word) - 1), chance.choice(("swap", "drop", "double"))
        if how == "swap":
            words[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        else:
            words[at] = word[:place] + (word[place] * 2 if how == "double" else "") + word[place + 1 :]
    return " ".join(words)


def with_mistyped(photos: Sequence[Photo], share: float) -> list[Photo]:
    """The photos with mistyped captions, the same ones for every model."""
    chance = random.Random(SEED)
    return [replace(photo, captions=tuple(mistyped(one, share, chance) for one in photo.captions)) for photo in photos]


def tokenizer_of(photos: Sequence[Photo], folder: Path) -> Path:
    """The folder of a BPE tokenizer that is learnt from the captions."""
    from clip_pipeline.models.registry import context_length_of
    from clip_pipeline.settings import TokenizerSettings
    from clip_pipeline.sources.tables.caption_lines import caption_lines
    from clip_pipeline.text.tokenizer_folder import train_tokenizer

    config = config_of(BPE)
    corpus = folder / "captions.txt"
    corpus.write_text("\n".join(caption for photo in photos for caption in photo.captions), encoding="utf-8")
    settings = TokenizerSettings(vocab_size=config["text_cfg"]["vocab_size"])
    train_tokenizer(partial(caption_lines, corpus), settings, context_length_of(config), folder / "tokenizer")
    return folder / "tokenizer"


# ---- times


def works_of(kind: str, captions: Sequence[str], tokenizer: Path, parts: int) -> dict[str, Callable[[], None]]:
    """By measure, what is to be timed."""
    import torch

    from clip_pipeline.models.registry import build_model, context_length_of, with_tokenizer
    from clip_pipeline.text.byte_tokenizer import ByteTokenizer
    from clip_pipeline.text.tokenizer import load_tokenizer
    from clip_pipeline.training.model.encode import encode_captions
    from clip_pipeline.training.model.precision import autocast, reproducible_arithmetic

    config, of_bytes = config_of(kind), ByteTokenizer(128)
    encode: Any = of_bytes.encode
    if KINDS[kind] is None:
        made = load_tokenizer(tokenizer)
        config, encode = with_tokenizer(config, made.vocab_size, made.pad_id, made.end_id), made.encode
    tokens_BL = torch.from_numpy(encode(captions, context_length_of(config))).long()
    torch.manual_seed(SEED)
    model = build_model(config).train()
    weights = [weight for name, weight in model.named_parameters() if not name.startswith("visual")]

    def forward() -> None:
        with torch.no_grad(), autocast("cpu", "bf16"):
            encode_captions(model, tokens_BL, parts)

    def step() -> None:
        for weight in weights:
            weight.grad = None
        with reproducible_arithmetic(SEED, "cpu", 1):
            with autocast("cpu", "bf16"):
                vectors_BD = encode_captions(model, tokens_BL, parts)
            vectors_BD[:, ::2].square().sum().backward()

    return dict(zip(MEASURES, (forward, step), strict=True))


def measured(works: dict[str, dict[str, Callable[[], None]]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """By measure and kind, ms a caption in each round; one round more is taken first and left out."""
    found: dict[str, dict[str, list[float]]] = {measure: {kind: [] for kind in works} for measure in MEASURES}
    chance = random.Random(SEED)
    for number in range(rounds + 1):
        for kind in chance.sample(list(works), len(works)):
            for measure, work in works[kind].items():
                began = time.process_time()
                work()
                if number:
                    found[measure][kind].append((time.process_time() - began) * 1000 / BATCH)
    return found


def times_table(found: dict[str, dict[str, list[float]]], beside: str) -> str:
    """Markdown: medians, how many times as long as `beside`, the least and the largest; the ratio is the median of those of the rounds."""
    lines = [f"| ms a caption | {' | '.join(MEASURES)} |", "|---" * (len(MEASURES) + 1) + "|"]
    for kind in found[MEASURES[0]]:
        cells = []
        for measure in MEASURES:
            times = found[measure][kind]
            ratio = statistics.median(one / other for one, other in zip(times, found[measure][beside], strict=True))
            cells.append(f"{statistics.median(times):.3f}, {ratio:.2f}× ({min(times):.3f} to {max(times):.3f})")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def take_times(options: argparse.Namespace, photos: Sequence[Photo], scratch: Path) -> dict[str, Any]:
    """Every kind, cut into one part and into --parts; prints their table."""
    import torch

    torch.set_num_threads(1)
    tokenizer = tokenizer_of(photos, scratch)
    all_captions = [caption for photo in photos for caption in photo.captions]
    captions = random.Random(SEED).sample(all_captions, BATCH)
    works = {
        f"{kind}, {parts} part{'s' * (parts > 1)}": works_of(kind, captions, tokenizer, parts)
        for kind in options.kinds
        for parts in sorted({1, options.parts})
    }
    found = measured(works, options.rounds)
    print(times_table(found, f"{options.kinds[0]}, {options.parts} part{'s' * (options.parts > 1)}"))
    return found


# ---- recall


def trained(kind: str, seed: int, options: argparse.Namespace, photos: Sequence[Photo], scratch: Path) -> Path:
    """The folder of a trained model; prints the processor minutes that it took."""
    import pyarrow as pa

    from clip_pipeline.records import IMAGE_TEXT_PAIRS
    from clip_pipeline.settings import ComputeSettings
    from clip_pipeline.settings.recipes import LAPTOP
    from clip_pipeline.text.captions import clean_caption
    from clip_pipeline.training.train import train_clip

    tokenizer = scratch / "tokenizer"
    if not tokenizer.is_dir():
        tokenizer_of(photos, scratch)
    config = scratch / f"{kind}.json"
    config.write_text(json.dumps(config_of(kind)))
    rows = [
        {"photo_id": photo.name, "shard": "00000", "key": photo.name, "caption_index": index, "caption": clean_caption(caption),
         "split": "train", "group": photo.name, "width": 128, "height": 128}
        for photo in photos
        for index, caption in enumerate(photo.captions)
    ]  # fmt: skip
    settings = replace(LAPTOP.training, model=str(config), captions_per_photo=2, epochs=options.epochs, seed=seed)
    began = time.process_time()
    facts = train_clip(
        pa.Table.from_pylist(rows, IMAGE_TEXT_PAIRS),
        ((photo.name, photo.content) for photo in photos),
        tokenizer if KINDS[kind] is None else None,
        settings,
        ComputeSettings(device="cpu", threads=1, workers=1),
        scratch / f"{kind}_{seed}_work",
        scratch / f"{kind}_{seed}",
    )
    minutes = (time.process_time() - began) / 60
    loss = facts["final_train_loss"]
    print(
        f"{kind}, seed {seed}: {facts['steps']:,} steps, {minutes:.1f} processor minutes, loss {loss:.3f}", flush=True
    )
    return scratch / f"{kind}_{seed}"


def recall(folder: Path, photos: Sequence[Photo]) -> dict[str, Any]:
    """Recall of both directions, and its hits by photo: what intervals are of."""
    import numpy as np

    from clip_pipeline.embedding.encode import embed_images, embed_texts
    from clip_pipeline.evaluation.retrieval import image_to_text_ranks, text_to_image_ranks
    from clip_pipeline.models.folder import load_model_folder

    model, preprocess, tokenizer = load_model_folder(folder)
    images = embed_images(model, preprocess, ((photo.name, photo.content) for photo in photos)).matrix_ND
    texts = embed_texts(model, tokenizer, [caption for photo in photos for caption in photo.captions])
    owners = np.repeat(np.arange(len(photos)), [len(photo.captions) for photo in photos])
    of_text, _ = text_to_image_ranks(images, texts, owners)
    of_image, _ = image_to_text_ranks(images, texts, owners)
    hits = np.bincount(owners, weights=of_text < RECALL_AT) / np.bincount(owners)
    return {"text → image": hits, "image → text": (of_image < RECALL_AT).astype(float)}


def interval(values: Any) -> tuple[float, float, float]:
    """(mean, lowest, highest) of shares by photo, or of differences of such, in percent; 95 % of 1,000 resamples of the photos."""
    import numpy as np

    from clip_pipeline.evaluation.statistics.bootstrap import interval as middle
    from clip_pipeline.evaluation.statistics.bootstrap import resampled_sums

    shares = np.asarray(values, np.float64)
    low, high = middle(resampled_sums(shares[:, None], 1000, SEED)[:, 0] / len(shares))
    return 100 * float(shares.mean()), 100 * low, 100 * high


def take_scores(
    options: argparse.Namespace, photos: Sequence[Photo], test: Sequence[Photo], scratch: Path
) -> dict[str, Any]:
    """Trains and scores every kind and seed; prints recall, what mistakes cost, and both beside the first kind."""
    texts = {"as written": test, "mistyped": with_mistyped(test, options.mistyped)}
    found: dict[str, Any] = {}
    for seed in options.seeds:
        for kind in options.kinds:
            folder = trained(kind, seed, options, photos, scratch)
            for form, shown in texts.items():
                for way, hits in recall(folder, shown).items():
                    found.setdefault(way, {}).setdefault(kind, {}).setdefault(form, []).append(hits)
            print(scores_table(found, options.kinds), flush=True)
    return {way: {kind: {form: [interval(one) for one in hits] for form, hits in forms.items()} for kind, forms in kinds.items()} for way, kinds in found.items()}  # fmt: skip


def scores_table(found: dict[str, Any], kinds: Sequence[str]) -> str:
    """Markdown: recall@10 in percent with intervals, the mean over the seeds that all kinds have had; differences are paired by photo."""
    import numpy as np

    def cell(values: Any) -> str:
        mean, low, high = interval(values)
        return f"{mean:.1f} ({low:.1f} to {high:.1f})"

    lines = [
        "| recall@10, percent | as written | mistyped | lost by mistakes | as written, beside the first |",
        "|---|---|---|---|---|",
    ]
    for way, of_kinds in found.items():
        seeds = min(len(of_kinds.get(kind, {}).get("mistyped", ())) for kind in kinds if kind in of_kinds)
        means = {
            kind: {form: np.mean(hits[:seeds], axis=0) for form, hits in forms.items()}
            for kind, forms in of_kinds.items()
        }
        for kind, forms in means.items():
            right, wrong = forms["as written"], forms["mistyped"]
            beside = "–" if kind == kinds[0] else cell(right - means[kinds[0]]["as written"])
            lines.append(f"| {way}, {kind} | {cell(right)} | {cell(wrong)} | {cell(right - wrong)} | {beside} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measures what the options say."""
    from clip_pipeline.storage.scratch import scratch_folder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="tar of Flickr8k, with its text files")
    parser.add_argument("--photos", type=int, default=0, help="photos of each split; 0 takes all")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[BPE, "bytes"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parts", type=int, default=4, help="parts of like length that a batch is cut into")
    parser.add_argument("--epochs", type=int, default=0, help="of a training; 0 takes times instead")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--mistyped", type=float, default=0.1, help="share of the words")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    splits = read_flickr8k(options.photos_from, ["train", "test"])
    photos, test = (splits[split][: options.photos or None] for split in ("train", "test"))
    with scratch_folder("text_encoders_benchmark") as scratch:
        found = take_scores(options, photos, test, scratch) if options.epochs else take_times(options, photos, scratch)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
