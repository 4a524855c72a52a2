"""How fast words are counted, beside bare decompression and beside gensim's WikiCorpus, in one run.

    python benchmarks/words.py --dump DUMP            # any multistream .bz2; its streams are repeated to --megabytes
    python benchmarks/words.py --dump DUMP --no-gensim --profile

Rounds alternate, so that a busy machine slows all alike: (1) the standard library's bz2 over the same streams in two
threads, nothing done with the text; (2) `count_part` and `merge_counts` with two workers, from the file to the sorted
table; (3) gensim's WikiCorpus with two processes, in an environment of its own (--environment, made where it is missing).
MB is a million bytes of XML. Prints medians, ratios, and whether the targets are met: 75 % of (1), 5 times (3).
"""

from __future__ import annotations

import argparse
import bz2
import itertools
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clip_pipeline.sources.wikimedia.dump_files import check_dump
from clip_pipeline.words.count import count_part
from clip_pipeline.words.sorted_runs import merge_counts

DEFAULT_DUMP = Path("../shared/data/wikipedia/derived_multistream/enwiki-sample-pages-articles-multistream.xml.bz2")
STREAM_START = re.compile(rb"BZh[1-9]1AY&SY")
TARGET_OF_BARE, TARGET_OF_GENSIM = 0.75, 5.0
GENSIM = """
import sys, time
from gensim.corpora import WikiCorpus
started = time.perf_counter()
words = sum(len(tokens) for tokens in WikiCorpus(sys.argv[1], processes=2, dictionary={}).get_texts())
print(time.perf_counter() - started, words)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", type=Path, default=DEFAULT_DUMP)
    parser.add_argument("--megabytes", type=float, default=150, help="XML to count, at least.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gensim-rounds", type=int, default=1)
    parser.add_argument("--no-gensim", action="store_true")
    parser.add_argument(
        "--environment", type=Path, help="Where gensim is or will be installed; default: a temporary one."
    )
    parser.add_argument("--profile", action="store_true", help="Show how our time is spent instead.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "repeated-pages-articles-multistream.xml.bz2"
        megabytes = repeat_streams(options.dump, path, options.megabytes)
        print(f"{megabytes:,.0f} MB of XML in {path.stat().st_size / 1e6:,.1f} MB of bz2, two workers")
        count_dump(path, 2)  # compiles, where nobody has before
        if options.profile:
            profile(path, megabytes)
            return
        seconds: dict[str, list[float]] = {"bare bz2": [], "words": [], "gensim": []}
        for round_ in range(options.rounds):
            seconds["bare bz2"].append(timed(decompress_in_two_threads, path))
            seconds["words"].append(timed(count_dump, path, 2))
            if not options.no_gensim and round_ < options.gensim_rounds:
                seconds["gensim"].append(time_gensim(path, options.environment or Path(folder) / "environment"))
        report(megabytes, {name: times for name, times in seconds.items() if times})


def repeat_streams(dump: Path, path: Path, megabytes: float) -> float:
    """Writes a dump whose streams of pages are repeated; returns its size when decompressed, in MB."""
    data = dump.read_bytes()
    starts = [match.start() for match in STREAM_START.finditer(data)]
    head, pages, foot = data[: starts[1]], data[starts[1] : starts[-1]], data[starts[-1] :]
    size = len(bz2.decompress(pages)) / 1e6
    times = int(megabytes / size) + 1
    path.write_bytes(head + pages * times + foot)
    return size * times


def streams_of(path: Path) -> list[bytes]:
    data = path.read_bytes()
    starts = [match.start() for match in STREAM_START.finditer(data)]
    return [data[start:end] for start, end in itertools.pairwise([*starts, len(data)])]


def decompress_in_two_threads(path: Path) -> None:
    """Every stream once, in turn; nothing is kept."""
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda stream: len(bz2.decompress(stream)), streams_of(path)):
            pass


def count_dump(path: Path, workers: int) -> None:
    """As `clip-pipeline words` does it."""
    run = path.with_name("counts.parquet")
    count_part(path, check_dump(path), run, workers=workers)
    merge_counts([run])


def timed(function, *arguments) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def time_gensim(path: Path, environment: Path) -> float:
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "gensim"], check=True)
    done = subprocess.run([python, "-c", GENSIM, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def report(megabytes: float, seconds: dict[str, list[float]]) -> None:
    rates = {name: megabytes / statistics.median(times) for name, times in seconds.items()}
    for name, times in seconds.items():
        print(f"{name:<10} {rates[name]:>8.1f} MB/s   rounds: {', '.join(f'{one:.2f} s' for one in times)}")
    targets = {"bare bz2": TARGET_OF_BARE, "gensim": TARGET_OF_GENSIM}
    for name, target in targets.items():
        if name in rates:
            ratio = rates["words"] / rates[name]
            print(f"words / {name}: {ratio:.2f} (target {target}: {'met' if ratio >= target else 'missed'})")


def profile(path: Path, megabytes: float) -> None:
    """CPU time of one thread: bare decompression, and the whole count; the difference is ours."""
    streams = streams_of(path)
    started = time.process_time()
    for stream in streams:
        bz2.decompress(stream)
    bare = time.process_time() - started
    started = time.process_time()
    count_dump(path, 1)
    whole = time.process_time() - started
    print(f"bare bz2    {1000 * bare / megabytes:6.2f} ms of CPU a MB")
    print(
        f"words       {1000 * whole / megabytes:6.2f} ms of CPU a MB, of which ours {1000 * (whole - bare) / megabytes:.2f}"
    )
    print(
        f"words / bare bz2: {bare / whole:.2f} (target {TARGET_OF_BARE}: {'met' if bare / whole >= TARGET_OF_BARE else 'missed'})"
    )


if __name__ == "__main__":
    main()
