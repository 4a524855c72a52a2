"""The sweep over C of a linear probe, ours beside scikit-learn's LogisticRegression, in one run on the same vectors.

    python benchmarks/probe.py                             synthetic vectors of ViT-B/32's size and real ones in --data
    python benchmarks/probe.py --probed probed/            and MNIST, embedded by: clip-pipeline probe --dataset mnist=… -o probed/
    python benchmarks/probe.py --profile                   what our parts cost

ours       clip_pipeline.evaluation.probes: L-BFGS along the path of values of C
sklearn    LogisticRegression(C, max_iter=1000), solver lbfgs, for each C from nothing, as openai/CLIP's notebook has it;
           --tolerance and --steps are its tol and max_iter
warm       the same with warm_start=True, C rising

Each sweep trains with every C on four fifths of the training vectors, chooses by accuracy on the last fifth, trains on all
of them with the chosen one and predicts the test vectors. All get the same float32 vectors and one thread; seconds are processor
time; sweeps run in turn, --rounds times, and medians are compared.

The rules by which the two stop cannot be made the same: scikit-learn stops when no gradient of the mean loss is above tol (1e-4 by
default), ours when the next step is expected to lower the objective by less than a millionth. So the objectives that they reached
are compared, in float64, C by C: `excess` is how far a sweep's objective lies above the lowest one that any of
them found, as a share of it. Ours must not be above scikit-learn's anywhere, by more than 1e-5 of it; then it is the faster
one at an optimum that is no worse.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

HERE = Path(__file__).resolve()
DATA = HERE.parents[2] / "shared" / "data"
WANTED = 3.0
MAX_EXCESS = 1e-5
WORDS = ("dog", "girl", "boy", "woman", "man")


@dataclass
class Problem:
    """features_ND: float32. labels_N: 0 … C - 1. train, validation, test: rows."""

    name: str
    features_ND: np.ndarray
    labels_N: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def learnt(self) -> np.ndarray:
        return np.sort(np.concatenate([self.train, self.validation]))


@dataclass
class Sweep:
    """seconds: processor time. objectives: one a C. chosen: index of C. accuracies: validation, test."""

    seconds: float
    objectives: np.ndarray
    chosen: int
    validation: float
    test: float


def problem_of(name: str, features_ND: np.ndarray, labels_N: np.ndarray, test: np.ndarray) -> Problem:
    """With a fifth of the rows that are not tested for validation, by class."""
    from clip_pipeline.evaluation.probes.splits import divide_by_class

    rest = np.setdiff1d(np.arange(len(labels_N)), test)
    validation, train = divide_by_class(rest, labels_N, 0.2, np.random.default_rng(0))
    return Problem(name, np.ascontiguousarray(features_ND, np.float32), labels_N, train, validation, test)


def synthetic(classes: int, count: int = 12_500, dimensions: int = 512) -> Problem:
    """10,000 vectors to learn and 2,500 to test, of unit length in a narrow cone, the classes overlapping."""
    generator = np.random.default_rng(0)
    spread = np.exp(0.7 * generator.normal(size=dimensions))
    labels = generator.integers(0, classes, count)
    centres = 0.13 * generator.normal(size=(classes, dimensions))
    vectors = (centres[labels] + generator.normal(size=(count, dimensions))) * spread
    vectors += 3 * generator.normal(size=dimensions)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return problem_of(f"synthetic 10,000 x 512, {classes} classes", vectors, labels, np.arange(10_000, count))


def mnist(probed: Path, count: int) -> Problem:
    """MNIST as `clip-pipeline probe` embedded it; `count` of the 60,000 for learning (0: all)."""
    from clip_pipeline.embedding.store import read_embeddings

    keys, vectors = read_embeddings(probed / "embeddings", "images")
    labels = np.concatenate([np.load(probed / "arrays" / f"{name}_labels.npy") for name in ("train", "t10k")])
    ids = np.asarray(keys["id"].to_pylist())
    order = np.concatenate([np.flatnonzero(np.char.startswith(ids, f"{split}/")) for split in ("train", "test")])
    assert len(order) == len(labels) == 70_000
    rows = np.concatenate([np.arange(count or 60_000), np.arange(60_000, 70_000)])
    vectors, labels = np.asarray(vectors[order[rows]], np.float32), labels[rows].astype(int)
    shown = f"MNIST, {len(rows) - 10_000:,} x {vectors.shape[1]}, 10 classes"
    return problem_of(shown, vectors, labels, np.arange(len(rows) - 10_000, len(rows)))


def flickr(data: Path) -> Problem | None:
    """ViT-B/32's vectors of photos whose caption names just one of five beings; every fifth photo is tested."""
    folder = data / "clip_embeddings" / "flickr8k_vitb32_1000"
    if not folder.exists():
        return None
    vectors = np.load(folder / "clip_embeddings.npy").astype(np.float32)
    captions = json.loads((folder / "captions_5k.json").read_text())[
        : len(vectors)
    ]  # the first is the first photo's, ...
    named = np.array([[word in caption.lower().split() for word in WORDS] for caption in captions])
    rows = np.flatnonzero(named.sum(axis=1) == 1)
    name = f"Flickr8k with ViT-B/32, {len(rows)} x 512, {len(WORDS)} classes"
    return problem_of(name, vectors[rows], named[rows].argmax(axis=1), np.arange(0, len(rows), 5))


# ---- the sweeps


def our_sweep(problem: Problem, inverse_regularizations: np.ndarray) -> Sweep:
    from clip_pipeline.evaluation.probes.logistic import LogisticProblem
    from clip_pipeline.evaluation.probes.regularization_path import LogisticPath, one_thread

    features, labels, classes = problem.features_ND, problem.labels_N, int(problem.labels_N.max()) + 1
    started = time.process_time()
    with one_thread():
        path = LogisticPath(LogisticProblem(features[problem.train], labels[problem.train], classes))
        heads = [path.fit(float(inverse_regularization)) for inverse_regularization in inverse_regularizations]
        accuracies = [
            (_predict(head.weights_CD, head.bias_C, features[problem.validation]) == labels[problem.validation]).mean()
            for head in heads
        ]
        chosen = int(np.argmax(accuracies))
        whole = LogisticProblem(features[problem.learnt], labels[problem.learnt], classes)
        final = LogisticPath(whole).fit(float(inverse_regularizations[chosen]), whole.coefficients(heads[chosen]))
        predicted = _predict(final.weights_CD, final.bias_C, features[problem.test])
    seconds = time.process_time() - started
    found = [(head.weights_CD, head.bias_C) for head in heads]
    return _sweep(problem, inverse_regularizations, seconds, found, accuracies, predicted)


def their_sweep(
    problem: Problem, inverse_regularizations: np.ndarray, warm: bool, tolerance: float = 1e-4, steps: int = 1000
) -> Sweep:
    from sklearn.linear_model import LogisticRegression

    features, labels = problem.features_ND, problem.labels_N
    found, accuracies = [], []
    started = time.process_time()
    model = LogisticRegression(tol=tolerance, max_iter=steps, warm_start=warm)
    for inverse_regularization in inverse_regularizations:
        model.set_params(C=inverse_regularization).fit(features[problem.train], labels[problem.train])
        found.append((model.coef_.copy(), model.intercept_.copy()))
        accuracies.append(model.score(features[problem.validation], labels[problem.validation]))
    final = LogisticRegression(C=inverse_regularizations[int(np.argmax(accuracies))], tol=tolerance, max_iter=steps)
    final.fit(features[problem.learnt], labels[problem.learnt])
    predicted = final.predict(features[problem.test])
    return _sweep(problem, inverse_regularizations, time.process_time() - started, found, accuracies, predicted)


def _predict(weights_CD: np.ndarray, bias_C: np.ndarray, features_ND: np.ndarray) -> np.ndarray:
    return (features_ND @ weights_CD.T.astype(np.float32) + bias_C.astype(np.float32)).argmax(axis=1)


def _sweep(problem, inverse_regularizations, seconds, found, accuracies, predicted) -> Sweep:
    objectives = np.array(
        [
            _objective(problem, *one, inverse_regularization)
            for one, inverse_regularization in zip(found, inverse_regularizations, strict=True)
        ]
    )
    test = float((predicted == problem.labels_N[problem.test]).mean())
    return Sweep(seconds, objectives, int(np.argmax(accuracies)), max(accuracies), test)


def _objective(problem: Problem, weights_CD: np.ndarray, bias_C: np.ndarray, inverse_regularization: float) -> float:
    """Mean cross-entropy and penalty in float64; both sides with C vectors of weights, as no problem here has two classes."""
    labels = problem.labels_N[problem.train]
    logits = problem.features_ND[problem.train].astype(np.float64) @ weights_CD.T.astype(np.float64) + bias_C
    right = logits[np.arange(len(labels)), labels]
    top = logits.max(axis=1)
    loss = (top - right + np.log(np.exp(logits - top[:, None]).sum(axis=1))).mean()
    return float(loss + 0.5 * (weights_CD.astype(np.float64) ** 2).sum() / (inverse_regularization * len(labels)))


def sweeps_of(tolerance: float, steps: int) -> dict[str, Callable[[Problem, np.ndarray], Sweep]]:
    """The three, by name, in the order in which they take turns."""
    return {
        "ours": our_sweep,
        "sklearn": functools.partial(their_sweep, warm=False, tolerance=tolerance, steps=steps),
        "warm": functools.partial(their_sweep, warm=True, tolerance=tolerance, steps=steps),
    }


def compare(problem: Problem, inverse_regularizations: np.ndarray, options: argparse.Namespace) -> None:
    print(
        f"{problem.name}: {len(problem.train):,} train, {len(problem.validation):,} validation, {len(problem.test):,} test"
    )
    runs = sweeps_of(options.tolerance, options.steps)
    sweeps: dict[str, list[Sweep]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            one = run(problem, inverse_regularizations)
            sweeps[name].append(one)
            print(f"  {name:<8}{one.seconds:>9.2f} s", flush=True)
    report(sweeps, inverse_regularizations)


def report(sweeps: dict[str, list[Sweep]], inverse_regularizations: np.ndarray) -> None:
    """Medians, what was reached, and the ratios."""
    seconds = {name: statistics.median(one.seconds for one in rounds) for name, rounds in sweeps.items()}
    last = {name: rounds[-1] for name, rounds in sweeps.items()}
    lowest = np.min([one.objectives for one in last.values()], axis=0)
    for name, one in last.items():
        excess = one.objectives / lowest - 1
        print(
            f"  {name:<8}{seconds[name]:>9.2f} s   C {inverse_regularizations[one.chosen]:<9.3g} validation {one.validation:.4f}  "
            f"test {one.test:.4f}   excess of the objective: median {np.median(excess):.1e}, most {excess.max():.1e}"
        )
    above = float((last["ours"].objectives / last["sklearn"].objectives - 1).max())
    ratio = seconds["sklearn"] / seconds["ours"]
    met = ratio >= WANTED and above <= MAX_EXCESS
    print(f"  ours above scikit-learn's objective by at most {above:.1e} of it (allowed {MAX_EXCESS:.0e})")
    print(
        f"  sklearn / ours: {ratio:.1f} times the seconds (wanted {WANTED:.0f}: {'met' if met else 'NOT met'}); "
        f"warm / ours: {seconds['warm'] / seconds['ours']:.1f}",
        flush=True,
    )


def profile(problem: Problem, inverse_regularizations: np.ndarray) -> None:
    """What the parts of our sweep cost, and how many products with the data it takes."""
    from clip_pipeline.evaluation.probes.lbfgs_memory import InverseHessian
    from clip_pipeline.evaluation.probes.logistic import LogisticProblem
    from clip_pipeline.evaluation.probes.regularization_path import LogisticPath, one_thread

    spent: dict[str, float] = {}

    def timed(owner, name):
        inner = getattr(owner, name)

        def run(*given, **named):
            started = time.process_time()
            result = inner(*given, **named)
            spent[name] = spent.get(name, 0.0) + time.process_time() - started
            return result

        setattr(owner, name, run)

    for name in ("logits", "loss", "slope", "curvature", "head"):
        timed(LogisticProblem, name)
    for name in ("times", "add"):
        timed(InverseHessian, name)
    with one_thread():
        started = time.process_time()
        data = LogisticProblem(
            problem.features_ND[problem.train], problem.labels_N[problem.train], int(problem.labels_N.max()) + 1
        )
        spent["principal components"] = time.process_time() - started
        path = LogisticPath(data)
        for inverse_regularization in inverse_regularizations:
            path.fit(float(inverse_regularization))
        total = time.process_time() - started
    spent["the rest"] = total - sum(spent.values())
    print(f"{problem.name}: {path.products / len(inverse_regularizations):.1f} passes over the data a C, {total:.2f} s")
    for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {name:<24}{seconds:>8.2f} s {100 * seconds / total:>5.0f} %")


def problems(options: argparse.Namespace) -> Iterator[Problem]:
    if "flickr" in options.only:
        real = flickr(options.data)
        if real is not None:
            yield real
    if "mnist" in options.only and options.probed is not None:
        yield mnist(options.probed, options.mnist)
    for classes in (10, 100):
        if f"synthetic{classes}" in options.only:
            yield synthetic(classes)


def standardised(problem: Problem) -> Problem:
    """Every dimension with mean 0 and spread 1 over the vectors to learn from: the shape that is easiest for any solver."""
    learnt = problem.features_ND[problem.learnt]
    problem.features_ND = (problem.features_ND - learnt.mean(axis=0)) / np.maximum(learnt.std(axis=0), 1e-6)
    problem.name += ", standardised"
    return problem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["flickr", "mnist", "synthetic10", "synthetic100"]
    parser.add_argument("--data", type=Path, default=DATA, help="folder of clip_embeddings/")
    parser.add_argument("--probed", type=Path, help="folder that clip-pipeline probe wrote for MNIST")
    parser.add_argument("--mnist", type=int, default=10_000, help="MNIST's vectors to learn from, 0 for all 60,000")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--inverse-regularizations", type=int, default=96, help="values of C between 1e-6 and 1e6")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="scikit-learn's tol")
    parser.add_argument("--steps", type=int, default=1000, help="scikit-learn's max_iter")
    parser.add_argument("--standardise", action="store_true", help="scale the dimensions first, for all three")
    parser.add_argument("--profile", action="store_true", help="only what our parts cost")
    options = parser.parse_args()
    inverse_regularizations = np.geomspace(1e-6, 1e6, options.inverse_regularizations)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says where it stopped after 1,000 steps
        for run in () if options.profile else sweeps_of(1e-4, 1000).values():  # loads what is loaded at the first call
            run(synthetic(3, count=10_100, dimensions=8), np.array([0.1, 1.0]))
        for problem in problems(options):
            problem = standardised(problem) if options.standardise else problem
            if options.profile:
                profile(problem, inverse_regularizations)
            else:
                compare(problem, inverse_regularizations, options)


if __name__ == "__main__":
    main()
