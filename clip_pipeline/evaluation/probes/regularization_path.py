"""L-BFGS along a path of values of C: each fit begins where the ones before it lead."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.evaluation.probes.lbfgs_memory import InverseHessian, LbfgsMemory
from clip_pipeline.evaluation.probes.logistic import LogisticProblem

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

TOLERANCE = 1e-6
"""A fit ends where the next step is expected to lower the objective by less than this share of it, ..."""

MAX_ERROR = 0.01
"""... and to change the weights by less than this share of their size, both measured with the curvature. The second matters for
small C: weights of 1e-5 decide the classes and hardly touch the objective."""

MAX_STEPS = 1000
SUFFICIENT_DECREASE = 1e-4
MIN_STEP = 1e-6


class LogisticPath:
    """Minimises C · Σ cross-entropy + ½‖weights‖² for one C after another, best in rising order.

    The objective is that of scikit-learn's LogisticRegression(C), also with two classes, where that one fits a single
    vector of weights. What makes a path cheap (96 values of C between 1e-6 and 1e6 take two to four products with the data each,
    where single fits take twenty to a thousand):

    - the first guess continues the last three solutions, a parabola in the number of the fit;
    - L-BFGS (Nocedal 1980) begins with the diagonal of the Hessian at the guess instead of one number;
    - its pairs (step, change of the gradient) are kept from C to C: the change is stored without the penalty's part,
      which is known for any C;
    - a search along a line costs no product: logits are linear in the step.

    problem: the data. tolerance: of `TOLERANCE`.
    """

    def __init__(self, problem: LogisticProblem, tolerance: float = TOLERANCE):
        import torch

        self.problem, self.tolerance = problem, tolerance
        self.products = 0.0
        """Passes over the data so far, a product with the vectors counted as half a pass."""
        self._solutions: list[torch.Tensor] = []
        self._last_loss = 0.0
        self._memory = LbfgsMemory(problem.shape[0] * problem.shape[1])
        self._penalised = torch.ones(problem.shape, dtype=torch.float64)
        self._penalised[:, -1] = 0
        if problem.classes == 2:  # two weight vectors w/2 and -w/2 have half the square of the one that they stand for
            self._penalised *= 2

    def fit(self, inverse_regularization: float, begin: torch.Tensor | None = None) -> LinearHead:
        """The head for one C. begin: coefficients to start from instead of what the path suggests."""
        with one_thread():
            weight = self._penalised / (inverse_regularization * self.problem.count)
            coefficients, objective = self._minimise(weight, begin)
        self._solutions = [*self._solutions[-2:], coefficients]
        self._last_loss = objective - _penalty(weight, coefficients)
        return self.problem.head(coefficients, inverse_regularization)

    def _minimise(self, weight: torch.Tensor, begin: torch.Tensor | None) -> tuple[torch.Tensor, float]:
        """(coefficients, objective). weight: of half the square of each coefficient."""
        problem = self.problem
        x, logits, loss, probabilities, missing = self._first_guess(weight, begin)
        objective = loss + _penalty(weight, x)
        diagonal = problem.curvature(probabilities) + weight + 1e-12
        gradient = self._gradient(probabilities, missing)
        inverse = InverseHessian(self._memory, weight.flatten(), diagonal.flatten())
        for _ in range(MAX_STEPS):
            full_gradient = gradient + weight * x
            direction = -inverse.times(full_gradient.flatten()).view_as(x)
            decrease = -float((full_gradient * direction).sum())
            size = float((diagonal * x * x)[:, :-1].sum())
            if decrease / 2 <= self.tolerance * objective and decrease <= MAX_ERROR**2 * size:
                return x, objective
            logits_step = self._logits(direction)
            found = self._search(logits, logits_step, x, direction, weight, objective, decrease)
            if found is None:  # the arithmetic has no more digits to give
                logger.debug("Fit ended at an expected decrease of %.1e of the objective", decrease / 2 / objective)
                return x, objective
            length, objective, probabilities, missing = found
            logits.add_(logits_step, alpha=length)
            new_gradient, step = self._gradient(probabilities, missing), length * direction
            inverse.add(step.flatten(), (new_gradient - gradient).flatten())
            x, gradient = x + step, new_gradient
        logger.warning(
            "A probe's fit was stopped after %d steps, at an expected decrease of %.1e of its objective",
            MAX_STEPS,
            decrease / 2 / objective,
        )
        return x, objective

    def _first_guess(self, weight: torch.Tensor, begin: torch.Tensor | None) -> tuple[Any, ...]:
        """(coefficients, logits, loss, probabilities, missing) of the continuation, or of the last solution where that is lower."""
        last = self._solutions
        if begin is not None or not last:
            return self._evaluated(self.problem.start() if begin is None else begin)
        if len(last) == 3:
            found = self._evaluated(3 * last[-1] - 3 * last[-2] + last[-3])
            if found[2] + _penalty(weight, found[0]) <= self._last_loss + _penalty(weight, last[-1]):
                return found
        return self._evaluated(last[-1])

    def _evaluated(self, guess: torch.Tensor) -> tuple[Any, ...]:
        logits = self._logits(guess)
        return guess, logits, *self.problem.loss(logits)

    def _search(
        self,
        logits: torch.Tensor,
        logits_step: torch.Tensor,
        x: torch.Tensor,
        direction: torch.Tensor,
        weight: torch.Tensor,
        objective: float,
        decrease: float,
    ) -> tuple[float, float, torch.Tensor, torch.Tensor] | None:
        """(length, objective, probabilities, missing) of the first length that decreases enough, halving or so from 1."""
        length = 1.0
        while length >= MIN_STEP:
            loss, probabilities, missing = self.problem.loss(logits.add(logits_step, alpha=length))
            reached = loss + _penalty(weight, x + length * direction)
            if reached <= objective - SUFFICIENT_DECREASE * length * decrease:
                return length, reached, probabilities, missing
            parabola = decrease * length**2 / (2 * (reached - objective + decrease * length))
            length = min(max(parabola, 0.1 * length), 0.5 * length)
        return None

    def _logits(self, coefficients: torch.Tensor) -> torch.Tensor:
        self.products += 0.5
        return self.problem.logits(coefficients)

    def _gradient(self, probabilities: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
        self.products += 0.5
        return self.problem.gradient(probabilities, missing)


def fit_logistic_regression(
    features_ND: np.ndarray,
    labels_N: np.ndarray,
    classes: int,
    inverse_regularization: float,
    tolerance: float = TOLERANCE,
    double: bool = False,
) -> LinearHead:
    """One fit from nothing. labels_N: 0 … classes - 1. tolerance: of `TOLERANCE`; below 1e-7 wants `double`."""
    with one_thread():
        problem = LogisticProblem(features_ND, labels_N, classes, double)
    return LogisticPath(problem, tolerance).fit(inverse_regularization)


def _penalty(weight: torch.Tensor, x: torch.Tensor) -> float:
    return 0.5 * float((weight * x * x).sum())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch with one arithmetic thread: on a busy machine two took twenty times as long, and one gives the same bytes anywhere."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
