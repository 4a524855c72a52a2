"""Named sets of settings, and the one home of their defaults.

A `Recipe` is a tree of small frozen dataclasses, one a stage. Recipes derive from one another with `dataclasses.replace`;
a user changes single fields with `--set stage.field=value` (`with_settings`). Nothing else in the package holds a default.

Every field has a help text. A field marked `speed` cannot change an artifact's bytes (worker counts, device), so it
stays out of fingerprints.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field, replace
from typing import Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.plans import plan_assignments


def setting(default: Any, help: str, *, choices: tuple[str, ...] = (), low=None, high=None, speed: bool = False) -> Any:
    """A field with a default, a sentence of help, and the limits that are checked on construction."""
    metadata = {"help": help, "choices": choices, "low": low, "high": high, "speed": speed}
    return field(default=default, metadata=metadata)


PLAN_SETTING = "training.plan"
SECTION_NAMES: dict[type, str] = {}  # filled below, once the sections are known


class CheckedSettings:
    """Base of the settings: checks each field against its limits when a value is made."""

    def __post_init__(self) -> None:
        section = SECTION_NAMES.get(type(self), type(self).__name__)
        for spec in dataclasses.fields(self):  # type: ignore[arg-type]
            _check_value(f"{section}.{spec.name}", getattr(self, spec.name), spec.metadata)


def _check_value(name: str, value: Any, limits: typing.Mapping[str, Any]) -> None:
    choices, low, high = limits.get("choices", ()), limits.get("low"), limits.get("high")
    if choices and value not in choices:
        raise SettingsError(f"{name} is {value!r}. {nearest_name(str(value), choices)}")
    if low is not None and value < low:
        raise SettingsError(f"{name} is {value}, the least that works is {low}.")
    if high is not None and value > high:
        raise SettingsError(f"{name} is {value}, the most that works is {high}.")


@dataclass(frozen=True)
class WikipediaSettings(CheckedSettings):
    """Where the words come from."""

    dump: str = setting(
        "sandbox",
        "A dump (.xml, .bz2, .xz, .gz; HTML as .jsonl, .ndjson, .tar.gz or .html): a file, a folder or a pattern. "
        "Or sandbox, mirror or api as below.",
    )
    mirror: str = setting("", "Base url of a Wikimedia dump mirror, used when dump is mirror.")
    wiki: str = setting("enwiki", "Database name of the wiki on the mirror, such as enwiki or simplewiki.")
    date: str = setting("latest", "Dump date on the mirror as YYYYMMDD, or latest.")
    parts: int = setting(4, "Parts that a multistream dump is cut into; each is one partition.", low=1, high=500)
    api: str = setting("https://en.wikipedia.org/w/api.php", "Address of the MediaWiki API, used when dump is api.")
    titles: str = setting("", "Articles read through the API: a file with one title a line, or titles separated by |.")
    category: str = setting("", "Category whose articles are read through the API, such as Birds.")
    category_depth: int = setting(0, "Levels of subcategories followed below the category.", low=0, high=10)


@dataclass(frozen=True)
class WordsSettings(CheckedSettings):
    """Which words are kept."""

    rules: str = setting(
        "plain",
        "What a word is: plain, or wikipedia-word-frequency for the rules of the well-known list of that name.",
        choices=("plain", "wikipedia-word-frequency"),
    )
    min_count: int = setting(100, "Words that occur at most this often are dropped.", low=0)
    min_documents: int = setting(
        0, "Words that occur in fewer articles are dropped; the rules of the well-known list ask for 3.", low=0
    )
    min_length: int = setting(2, "Shortest word kept, in letters.", low=1)
    script: str = setting(
        "english",
        "Letters that words are made of: english for a to z, latin for accents too, another script, or any.",
        choices=(
            *("english", "latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "tamil", "thai"),
            *("georgian", "armenian", "hangul", "kana", "han", "any"),
        ),
    )
    digits: bool = setting(False, "Keep words with digits inside, such as mp3.")
    proper_nouns: bool = setting(True, "Keep words that are written with a capital 95 times of 100, such as names.")
    stop_words: str = setting(
        "en",
        "Function words to drop (the, of, and ...): languages such as de,en (of de, en, es, fr, it, nl, pl, pt, ru, sv), a "
        "file with one a line, or none.",
    )
    order: str = setting(
        "frequent",
        "The most useful words first: frequent in the text, or pictured, frequent in the captions of its pictures.",
        choices=("frequent", "pictured"),
    )
    max_words: int = setting(0, "Keep only this many of the first words in that order; 0 keeps all.", low=0)


@dataclass(frozen=True)
class LinksSettings(CheckedSettings):
    """Where photos come from, and how many a word."""

    source: str = setting(
        "sandbox",
        "sandbox, unsplash (live API), unsplash_dataset (its files), folder (your photos), tars (webdataset) or url_list.",
        choices=("sandbox", "unsplash", "unsplash_dataset", "folder", "tars", "url_list"),
    )
    path: str = setting("", "The folder of photos, of tars or of the Unsplash Dataset, or the url list file.")
    captions: str = setting(
        "", "Caption file for a folder: CSV, TSV, JSONL or Flickr8k tokens. Empty: looked for in the folder."
    )
    splits: str = setting("", 'The source\'s own splits: "train=FILE,validation=FILE,test=FILE", one file name a line.')
    buckets: int = setting(8, "Partitions of the words, by a stable hash.", low=1, high=500)
    photos_per_word: int = setting(
        6000, "Most photos taken for a word; the search itself ends at 6,000.", low=1, high=6000
    )
    per_page: int = setting(30, "Photos a page of the search.", low=1, high=30)
    min_confidence: float = setting(
        30.0,
        "Keywords of the Unsplash Dataset that its services are less sure of are left out, in percent.",
        low=0,
        high=100,
    )
    max_requests: int = setting(
        0, "Most requests to the search for the whole vocabulary, spent on its first words; 0 is no limit.", low=0
    )
    requests_per_hour: int = setting(
        0,
        "Requests that your key has an hour (demo 50, production 5,000); 0 learns it from the answers.",
        low=0,
        speed=True,
    )
    ledger: str = setting(
        "",
        "File that keeps count of requests, to share between data folders; empty is one in the data folder.",
        speed=True,
    )
    count_downloads: bool = setting(
        True, "Tell Unsplash once of each photo that is kept, as its terms ask.", speed=True
    )
    accept_terms: bool = setting(False, "You have read the Unsplash API terms and have permission to use it this way.")
    longest_wait: float = setting(
        3700.0, "Longest wait for the request budget to come back, in seconds.", low=0, speed=True
    )


@dataclass(frozen=True)
class DownloadSettings(CheckedSettings):
    """How photos are fetched and stored."""

    photos_per_shard: int = setting(1000, "Most photos a shard aims at.", low=10)
    resize: str = setting(
        "shorter_side",
        "How image_size is meant: shorter_side, longest_side, crop (a square from the middle), pad (a square with white "
        "bars), squash (a square, bent), or original for the bytes as they came, EXIF and place included.",
        choices=("shorter_side", "longest_side", "crop", "pad", "squash", "original"),
    )
    image_size: int = setting(256, "Side of the stored JPEG that resize speaks of, in pixels.", low=16)
    only_if_bigger: bool = setting(True, "Leave smaller photos as they are instead of enlarging them.")
    quality: int = setting(90, "JPEG quality of the stored photo.", low=1, high=100)
    request_width: int = setting(
        0, "Width asked of an image server that can resize (w=), in pixels; 0 asks for the original.", low=0
    )
    min_side: int = setting(32, "Photos whose shorter side is below this are rejected, in pixels.", low=1)
    max_bytes: int = setting(30_000_000, "Largest download, in bytes.", low=1000)
    max_pixels: int = setting(100_000_000, "Largest photo decoded, in pixels.", low=1000)
    deadline: float = setting(20.0, "Longest time for one photo, all bytes included, in seconds.", low=0.1)
    retries: int = setting(2, "Further tries after a failure that may pass.", low=0, high=10)
    connections: int = setting(16, "Downloads at a time.", low=1, high=256, speed=True)
    connections_per_host: int = setting(16, "Downloads at a time from one host.", low=1, high=256, speed=True)
    host_rate: float = setting(
        0.0, "Most requests a second to one host; 0 is no limit but the host's own.", low=0, speed=True
    )
    robots_txt: bool = setting(True, "Leave out photos that their host's robots.txt forbids to robots.")
    robots_header: bool = setting(
        True, "Leave out photos whose answer says noai, noimageai, noindex or noimageindex (X-Robots-Tag)."
    )
    reuse: bool = setting(
        True,
        "When a shard is built again, take what the old one holds, and ask again only where a failure may have passed.",
        speed=True,
    )
    contact: str = setting(
        "", "Your e-mail or page, sent in the User-Agent so that a site's owner can reach you.", speed=True
    )


@dataclass(frozen=True)
class PairsSettings(CheckedSettings):
    """Which pairs are valid, and how they are split."""

    validation_percent: float = setting(4.0, "Share of the photos for validation, in percent.", low=0, high=50)
    test_percent: float = setting(8.0, "Share of the photos for the test, in percent.", low=0, high=50)
    min_caption_words: int = setting(2, "Captions with fewer words are dropped.", low=1)
    max_caption_words: int = setting(0, "Captions with more words are dropped; 0 keeps all.", low=0)
    max_caption_chars: int = setting(400, "Longer captions are cut at a word, in characters.", low=10)
    caption_script: str = setting(
        "any",
        "Script that most letters of a caption must be in; any keeps all.",
        choices=(
            *("latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "tamil", "thai"),
            *("georgian", "armenian", "hangul", "kana", "han", "any"),
        ),
    )
    caption_language: str = setting(
        "any", "Language that captions must be in, told by its function words, such as en; any keeps all."
    )
    max_caption_photos: int = setting(
        0, "Captions that more photos share than this are dropped, as file names and slogans are; 0 keeps all.", low=0
    )
    min_side: int = setting(0, "Photos whose original's shorter side is below this are dropped, in pixels.", low=0)
    max_aspect: float = setting(
        0.0, "Photos whose longer side is more than this many times the shorter are dropped; 0 keeps all.", low=0
    )
    max_text_share: float = setting(
        1.0, "Photos that show text on more than this share of their area are dropped; 1 keeps all.", low=0, high=1
    )
    duplicate_bits: int = setting(
        4, "Photos whose perceptual hashes differ in at most this many of 64 bits are near-duplicates.", low=0, high=16
    )
    seed: int = setting(0, "Seed of the split.")


@dataclass(frozen=True)
class TokenizerSettings(CheckedSettings):
    """How texts become numbers."""

    kind: str = setting(
        "bpe",
        "bpe learns a byte-level BPE from the captions; clip is CLIP's own, of 49,408 tokens; anything else is a tokenizer "
        "of Hugging Face, by name or folder.",
    )
    vocab_size: int = setting(20_000, "Tokens of bpe, the 256 bytes and three special tokens included.", low=259)
    min_frequency: int = setting(2, "Pairs seen less often are not merged by bpe.", low=1)


@dataclass(frozen=True)
class TrainingSettings(CheckedSettings):
    """The model and how it is trained."""

    plan: str = setting(
        "", "A published training whose settings are taken before your own: a name of training/plans/, or a JSON file."
    )
    model: str = setting("sandbox_small", "Name of a configuration in models/configs/, or a path to one.")
    epochs: float = setting(10.0, "Passes over the training photos.", low=0.001)
    steps: int = setting(0, "Length of the training in steps instead of epochs; 0 takes the epochs.", low=0)
    samples: int = setting(0, "Length in pairs seen instead of epochs; 0 takes the epochs.", low=0)
    batch_size: int = setting(256, "Pairs a step; the contrastive loss compares all of them.", low=2)
    chunk_size: int = setting(
        0,
        "Pairs whose activations are in memory at a time; each chunk goes through the towers twice, and the gradient is "
        "that of the whole batch. 0 takes the batch at once.",
        low=0,
    )
    repeat_captions: str = setting(
        "never",
        "Captions that read the same in one batch, each of them a wrong answer to the other: never, unavoidable (only "
        "where nothing else is left), or free.",
        choices=("never", "unavoidable", "free"),
    )
    loss: str = setting(
        "softmax",
        "softmax (CLIP's, over the batch) or sigmoid (SigLIP's, a yes or no for each pair).",
        choices=("softmax", "sigmoid"),
    )
    learning_rate: float = setting(1e-3, "Peak learning rate of AdamW.", low=1e-9, high=1.0)
    warmup_percent: float = setting(
        5.0, "Share of the steps with a linearly rising learning rate, in percent.", low=0, high=100
    )
    warmup_steps: int = setting(0, "Warmup in steps instead of percent; 0 takes the percent.", low=0)
    schedule: str = setting(
        "cosine",
        "Learning rate after the warmup: cosine or linear (falling to the end), constant, or cooldown (constant, then a "
        "linear fall over the last cooldown_percent of the steps).",
        choices=("cosine", "linear", "constant", "cooldown"),
    )
    cooldown_percent: float = setting(20.0, "Share of the steps in the cooldown, in percent.", low=0, high=100)
    final_rate_percent: float = setting(
        1.0, "Learning rate at the end of the fall, in percent of the peak.", low=0, high=100
    )
    weight_decay: float = setting(0.2, "Weight decay, on matrices only.", low=0)
    beta_1: float = setting(0.9, "AdamW's first moment.", low=0, high=1)
    beta_2: float = setting(0.98, "AdamW's second moment.", low=0, high=1)
    epsilon: float = setting(1e-6, "AdamW's epsilon.", low=0)
    clip_norm: float = setting(1.0, "Gradients are scaled down to this norm; 0 leaves them.", low=0)
    label_smoothing: float = setting(0.0, "Label smoothing of the softmax loss.", low=0, high=0.9)
    temperature: float = setting(
        0.0,
        "Temperature at the start, learned from there on; 0 is 0.07 for softmax and 0.1 for sigmoid.",
        low=0,
        high=1,
    )
    max_logit_scale: float = setting(100.0, "Cap of the inverse temperature.", low=1)
    patch_dropout: float = setting(
        0.0, "Share of the patches that a vision transformer leaves out while training.", low=0, high=0.95
    )
    freeze: str = setting(
        "none", "Tower whose weights stay as they are: none, picture or text.", choices=("none", "picture", "text")
    )
    freeze_norms: bool = setting(True, "Freeze the normalisation layers of that tower too.")
    start_from: str = setting(
        "", "Model folder to go on from, with its tokenizer and preprocessing, instead of random weights."
    )
    crop_scale: float = setting(
        1.0, "Smallest area of the random crop, as a fraction; 1 is no crop.", low=0.05, high=1.0
    )
    flip: bool = setting(False, "Mirror photos at random; wrong where captions say left and right.")
    colour_jitter: float = setting(0.0, "Strength of random brightness and contrast.", low=0, high=1)
    ema_decay: float = setting(
        0.0, "Decay of the averaged weights that are published; 0 publishes the last ones.", low=0, high=0.99999
    )
    word_loss: float = setting(
        0.0, "Weight of a second loss, guessing a caption's words from the picture alone; 0 is none.", low=0, high=10
    )
    shuffle_captions: bool = setting(False, "Control: give each photo a random caption. Scores must then be chance.")
    precision: str = setting(
        "fp32",
        "Arithmetic of the training: fp32, bf16, fp16 (with scaled gradients), or auto for bf16 where the processor has "
        "it built in.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    gradient_checkpointing: bool = setting(
        False, "Compute activations a second time instead of keeping them: less memory, a third more time."
    )
    compile: bool = setting(False, "Compile the towers with torch.compile: minutes at the start, faster steps.")
    seed: int = setting(0, "Seed of the weights, the order and the augmentation.")
    checkpoint_seconds: float = setting(
        30.0, "Time between two saved states that a killed run resumes from.", low=1, speed=True
    )
    checkpoint_steps: int = setting(
        0, "Steps between two saved states, besides the time; 0 is none.", low=0, speed=True
    )
    keep_checkpoints: int = setting(1, "Saved states kept while training, the latest ones.", low=1, speed=True)
    tensorboard: bool = setting(
        False, "Write the log for TensorBoard too; needs clip_pipeline[tensorboard].", speed=True
    )
    publish: str = setting(
        "last",
        "Weights that become the model: last, or best for those of the lowest validation loss.",
        choices=("last", "best"),
    )


@dataclass(frozen=True)
class EmbeddingSettings(CheckedSettings):
    """How embeddings are computed."""

    batch_size: int = setting(256, "Photos or texts at a time.", low=1, speed=True)


@dataclass(frozen=True)
class EvaluationSettings(CheckedSettings):
    """What is scored, and how sure the numbers are."""

    datasets: str = setting(
        "sandbox,held_out", "Datasets, by name or folder, separated by commas; held_out is the test split of the pairs."
    )
    bootstrap_samples: int = setting(1000, "Resamples behind each 95 % interval.", low=100)
    shuffle_labels: bool = setting(False, "Control: permute the labels. Scores must then be chance.")
    seed: int = setting(0, "Seed of the resampling.")


@dataclass(frozen=True)
class SandboxSettings(CheckedSettings):
    """The generated world."""

    seed: int = setting(0, "Another seed is another world.")
    photos: int = setting(9000, "Photos in the world.", low=50, high=200_000)
    articles: int = setting(1500, "Articles in the world's Wikipedia.", low=50, high=200_000)


@dataclass(frozen=True)
class ComputeSettings(CheckedSettings):
    """What the machine gives. None of it changes an artifact's bytes in a way that fingerprints record."""

    device: str = setting(
        "auto", "cpu, cuda, mps, or auto for the best there is.", choices=("auto", "cpu", "cuda", "mps"), speed=True
    )
    workers: int = setting(0, "Processes for counting and decoding; 0 is one a core.", low=0, high=256, speed=True)
    threads: int = setting(0, "Arithmetic threads; 0 is one a core.", low=0, high=256, speed=True)


@dataclass(frozen=True)
class Recipe:
    """All settings of one run of the pipeline."""

    name: str = "sandbox"
    about: str = ""
    wikipedia: WikipediaSettings = WikipediaSettings()
    words: WordsSettings = WordsSettings()
    links: LinksSettings = LinksSettings()
    download: DownloadSettings = DownloadSettings()
    pairs: PairsSettings = PairsSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    training: TrainingSettings = TrainingSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    sandbox: SandboxSettings = SandboxSettings()
    compute: ComputeSettings = ComputeSettings()


SECTIONS: dict[str, type] = {
    spec.name: type(spec.default) for spec in dataclasses.fields(Recipe) if dataclasses.is_dataclass(spec.default)
}
SECTION_NAMES.update({section: name for name, section in SECTIONS.items()})


def fingerprinted(section: Any) -> dict[str, Any]:
    """The fields of one settings section that can change an artifact's bytes."""
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section) if not f.metadata.get("speed")}


def with_settings(recipe: Recipe, assignments: list[str] | tuple[str, ...]) -> Recipe:
    """The recipe with `stage.field=value` assignments applied; those of a `training.plan` come first, the others on top.

    Raises SettingsError for an unknown stage or field (with the nearest right name), a value of the wrong type, or one
    outside its limits.
    """
    plans = [text.strip() for name, _, text in (a.partition("=") for a in assignments) if name.strip() == PLAN_SETTING]
    for plan in filter(None, plans[-1:]):
        for assignment in plan_assignments(plan):
            try:
                recipe = _with_setting(recipe, assignment)
            except SettingsError as error:
                raise SettingsError(f"The plan {plan}: {error}") from None
    for assignment in assignments:
        recipe = _with_setting(recipe, assignment)
    return recipe


def _with_setting(recipe: Recipe, assignment: str) -> Recipe:
    name, equals, text = assignment.partition("=")
    section_name, dot, field_name = name.strip().partition(".")
    if not (equals and dot):
        raise SettingsError(f'"{assignment}" is no setting. Write stage.field=value, such as words.min_count=50.')
    if section_name not in SECTIONS:
        raise SettingsError(
            f'There is no stage "{section_name}" in "{assignment}". {nearest_name(section_name, SECTIONS)}'
        )
    section = getattr(recipe, section_name)
    specs = {spec.name: spec for spec in dataclasses.fields(section)}
    if field_name not in specs:
        raise SettingsError(f'There is no setting "{section_name}.{field_name}". {nearest_name(field_name, specs)}')
    value = _parse_value(f"{section_name}.{field_name}", text.strip(), type(getattr(section, field_name)))
    return replace(recipe, **{section_name: replace(section, **{field_name: value})})


def _parse_value(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise SettingsError(f'{name} is "{text}", expected true or false.')
        return words[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise SettingsError(f'{name} is "{text}", expected {wanted}.') from None
    return text


def settings_text(recipe: Recipe) -> str:
    """The whole recipe as indented JSON, as it is written beside a model."""
    return json.dumps(dataclasses.asdict(recipe), indent=1, sort_keys=True)


# ---- the recipes; each derives from another

SANDBOX = Recipe(
    name="sandbox",
    about="The generated world, small enough for two cores and five minutes.",
    links=LinksSettings(photos_per_word=3000),
    download=DownloadSettings(image_size=64, request_width=96, photos_per_shard=1000),
    tokenizer=TokenizerSettings(vocab_size=1000),
    training=TrainingSettings(
        model="sandbox_small",
        epochs=14,
        batch_size=48,
        learning_rate=1.5e-3,
        warmup_percent=8,
        weight_decay=0.1,
        word_loss=3.0,
        precision="auto",
    ),
)

TINY = replace(
    SANDBOX,
    name="tiny",
    about="The generated world at the size of a test: seconds, and scores that mean nothing.",
    sandbox=SandboxSettings(photos=240, articles=120),
    wikipedia=WikipediaSettings(parts=2),
    words=WordsSettings(min_count=20),
    links=LinksSettings(buckets=2, photos_per_word=300),
    download=replace(SANDBOX.download, photos_per_shard=128),
    tokenizer=TokenizerSettings(vocab_size=400),
    training=TrainingSettings(model="tiny_test", epochs=2, batch_size=32),
    evaluation=EvaluationSettings(bootstrap_samples=100),
)

LAPTOP = Recipe(
    name="laptop",
    about="Your own dump and photos on a laptop without a GPU: thousands of photos, minutes.",
    links=LinksSettings(source="folder"),
    download=DownloadSettings(image_size=128, photos_per_shard=1000),
    tokenizer=TokenizerSettings(vocab_size=4000),
    training=TrainingSettings(
        model="laptop_small",
        epochs=32,
        batch_size=64,
        learning_rate=1e-3,
        weight_decay=0.3,
        crop_scale=0.4,
        flip=True,
        colour_jitter=0.3,
        label_smoothing=0.1,
        ema_decay=0.998,
        word_loss=3.0,
        precision="auto",
    ),
    evaluation=EvaluationSettings(datasets="held_out"),
)

WORKSTATION = replace(
    LAPTOP,
    name="workstation",
    about="One GPU: hundreds of thousands of photos, hours.",
    download=DownloadSettings(image_size=160, connections=64),
    tokenizer=TokenizerSettings(vocab_size=20_000),
    training=TrainingSettings(model="vit_s_16_112", epochs=30, batch_size=1024, learning_rate=5e-4, precision="bf16"),
)

WKIT24M = replace(
    WORKSTATION,
    name="wkit24m",
    about="Every word of English Wikipedia and the photos found for it, as WKIT-24M: a big GPU, days.",
    wikipedia=WikipediaSettings(dump="mirror", parts=200),
    words=WordsSettings(stop_words="none"),
    links=LinksSettings(source="unsplash", buckets=128),
    download=DownloadSettings(image_size=160, request_width=320, photos_per_shard=10_000, connections=64, min_side=112),
    training=TrainingSettings(
        model="vit_b_16_112", epochs=32, batch_size=1024, learning_rate=5e-4, warmup_percent=2, precision="bf16"
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (SANDBOX, TINY, LAPTOP, WORKSTATION, WKIT24M)}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises SettingsError with the nearest right name."""
    if name not in RECIPES:
        raise SettingsError(f'There is no recipe "{name}". {nearest_name(name, RECIPES)}')
    return RECIPES[name]
