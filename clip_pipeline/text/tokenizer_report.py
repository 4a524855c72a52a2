"""How well a tokenizer fits the captions: in numbers, in sentences, in a figure."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.text.bpe import byte_letters

if TYPE_CHECKING:
    from clip_pipeline.text.tokenizer import CaptionTokenizer

logger = logging.getLogger(__name__)

CAPTIONS_AT_A_TIME = 10_000
TOKENS_SHOWN = 20
WHOLE_SHARE = 0.99
"""The context that is proposed holds this share of the captions whole."""

REPORT_FILE, FIGURE_FILE = "report.json", "lengths.png"


def describe_tokenizer(
    tokenizer: CaptionTokenizer, captions: Iterable[str], context_length: int, asked_tokens: int | None = None
) -> dict[str, Any]:
    """Facts of a tokenizer on the captions, as JSON values.

    asked_tokens: the vocabulary that was asked for, where it was learned. Keys:
    tokens, merges (None for a tokenizer that is no BPE); captions, tokens_per_caption (mean, both ends included),
    longest_caption, characters_per_token, unknown_rate (share of the tokens between the ends, 0..1), cut_captions (share
    0..1 that does not fit), context_length, context_for_99_percent; length_counts ({tokens: captions}); common_merges and
    longest_tokens ([[text, occurrences], ...]); warnings (sentences about what is lost), notes (sentences about what is not).
    """
    import numpy as np

    backend = tokenizer.backend
    used = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    lengths: Counter[int] = Counter()
    characters = 0
    lines = iter(captions)
    while chunk := list(islice(lines, CAPTIONS_AT_A_TIME)):
        characters += sum(map(len, chunk))
        encoded = [encoding.ids for encoding in backend.encode_batch_fast(chunk)]
        lengths.update(map(len, encoded))
        used += np.bincount(np.concatenate(encoded), minlength=tokenizer.vocab_size)
    total = lengths.total()
    used[[tokenizer.start_id, tokenizer.end_id]] -= total  # the ends of each caption; GPT-2's start may also be text
    inside = max(int(used.sum()), 1)
    unknown = 0 if tokenizer.unknown_id is None else int(used[tokenizer.unknown_id])
    ordered = sorted(lengths)
    model = json.loads(backend.to_str())["model"]
    specials = {number for number, token in backend.get_added_tokens_decoder().items() if token.special}
    facts: dict[str, Any] = {
        "tokens": tokenizer.vocab_size,
        "merges": len(model["merges"]) if "merges" in model else None,
        "captions": total,
        "tokens_per_caption": round(sum(length * count for length, count in lengths.items()) / total, 3),
        "longest_caption": ordered[-1],
        "characters_per_token": round(characters / inside, 3),
        "unknown_rate": round(unknown / inside, 6),
        "context_length": context_length,
        "cut_captions": round(sum(count for length, count in lengths.items() if length > context_length) / total, 5),
        "context_for_99_percent": next(
            length
            for length, whole in zip(ordered, accumulate(lengths[length] for length in ordered), strict=True)
            if whole >= WHOLE_SHARE * total
        ),
        "length_counts": {str(length): lengths[length] for length in ordered},
        **_tokens_worth_showing(backend, used, specials),
    }
    facts["warnings"], facts["notes"] = _warnings(facts, asked_tokens), _notes(facts, asked_tokens)
    logger.info(
        "%s tokens, %s captions: %s tokens a caption, %s characters a token",
        *(f"{facts['tokens']:,}", f"{total:,}", facts["tokens_per_caption"], facts["characters_per_token"]),
    )
    return facts


def _tokens_worth_showing(backend: Any, used: Any, specials: set[int]) -> dict[str, list[list[Any]]]:
    """Of the tokens that are more than one character: those that the captions use most, and the longest."""
    letters = byte_letters()
    texts = {
        number: text
        for token, number in backend.get_vocab().items()
        if number not in specials and len((text := _token_text(token, letters)).strip()) > 1
    }
    common = sorted((number for number in texts if used[number]), key=lambda number: (-used[number], number))
    longest = sorted(texts, key=lambda number: (-len(texts[number].strip()), number))
    return {
        "common_merges": [[texts[number], int(used[number])] for number in common[:TOKENS_SHOWN]],
        "longest_tokens": [[texts[number], int(used[number])] for number in longest[:TOKENS_SHOWN]],
    }


def _token_text(token: str, letters: dict[str, int]) -> str:
    """What a token stands for: the bytes behind a byte-level token, else the token as it is written, but for its marks."""
    token = token.removesuffix("</w>").removeprefix("##").replace("▁", " ")
    if all(letter in letters for letter in token):
        return bytes(letters[letter] for letter in token).decode("utf-8", errors="replace")
    return token


def _warnings(facts: dict[str, Any], asked_tokens: int | None) -> list[str]:
    sentences = []
    or_more_tokens = "" if asked_tokens is None else ", or raise tokenizer.vocab_size"
    if facts["cut_captions"] > 0:
        sentences.append(
            f"{_percent(facts['cut_captions'])} of the captions have more than {facts['context_length']} tokens and lose their end; "
            f"the longest has {facts['longest_caption']:,}. A context of {facts['context_for_99_percent']} holds 99 % of them "
            f"whole: set training.context_length to it{or_more_tokens}."
        )
    if facts["unknown_rate"] > 0:
        sentences.append(
            f"{_percent(facts['unknown_rate'])} of the tokens are the unknown one: the tokenizer lacks characters of these captions. "
            "tokenizer.kind=bpe knows every character."
        )
    return sentences


def _notes(facts: dict[str, Any], asked_tokens: int | None) -> list[str]:
    if asked_tokens is None or facts["tokens"] >= asked_tokens:
        return []
    return [
        f"{asked_tokens:,} tokens were asked for, the captions give {facts['tokens']:,}: no other pair occurs often enough. "
        "Lower tokenizer.min_frequency, or be content: the model gets as many rows as there are tokens."
    ]


def report_text(facts: dict[str, Any]) -> str:
    """The report for a terminal."""
    common = [f"{text.strip()} {count:,}" for text, count in facts["common_merges"][:10]]
    longest = dict.fromkeys(text.strip() for text, _ in facts["longest_tokens"])  # with and without a leading space
    lines = [
        f"{facts['tokens']:,} tokens" + (f", {facts['merges']:,} merges" if facts["merges"] is not None else ""),
        f"{facts['captions']:,} captions: {facts['tokens_per_caption']:.1f} tokens each with both ends, "
        f"{facts['longest_caption']:,} the longest, {_percent(facts['cut_captions'])} cut at {facts['context_length']}",
        f"{facts['characters_per_token']:.2f} characters a token, {_percent(facts['unknown_rate'])} unknown",
        f"most used merges:  {', '.join(common)}",
        f"longest tokens:    {', '.join(list(longest)[:10])}",
        "captions by length in tokens:",
        *_bars(facts),
        *(f"Note: {sentence}" for sentence in [*facts["warnings"], *facts["notes"]]),
    ]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def length_bins(facts: dict[str, Any], most: int) -> list[tuple[int, int, int]]:
    """(first length, last length, captions) in about `most` bins; one begins just above the context length.

    The few captions far beyond it are in the last bin, so that one of 5,000 tokens leaves an image of the others.
    """
    context, longest = facts["context_length"], facts["longest_caption"]
    limit = min(longest, max(4 * context, facts["context_for_99_percent"]))
    counts: Counter[int] = Counter()
    for length, count in facts["length_counts"].items():
        counts[min(int(length), limit)] += count
    width = max(1, -(-limit // most))
    first = context + 1 - width * (-(-context // width))
    bins: list[tuple[int, int, int]] = []
    for low in range(first, limit + 1, width):
        inside = sum(counts[length] for length in range(low, low + width))
        if bins or inside:
            bins.append((max(low, 1), low + width - 1, inside))
    low, high, inside = bins[-1]
    bins[-1] = (low, max(high, longest), inside)
    return bins


def _bars(facts: dict[str, Any]) -> list[str]:
    bins = length_bins(facts, 16)
    largest = max(count for _, _, count in bins)
    lines = []
    for low, high, count in bins:
        name = f"{low}" if low == high else f"{low}-{high}"
        cut = "  cut" if low > facts["context_length"] else ""
        lines.append(f"  {name:>9} {'█' * round(40 * count / largest):<40} {count:>9,}{cut}")
    return lines


def write_report(facts: dict[str, Any], folder: Path) -> None:
    """Writes report.json and lengths.png: a histogram of the captions' lengths against the context length."""
    from matplotlib.figure import Figure

    (folder / REPORT_FILE).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    bins, context = length_bins(facts, 48), facts["context_length"]
    if len(bins) > 2:
        low, _, inside = bins[-1]
        bins[-1] = (low, low + bins[1][1] - bins[1][0], inside)  # drawn as wide as the others
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for kept, colour, name in ((True, "#3b6ea5", "whole"), (False, "#c44e52", "cut")):
        shown = [(low, high, count) for low, high, count in bins if (high <= context) is kept]
        if shown:
            axes.bar(
                [(low + high) / 2 for low, high, _ in shown],
                [count for _, _, count in shown],
                width=[0.9 * (high - low + 1) for low, high, _ in shown],
                color=colour,
                label=f"{name}: {_percent(sum(count for _, _, count in shown) / facts['captions'])}",
            )
    axes.axvline(context + 0.5, color="#444444", linewidth=1, linestyle="--", label=f"context length {context}")
    axes.set_xlim(left=0)
    axes.set_xlabel("tokens of a caption, both ends included")
    axes.set_ylabel("captions")
    axes.set_title(
        f"{facts['captions']:,} captions: {facts['tokens_per_caption']:.1f} tokens each, "
        f"{facts['characters_per_token']:.2f} characters a token",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside lower center", ncols=3)  # beside the bars it would hide the context line
    figure.savefig(folder / FIGURE_FILE, dpi=120, metadata={"Software": None})
