"""One query at a time over many vectors on one thread: our scan, numpy, and faiss and usearch where they install, in one run.

    python benchmarks/search.py --embeddings ../shared/data/clip_embeddings --rows 250000 --graph-rows 25000

Photos are drawn around the 1,000 real ViT-B/32 vectors of Flickr8k, with their own covariance; the text queries are real ("a {class}"), the photo
queries drawn like the photos. Each method answers both; recall@10 is beside float64. The graph (usearch, HNSW) may look at as many candidates as it needs
for a text recall of .99, or the most that are tried; it has a number of rows of its own, since it takes minutes to build. The peers live in an environment of
their own, made where it is missing. Milliseconds are of processor time, so that other work on the core does not count. Writes results.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.display.text_table import text_table
from clip_pipeline.searching.codes import quantise
from clip_pipeline.searching.exactness import best_by_float64
from clip_pipeline.searching.scan import RESCORED, best_rows, exact_cosines, in_order, scan

PEERS = ("faiss-cpu==1.15.1", "usearch==2.26.6")
BEST, DEMANDED = 10, 0.99
EXPANSIONS = (16, 64, 256, 512, 1024, 2048, 4096)
"""Candidates that the graph looks at, tried in this order."""
NOISE = 0.5
"""Of a drawn photo, beside a real one."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def unit(rows_ND: np.ndarray) -> np.ndarray:
    return rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)


def drawn_photos(real_ND: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, D) float16 unit vectors around the real ones."""
    rng = np.random.Generator(np.random.PCG64(seed))
    centred_ND = real_ND - real_ND.mean(axis=0)
    drawn = np.empty((count, real_ND.shape[1]), np.float16)
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        around = real_ND[rng.integers(0, len(real_ND), size)]
        weights = rng.normal(size=(size, len(real_ND))).astype(np.float32)
        noise = weights @ centred_ND.astype(np.float32) / np.sqrt(len(real_ND))
        drawn[start : start + size] = unit(around + NOISE * noise)
    return drawn


def participation_ratio(rows_ND: np.ndarray) -> float:
    """How many dimensions the rows fill: the square of the sum of the covariance's eigenvalues over the sum of their squares."""
    values = np.linalg.eigvalsh(np.cov(np.asarray(rows_ND[:20_000], np.float64).T))
    return float(values.sum() ** 2 / (values**2).sum())


def queries_of(folder: Path, real_ND: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """`count` queries of each kind, float32 and of unit length."""
    names = sorted((folder / "detic_class_text").glob("*.npy"))
    texts = np.concatenate([np.load(name, allow_pickle=False).astype(np.float32) for name in names])
    rows = np.random.Generator(np.random.PCG64(7)).permutation(len(texts))[:count]
    return {"photo": drawn_photos(real_ND, count, 99).astype(np.float32), "text": unit(texts[rows])}


def measured(
    ask: Callable[[np.ndarray], list[int]], queries: dict[str, np.ndarray], right: dict[str, list[list[int]]]
) -> dict[str, Any]:
    """Milliseconds of processor time (median and 95th percentile, over both kinds) and recall of each kind; each query after one that is not counted."""
    times: list[float] = []
    result: dict[str, Any] = {}
    for kind, queries_QD in queries.items():
        ask(queries_QD[0])
        recalls = []
        for query_D, rows in zip(queries_QD, right[kind], strict=True):
            begun = time.process_time()
            found = ask(query_D)
            times.append(1000 * (time.process_time() - begun))
            recalls.append(len(set(found[:BEST]) & set(rows)) / len(rows))
        result[f"{kind} recall@10"] = round(float(np.mean(recalls)), 4)
    p50, p95 = (round(float(value), 2) for value in np.percentile(times, (50, 95)))
    return {"p50 ms": p50, "p95 ms": p95, **result}


def own_and_numpy(
    vectors_ND: np.ndarray, queries: dict[str, np.ndarray], right: dict[str, list[list[int]]]
) -> list[dict[str, Any]]:
    begun = time.perf_counter()
    codes_ND, scales_N = quantise(vectors_ND)
    built = time.perf_counter() - begun

    def ask(query_D: np.ndarray) -> list[int]:
        rows_K = best_rows(scan(codes_ND, scales_N, query_D, threads=1), RESCORED)
        return rows_K[in_order(exact_cosines(vectors_ND, rows_K, query_D), rows_K)][:BEST].tolist()

    own = measured(ask, queries, right)
    single = vectors_ND.astype(np.float32)

    def ask_numpy(query_D: np.ndarray) -> list[int]:
        cosines_N = single @ query_D
        best = np.argpartition(-cosines_N, BEST)[:BEST]
        return best[np.argsort(-cosines_N[best])].tolist()

    rows = len(vectors_ND)
    return [
        {"method": "clip_pipeline, int8 scan and 200 rescored", "rows": rows, "build s": round(built, 2), **own},
        {"method": "numpy float32", "rows": rows, "build s": 0.0, **measured(ask_numpy, queries, right)},
    ]


PEER_PROGRAM = """
import json, sys, time
import numpy as np
name, vectors, queries, answers, expansions = sys.argv[1:]
rows = np.load(vectors)
asked = dict(np.load(queries))
begun = time.perf_counter()
tried = json.loads(expansions)
if name == "faiss Flat":
    import faiss
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows.astype(np.float32))
    search = lambda query: index.search(query[None], 10)[1][0]
    tried = [0]
elif name == "faiss SQ8":
    import faiss
    faiss.omp_set_num_threads(1)
    index = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    index.train(rows[:50000].astype(np.float32)); index.add(rows.astype(np.float32))
    search = lambda query: index.search(query[None], 10)[1][0]
    tried = [0]
else:
    from usearch.index import Index
    index = Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128)
    index.add(np.arange(len(rows)), rows, threads=1)
    search = lambda query: index.search(query, 10, threads=1).keys
built = time.perf_counter() - begun
found = []
for expansion in tried:
    if expansion:
        index.expansion_search = expansion
    one = {"expansion": expansion, "build s": built, "rows": {}, "ms": []}
    for kind, vectors in asked.items():
        search(vectors[0])
        one["rows"][kind] = []
        for query in vectors:
            begun = time.process_time()
            rows_found = search(query)
            one["ms"].append(1000 * (time.process_time() - begun))
            one["rows"][kind].append([int(row) for row in rows_found])
    found.append(one)
json.dump(found, open(answers, "w"))
"""


def peer_python(environments: Path) -> Path | None:
    """The Python of the peers' environment; None where it cannot be made, and the reason is said."""
    python = environments / "search_peers" / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "numpy", *PEERS], check=True)
    except subprocess.CalledProcessError as error:
        print(f"The peers are left out: {error}")
        return None
    return python


def peer(
    python: Path, name: str, vectors_ND: np.ndarray, queries: dict[str, np.ndarray], right: dict[str, list[list[int]]]
) -> list[dict[str, Any]]:
    """The first number of candidates with the text recall that is demanded, or the last that was tried; and the first that was tried."""
    with tempfile.TemporaryDirectory() as work:
        vectors, asked, answers = Path(work, "vectors.npy"), Path(work, "queries.npz"), Path(work, "answers.json")
        np.save(vectors, vectors_ND)
        np.savez(asked, photo=queries["photo"], text=queries["text"])
        command = [
            str(python),
            "-c",
            PEER_PROGRAM,
            name,
            str(vectors),
            str(asked),
            str(answers),
            json.dumps(EXPANSIONS),
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD)
        if done.returncode:
            print(f"{name} is left out: {done.stderr.strip().splitlines()[-1:]}")
            return []
        tried = json.loads(answers.read_text())
    rows = []
    for one in tried:
        recalls = {
            f"{kind} recall@10": round(float(np.mean([len(set(found) & set(best)) / len(best) for found, best in zip(one["rows"][kind], right[kind], strict=True)])), 4)
            for kind in queries
        }  # fmt: skip
        p50, p95 = (round(float(value), 2) for value in np.percentile(one["ms"], (50, 95)))
        label = f"{name}, {one['expansion']} candidates" if one["expansion"] else name
        rows.append(
            {
                "method": label,
                "rows": len(vectors_ND),
                "build s": round(one["build s"], 2),
                "p50 ms": p50,
                "p95 ms": p95,
                **recalls,
            }
        )
    enough = next((row for row in rows if row["text recall@10"] >= DEMANDED), rows[-1])
    usual = next((row for row, one in zip(rows, tried, strict=True) if one["expansion"] == 64), enough)
    return [usual, enough] if usual is not enough else [enough]


def main(arguments: argparse.Namespace) -> None:
    real_ND = unit(
        np.load(arguments.embeddings / "flickr8k_vitb32_1000/clip_embeddings.npy", allow_pickle=False).astype(
            np.float32
        )
    )
    queries = queries_of(arguments.embeddings, real_ND, arguments.queries)
    vectors_ND = drawn_photos(real_ND, arguments.rows, arguments.seed)
    print(
        f"{arguments.rows:,} drawn photos, participation ratio {participation_ratio(vectors_ND):.0f}; of the real ones {participation_ratio(real_ND):.0f}"
    )
    right = {kind: best_by_float64(vectors_ND, rows_QD, BEST) for kind, rows_QD in queries.items()}
    results = own_and_numpy(vectors_ND, queries, right)
    if python := None if arguments.no_peers else peer_python(arguments.environments):
        for name in ("faiss Flat", "faiss SQ8"):
            results += peer(python, name, vectors_ND, queries, right)
        few_ND = vectors_ND[: arguments.graph_rows]
        of_few = {kind: best_by_float64(few_ND, rows_QD, BEST) for kind, rows_QD in queries.items()}
        results += peer(python, "usearch HNSW f16", few_ND, queries, of_few)
    columns = ("method", "rows", "build s", "p50 ms", "p95 ms", "photo recall@10", "text recall@10")
    print(
        text_table(
            [[f"{row[name]:,}" if name == "rows" else str(row[name]) for name in columns] for row in results],
            columns,
            right=range(1, 7),
        )
    )
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True, help="shared/data/clip_embeddings")
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument(
        "--graph-rows", type=int, default=25_000, help="rows of the graph, which takes minutes to build"
    )
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--environments", type=Path, default=Path("peer_environments"))
    parser.add_argument("--no-peers", action="store_true", help="only ours and numpy")
    parser.add_argument("-o", "--output", type=Path, default=Path("results.json"))
    if not ONE_THREAD.items() <= os.environ.items():  # libraries read them when they are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    main(parser.parse_args())
