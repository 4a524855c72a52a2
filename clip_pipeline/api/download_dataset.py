"""A benchmark dataset from its publisher, verified and unpacked."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.machine.progress import shown_progress


def download_dataset(
    dataset: str,
    folder: str | Path,
    *,
    accept_terms: bool = False,
    mirror: str = "",
    keep_archives: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Downloads a dataset into `folder`, verified by the publisher's checksums, unpacked and checked; returns photos by split.

    dataset: a name of the registry, or the address of a dataset in CLIP_benchmark's webdataset layout. accept_terms: you agree to the
    terms of a dataset that has some. mirror: a site that has the same files under the same names. keep_archives: leave them beside
    what is unpacked. progress: show bars on a terminal. A download that broke off goes on when it is called again. Raises
    DatasetError for an unknown one or one that may not be downloaded for you, MissingKeyError where terms were not accepted,
    SourceError, DiskError.
    """
    from clip_pipeline.evaluation.datasets import download, splits_of
    from clip_pipeline.evaluation.datasets.entry import find_entry
    from clip_pipeline.sources.benchmarks import download_benchmark

    folder = Path(folder)
    with shown_progress(progress):
        if dataset.startswith(("http://", "https://")):
            return dict(download_benchmark(dataset, folder, {}))
        opened = download.download_dataset(find_entry(dataset), folder, {}, mirror, accept_terms, keep_archives)
    return {split: opened.splits.count(split) for split in splits_of(opened)}
