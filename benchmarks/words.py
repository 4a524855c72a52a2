"""How fast words are counted, beside bare decompression and beside gensim's WikiCorpus, in one run.

    python benchmarks/words.py --dump DUMP            # any multistream .bz2; its streams are repeated to --megabytes
    python benchmarks/words.py --dump DUMP --no-gensim --profile
    python benchmarks/words.py --dump DUMP --agreement   # no times: of the frequent words, how many both count alike

Rounds alternate, so that a busy machine slows all alike: (1) the standard library's bz2 over the same streams in two
threads, nothing done with the text; (2) `count_part` and `merge_counts` with two workers, from the file to the sorted
table; (3) gensim's WikiCorpus with two processes, in an environment of its own (--environment, made where it is missing).
MB is a million bytes of XML. Prints medians, ratios, and whether the targets are met: 75 % of (1), 5 times (3).

--agreement counts the same articles (those that are no redirects and no disambiguation pages) with possessives merged, splits our words
as gensim does (at apostrophes, hyphens and digits, 2 to 15 letters) and compares: within 10 % for 95 % of the words that gensim finds at least
--frequent times.
"""

from __future__ import annotations

import argparse
import bz2
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clip_pipeline.api.count_words import count_words
from clip_pipeline.sources.wikimedia.dump_files import check_dump, part_pieces
from clip_pipeline.words.count import count_part
from clip_pipeline.words.pages import ExportReader
from clip_pipeline.words.reading import prose_of
from clip_pipeline.words.sorted_runs import merge_counts
from clip_pipeline.words.table import WordTable
from clip_pipeline.words.wiki_names import ENGLISH_LINK_NAMES

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
GENSIM_COUNTS = """
import collections, json, sys
from gensim.corpora import WikiCorpus
wanted = set(open(sys.argv[2]).read().split())
corpus = WikiCorpus(sys.argv[1], processes=2, dictionary={}, article_min_tokens=0)
corpus.metadata = True
counts = collections.Counter()
for tokens, (number, title) in corpus.get_texts():
    if str(number) in wanted:
        counts.update(tokens)
print(json.dumps(counts))
"""
TARGET_CLOSE, TARGET_SHARE = 0.10, 0.95


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
    parser.add_argument("--agreement", action="store_true", help="Compare the counts with gensim's instead.")
    parser.add_argument("--frequent", type=int, default=100, help="Occurrences from which a word is compared.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.agreement:
            compare_counts(
                options.dump, options.environment or Path(folder) / "environment", Path(folder), options.frequent
            )
            return
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
    return float(run_gensim(environment, GENSIM, str(path)).split()[0])


def run_gensim(environment: Path, script: str, *arguments: str) -> str:
    """What the script prints in an environment that has gensim, which is made where there is none."""
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "gensim"], check=True)
    done = subprocess.run([python, "-c", script, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def compare_counts(dump: Path, environment: Path, folder: Path, frequent: int) -> None:
    """Prints how many of gensim's frequent words we count alike, and those that differ most."""
    ids = folder / "articles.txt"
    ids.write_text("\n".join(map(str, article_ids(dump))))
    theirs = Counter(json.loads(run_gensim(environment, GENSIM_COUNTS, str(dump), str(ids))))
    ours: Counter[str] = Counter()
    for row in count_words(dump, min_count=0, possessives=False).table.to_pylist():
        for piece in re.findall(r"[^\W\d]+", row["word"]):
            if 2 <= len(piece) <= 15 and not piece.startswith("_"):
                ours[piece] += row["count"]
    words = [word for word, number in theirs.items() if number >= frequent]
    differ = {word: (ours[word] - theirs[word]) / theirs[word] for word in words}
    share = sum(abs(one) <= TARGET_CLOSE for one in differ.values()) / len(words)
    print(
        f"{len(words):,} words that gensim finds {frequent} times or more; {sum(ours.values()):,} words here, {sum(theirs.values()):,} there"
    )
    print(
        f"within {TARGET_CLOSE:.0%}: {share:.1%} (target {TARGET_SHARE:.0%}: {'met' if share >= TARGET_SHARE else 'missed'})"
    )
    for word in sorted(differ, key=lambda word: -abs(differ[word]))[:12]:
        print(f"    {word:<16} here {ours[word]:>6,}   gensim {theirs[word]:>6,}   {differ[word]:+.0%}")


def article_ids(dump: Path) -> list[int]:
    """The pages whose words count."""
    table = WordTable(ENGLISH_LINK_NAMES)
    reader = ExportReader(dump.name)
    pieces = part_pieces(dump, check_dump(dump))
    pages = (page for piece in pieces for page in reader.feed(piece))
    return [page.id for page in pages if page.namespace == 0 and not page.redirect and prose_of(table, page.text)]


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
