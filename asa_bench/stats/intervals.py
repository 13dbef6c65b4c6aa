"""Intervals round a proportion and round a mean over seeds, always at 95 %."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

LEVEL = 0.95
"""Confidence level of every interval of the package."""

MINIMUM_SEEDS = 3
"""Fewest seeds for an interval over seeds: with two, the t quantile (12.7) makes it say nothing."""

NO_SPREAD = 1e-12
"""Range under which values over seeds count as equal."""

Interval = tuple[float, float]


class Estimate(NamedTuple):
    """A number with its interval and the count of rows behind it; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def wilson(successes: float, n: int) -> Interval | None:
    """Wilson's score interval (1927) of a proportion; None when ``n`` is 0. Successes may count in part.

    Raises:
        ValueError: unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n, got {successes} of {n}")
    if n == 0:
        return None
    low, high = proportion_confint(successes, n, alpha=1 - LEVEL, method="wilson")
    # At the ends the exact bound is 0 or 1; floating point leaves 1e-17 there, which would print as 0.1 %.
    return (0.0 if successes == 0 else float(low)), (1.0 if successes == n else float(high))


@lru_cache(2**16)
def proportion(successes: int, n: int) -> Estimate:
    """``successes / n`` with Wilson's interval; undefined when ``n`` is 0."""
    interval = wilson(successes, n)
    if interval is None:
        return Estimate(None, None, None, 0)
    return Estimate(successes / n, *interval, n)


def t_interval(values: Sequence[float]) -> Interval | None:
    """Student's interval of the mean of ``values``, one per seed.

    None for fewer than three, and when all are equal: an interval of no width would claim a certainty that three
    agreeing seeds do not give.
    """
    if len(values) < MINIMUM_SEEDS or np.ptp(values) < NO_SPREAD:
        return None
    mean, count = float(np.mean(values)), len(values)
    half = _quantile(count) * float(np.std(values, ddof=1)) / count**0.5
    return mean - half, mean + half


def mean(values: Sequence[float]) -> Estimate:
    """Mean over examples with Student's interval; undefined when there are none."""
    known = np.asarray(values, dtype=float)
    if known.size == 0:
        return Estimate(None, None, None, 0)
    value, count = float(known.mean()), int(known.size)
    if count < MINIMUM_SEEDS:
        return Estimate(value, None, None, count)
    half = _quantile(count) * float(known.std(ddof=1)) / count**0.5
    return Estimate(value, value - half, value + half, count)


@lru_cache
def _quantile(count: int) -> float:
    """Student's quantile for the mean of ``count`` values."""
    return float(student.ppf((1 + LEVEL) / 2, count - 1))
