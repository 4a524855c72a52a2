"""Settings from the words to the pairs, and of the generated world."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


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
        "The most useful words first: frequent in the text, or captioned, frequent in the captions of its images.",
        choices=("frequent", "captioned"),
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
    path: str = setting(
        "",
        "The folder of photos, of tars or of the Unsplash Dataset, or the url list file; tars also as a pattern such as "
        "tars/{00000..00012}.tar.",
    )
    captions: str = setting(
        "",
        "Caption files of a folder, with commas between: CSV, TSV, JSONL, Parquet, COCO's or Karpathy's JSON, Flickr8k's "
        "tokens. Empty: looked for in the folder.",
    )
    file_key: str = setting("", "Column of a caption file that names the photo. Empty: filepath, file_name, image, ...")
    caption_keys: str = setting(
        "",
        "Where captions are, with commas between: columns of a file, or of a tar's sample txt, json.prompt, ... Empty: "
        "wherever captions usually are.",
    )
    splits: str = setting(
        "",
        'The source\'s own splits: "train=FILE,validation=FILE,test=FILE", one file name a line; none for none. Empty: what '
        "the caption files say, or the lists beside Flickr8k's.",
    )
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
    max_wait: float = setting(
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
    min_similarity: float = setting(
        0.0,
        "Photos whose captions fit them less, by the similarity that LAION's lists give, are dropped (0.3 is LAION-400M's), "
        "before a list of urls is downloaded; 0 keeps all.",
        low=0,
        high=1,
    )
    allowed_nsfw: str = setting(
        "any",
        "What a list's column NSFW may say, such as UNLIKELY or UNLIKELY,UNSURE; any keeps all. Photos of which it says "
        "nothing are dropped too, here and below.",
    )
    max_unsafe: float = setting(
        1.0,
        "Photos that a list (punsafe) thinks unfit with more than this probability are dropped; 1 keeps all.",
        low=0,
        high=1,
    )
    max_watermark: float = setting(
        1.0,
        "Photos that a list (pwatermark) thinks watermarked with more than this probability are dropped; 1 keeps all.",
        low=0,
        high=1,
    )
    duplicate_bits: int = setting(
        4, "Photos whose perceptual hashes differ in at most this many of 64 bits are near-duplicates.", low=0, high=16
    )
    seed: int = setting(0, "Seed of the split.")


@dataclass(frozen=True)
class SandboxSettings(CheckedSettings):
    """The generated world."""

    seed: int = setting(0, "Another seed is another world.")
    photos: int = setting(9000, "Photos in the world.", low=50, high=200_000)
    articles: int = setting(1500, "Articles in the world's Wikipedia.", low=50, high=200_000)
