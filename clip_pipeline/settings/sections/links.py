"""The settings `links`: where photos come from, and how many a word."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


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
    per_page: int = setting(30, "Photos on one page of the search.", low=1, high=30)
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
