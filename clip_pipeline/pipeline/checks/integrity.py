"""Checks of what was built: integrity, which must hold before anything goes on, and quality, which a person should see.

Each check is a function of the workspace and of one partition of its asset, "" for an asset without. `evaluate.py` runs them after
each build; Dagster (`defs/checks.py`) shows them beside their asset.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from clip_pipeline.images.download.outage import lack_of
from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.checks.data import DATA_CHECKS
from clip_pipeline.pipeline.checks.model import MODEL_CHECKS
from clip_pipeline.pipeline.checks.scores import SCORE_CHECKS
from clip_pipeline.pipeline.checks.search import SEARCH_CHECKS
from clip_pipeline.pipeline.partitions import shard_keys
from clip_pipeline.pipeline.steps.adaptation import ADAPTATION_CHECKS
from clip_pipeline.pipeline.steps.language import LANGUAGE_CHECKS
from clip_pipeline.pipeline.workspace import Workspace

MAX_OF_ANOTHER_SCRIPT = 0.2
MAX_MISSING_CAPTIONS = 0.25
MAX_DECODE_FAILURES = 0.05
MAX_FAILED_DOWNLOADS = 0.15
CAPTIONS_TRIED = 500
MAX_CHANGED_CAPTIONS = 0.05
UNDECODED = ("not_an_image", "broken_image", "too_many_pixels", "too_costly")


def vocabulary_holds_words(workspace: Workspace, partition: str) -> CheckOutcome:
    artifact = workspace.get("vocabulary", partition)
    words = artifact.rows["words"]
    return CheckOutcome(words > 0, f"{words:,} words were kept; dropped: {artifact.facts['dropped']}", {"words": words})


def words_are_of_the_script(workspace: Workspace, partition: str) -> CheckOutcome:
    """Recipes are for English: of a German dump they drop every word with ä, ö, ü or ß."""
    script = workspace.recipe.words.script
    artifact = workspace.get("vocabulary", partition)
    by_reason = artifact.facts["dropped"]
    dropped = by_reason.get("other_script", by_reason.get(f"not_{script}", 0))  # as older vocabularies call it
    share = dropped / max(dropped + artifact.rows["words"], 1)
    found = f"{dropped:,} words were dropped because of other letters than those of words.script={script}, {share:.0%} of the words that were left by then"
    if share > MAX_OF_ANOTHER_SCRIPT:
        found += (
            ". For another language set words.script (latin for German, French, …) and words.stop_words (de, fr, …)"
        )
    return CheckOutcome(share <= MAX_OF_ANOTHER_SCRIPT, found, {"dropped": dropped, "share": share})


def photos_have_captions(workspace: Workspace, partition: str) -> CheckOutcome:
    import pyarrow.compute as pc

    captions = _read(workspace, "photo_catalog", "photos.parquet", ["captions"])["captions"]
    missing = pc.sum(pc.equal(pc.list_value_length(captions), 0)).as_py() or 0
    share = missing / max(len(captions), 1)
    found = f"{missing:,} of {len(captions):,} photos have no caption"
    return CheckOutcome(share <= MAX_MISSING_CAPTIONS, found, {"missing": missing, "share": share})


def shards_match_their_manifests(workspace: Workspace, shard: str) -> CheckOutcome:
    artifact = workspace.get("image_shards", shard)
    difference = workspace.store.verify(artifact, deep=True)
    found = difference or "every file has the bytes of its manifest"
    return CheckOutcome(not difference, found, {"files": len(artifact.manifest["files"])})


def photos_were_downloaded(workspace: Workspace, shard: str) -> CheckOutcome:
    statuses = _photo_statuses(workspace, shard)
    failed = statuses.total() - statuses["success"]
    share = failed / max(statuses.total(), 1)
    found = f"{failed:,} of {statuses.total():,} photos failed: {dict(statuses.most_common())}"
    return CheckOutcome(share <= MAX_FAILED_DOWNLOADS, found, {"failed": failed, "share": share})


def photos_could_be_had(workspace: Workspace, shard: str) -> CheckOutcome:
    lack = lack_of(workspace.get("image_shards", shard).facts)
    if lack is None:
        return CheckOutcome(True, "no photo failed for a reason that may pass", {"lacking": 0})
    found = f"{lack.photos:,} photos could not be had for now, such as {lack.example}; runs try again, {lack.tries} did so far"
    return CheckOutcome(False, found, {"lacking": lack.photos, "tries": lack.tries})


def photos_decode(workspace: Workspace, shard: str) -> CheckOutcome:
    statuses = _photo_statuses(workspace, shard)
    undecoded = sum(statuses[status] for status in UNDECODED)
    share = undecoded / max(statuses.total(), 1)
    found = f"{undecoded:,} of {statuses.total():,} photos could not be decoded"
    return CheckOutcome(share <= MAX_DECODE_FAILURES, found, {"undecoded": undecoded, "share": share})


def splits_share_nothing(workspace: Workspace, partition: str) -> CheckOutcome:
    pairs = _read(workspace, "image_text_pairs", "pairs.parquet", ["photo_id", "split", "group", "shard", "key"])
    sha256_of: dict[str, str] = {}
    for shard in shard_keys(workspace):
        table = _read(workspace, "image_shards", f"{shard}.parquet", ["id", "sha256"], shard)
        sha256_of.update(zip(table["id"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    leaks = 0
    for names in (
        pairs["group"].to_pylist(),
        pairs["photo_id"].to_pylist(),
        [sha256_of[photo] for photo in pairs["photo_id"].to_pylist()],
    ):
        splits_of: dict[str, set[str]] = {}
        for name, split in zip(names, pairs["split"].to_pylist(), strict=True):
            splits_of.setdefault(name, set()).add(split)
        leaks += sum(len(splits) > 1 for splits in splits_of.values())
    found = f"{leaks:,} photos, groups or files lie in more than one split"
    return CheckOutcome(leaks == 0, found, {"leaks": leaks})


def tokenizer_round_trips(workspace: Workspace, partition: str) -> CheckOutcome:
    """Our BPE gives each caption back in lower case. Another tokenizer may drop accents or move spaces; what it gives back
    has the same tokens again, but for captions with unknown characters."""
    from clip_pipeline.text.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(workspace.get("bpe_tokenizer").folder)
    captions = (
        workspace.get("caption_corpus")
        .file("captions.txt")
        .read_text(encoding="utf-8")
        .split("\n")[:-1][:CAPTIONS_TRIED]
    )
    longest = 4 * max((len(text.encode()) for text in captions), default=0) + 3  # both ends, and nothing is cut
    rows = tokenizer.encode(captions, longest)
    back = [tokenizer.decode(ids) for ids in rows]
    if workspace.recipe.tokenizer.kind == "bpe":
        wrong = [text for text, found in zip(captions, back, strict=True) if found != text.lower()]
        most = 0
    else:
        again = tokenizer.encode(back, longest)
        wrong = [text for text, one, two in zip(captions, rows, again, strict=True) if (one != two).any()]
        most = int(MAX_CHANGED_CAPTIONS * len(captions))
    found = f"{len(wrong)} of {len(captions)} captions change on the way to tokens and back"
    if wrong:
        found += f", such as {wrong[0]!r}"
    return CheckOutcome(
        bool(captions) and len(wrong) <= most, found, {"captions": len(captions), "changed": len(wrong)}
    )


def model_learnt(workspace: Workspace, partition: str) -> CheckOutcome:
    facts = workspace.get("clip_checkpoint", partition).facts
    guessing, losses = facts["guessing_loss"], {"trained": facts["final_train_loss"]}
    if facts["final_validation_loss"] is not None:
        losses["validation"] = facts["final_validation_loss"]
    found = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items()) + f"; guessing gives {guessing:.3f}"
    sentences = [found, *facts["warnings"]]
    return CheckOutcome(max(losses.values()) < guessing, ". ".join(sentences), {**losses, "guessing": guessing})


def image_embeddings_are_whole(workspace: Workspace, partition: str) -> CheckOutcome:
    return _embeddings_are_whole(workspace, "image_embeddings", "images", partition)


def text_embeddings_are_whole(workspace: Workspace, partition: str) -> CheckOutcome:
    return _embeddings_are_whole(workspace, "text_embeddings", "texts", partition)


def _embeddings_are_whole(workspace: Workspace, asset: str, name: str, partition: str) -> CheckOutcome:
    from clip_pipeline.embedding.store import read_embeddings
    from clip_pipeline.errors import ShapeError

    artifact = workspace.get(asset, partition)
    try:
        vectors = len(read_embeddings(artifact.folder, name)[1])
    except ShapeError as error:
        return CheckOutcome(False, f"{artifact.key}: {error}")
    found = f"{vectors:,} vectors are finite, of unit length, and have one key each"
    return CheckOutcome(vectors > 0, found, {"vectors": vectors})


def _read(workspace: Workspace, asset: str, name: str, columns: list[str], partition: str = "") -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(workspace.get(asset, partition).file(name), columns=columns)


def _photo_statuses(workspace: Workspace, shard: str) -> Counter[str]:
    return Counter(workspace.get("image_shards", shard).facts["status"])


CHECKS = (
    Check("vocabulary_holds_words", "vocabulary", "At least one word was kept.", True, vocabulary_holds_words),
    Check("words_are_of_the_script", "vocabulary", "Few words have letters of another script.", False, words_are_of_the_script),
    Check("photos_have_captions", "photo_catalog", "Few photos lack a caption.", False, photos_have_captions),
    Check("shards_match_their_manifests", "image_shards", "Every file has the bytes of its manifest.", True, shards_match_their_manifests),
    Check("photos_were_downloaded", "image_shards", "Few photos failed.", False, photos_were_downloaded),
    Check("photos_could_be_had", "image_shards", "No photo failed for a reason that may pass.", False, photos_could_be_had),
    Check("photos_decode", "image_shards", "Few photos could not be decoded.", False, photos_decode),
    Check("splits_share_nothing", "image_text_pairs", "No photo, near-duplicate or file is in two splits.", True, splits_share_nothing),
    Check("tokenizer_round_trips", "bpe_tokenizer", "Captions survive encoding and decoding.", True, tokenizer_round_trips),
    Check("model_learnt", "clip_checkpoint", "The losses are below that of guessing.", False, model_learnt),
    Check("image_embeddings_are_whole", "image_embeddings", "Unit length, finite, one key a vector.", True, image_embeddings_are_whole),
    Check("text_embeddings_are_whole", "text_embeddings", "Unit length, finite, one key a vector.", True, text_embeddings_are_whole),
    *MODEL_CHECKS,
    *SCORE_CHECKS,
    *DATA_CHECKS,
    *ADAPTATION_CHECKS,
    *SEARCH_CHECKS,
    *LANGUAGE_CHECKS,
)  # fmt: skip
