"""Intervals, tests and calculated powers against a known truth.

Wilson's coverage is a sum over all outcomes, without Monte-Carlo error. Everything else is drawn from a fixed seed:
a share of 5 % has a standard error of 0.15 points with 20,000 draws, of 0.28 with 6,000, of 0.35 with 4,000. Limits
are what is claimed, with at least three of these.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from asa_bench.stats.aggregate import combine
from asa_bench.stats.intervals import Estimate, proportion, wilson
from asa_bench.stats.paired import ALPHA, combine_seeds, examples_needed, holm, smallest_difference
from asa_bench.stats.ratings import accepted_robust_accuracy

from .known_truth import Array, mcnemar_p, p_values, study

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """Spare statsmodels' Holm correction, which collects garbage at each call, what is there already."""
    gc.freeze()
    yield
    gc.unfreeze()


RATES = np.linspace(0.1, 0.9, 801)


@pytest.mark.parametrize("n", [200, 300, 500, 1000, 2000])
def test_wilson_covers_95_percent_on_average_and_never_under_93(n: int) -> None:
    """Counts are whole, so coverage jumps where the rate passes the end of an interval: it is lowest there."""
    low, high = np.array([wilson(right, n) for right in range(n + 1)]).T
    jumps = np.concatenate([ends + side for ends in (low, high) for side in (-1e-9, 1e-9)])
    beside = jumps[(jumps >= RATES[0]) & (jumps <= RATES[-1])]

    def coverage(rates: Array) -> Array:
        held = (low <= rates[:, None]) & (rates[:, None] <= high)
        return np.asarray((binom.pmf(np.arange(n + 1), n, rates[:, None]) * held).sum(axis=1))

    assert coverage(RATES).mean() == pytest.approx(0.95, abs=0.001)
    assert coverage(beside).min() >= 0.93
    assert coverage(beside).max() <= 0.97


def covered(intervals: Sequence[tuple[float | None, float | None]], truth: Array | float) -> float:
    """Share of the intervals that hold the truth, of those that there are."""
    low, high = np.array(intervals, dtype=float).T  # no interval: NaN
    there = ~np.isnan(low)
    assert there.mean() > 0.99
    return float(((low <= truth) & (truth <= high))[there].mean())


@pytest.mark.parametrize(("seeds", "n", "on_all"), [(3, 200, 0.82), (3, 1000, 0.90), (5, 200, 0.65), (5, 1000, 0.83)])
def test_the_t_interval_of_an_accuracy_covers_95_percent_on_these_examples_alone(
    seeds: int, n: int, on_all: float
) -> None:
    """All seeds answer the same examples; that others would be harder or easier shows in no spread over seeds."""
    made = study(4_000, seeds, n)
    found = [
        combine("robust_accuracy", [Estimate(value, None, None, n) for value in made.accuracy(draw)[0].tolist()])
        for draw in range(4_000)
    ]
    intervals = [(estimate.low, estimate.high) for estimate in found]
    assert covered(intervals, made.on_these[0]) == pytest.approx(0.95, abs=0.012)
    assert covered(intervals, made.on_all) == pytest.approx(on_all, abs=0.025)


@pytest.mark.parametrize(
    ("seeds", "interaction", "on_all"), [(3, 0.0, 0.95), (5, 0.0, 0.95), (3, 0.3, 0.926), (5, 0.3, 0.878)]
)
def test_the_t_test_over_seeds_keeps_5_percent_error_on_these_examples(
    seeds: int, interaction: float, on_all: float
) -> None:
    """Over all examples, too, where none is easier for one method than for the other, since both answer the same."""
    made = study(6_000, seeds, 200, interaction)
    found = [combine_seeds(made.pairs(draw)) for draw in range(6_000)]
    intervals = [(pair.low, pair.high) for pair in found]
    assert covered(intervals, made.on_these[1] - made.on_these[0]) == pytest.approx(0.95, abs=0.01)
    assert covered(intervals, 0.0) == pytest.approx(on_all, abs=0.012)
    rejected = np.mean([pair.p_value is not None and pair.p_value < ALPHA for pair in found])
    assert rejected == pytest.approx(1 - on_all, abs=0.012)


def test_one_seed_each_says_nothing_about_the_methods_and_two_seeds_little() -> None:
    """Checkpoints do differ where methods do not: a significant difference of one pair is no claim about its method."""
    made = study(6_000, 2, 200)
    found = [[mcnemar_p(*flips) for flips in made.flips(draw)] for draw in range(6_000)]
    assert np.mean([first < ALPHA for first, _ in found]) == pytest.approx(0.17, abs=0.015)
    pairs = [
        [replace(pair, p_value=p) for pair, p in zip(made.pairs(draw), found[draw], strict=True)]
        for draw in range(6_000)
    ]
    both = [combine_seeds(pair).p_value for pair in pairs]
    assert np.mean([p is not None and p < ALPHA for p in both]) < 0.02


def test_a_percentile_bootstrap_over_three_seeds_covers_less() -> None:
    """Why intervals over seeds are Student's: three values drawn again and again never leave their range."""
    n = 1000
    made = study(2_000, 3, n)
    rng = np.random.default_rng(1)
    examples, seeds = (rng.multinomial(count, np.full(count, 1 / count), 1000) / count for count in (n, 3))
    differences = made.right[1].astype(np.float32) - made.right[0]  # draw, seed, example
    over_seeds = differences.mean(axis=-1) @ seeds.T
    over_both = np.einsum("dsr,rs->dr", differences @ examples.T.astype(np.float32), seeds)
    for means, most in ((over_seeds, 0.80), (over_both, 0.90)):
        low, high = np.quantile(means, [0.025, 0.975], axis=1)
        assert covered(list(zip(low, high, strict=True)), 0.0) <= most


@pytest.mark.parametrize("n", [100, 200, 500, 1000])
@pytest.mark.parametrize("share", [0.05, 0.12, 0.2, 0.4])
def test_mcnemar_keeps_5_percent_error(n: int, share: float) -> None:
    """It is exact, hence conservative: the more so, the fewer pairs differ."""
    error = (p_values(n, share) < ALPHA).mean()
    assert 0.005 < error < 0.05


@pytest.mark.parametrize("better", [0, 2])
def test_holm_keeps_5_percent_error_over_the_defences_compared(better: int) -> None:
    """Five defences against one baseline, as in the report's answer; the first ones are better by 10 points."""
    rng = np.random.default_rng(0)
    draws, n, right, share = 10_000, 500, 0.3, 0.12
    base = rng.binomial(n, right, draws)
    gain = np.where(np.arange(5) < better, 0.1, 0.0)
    lost = rng.binomial(base[:, None], (share - gain) / 2 / right, (draws, 5))
    gained = rng.binomial(n - base[:, None], (share + gain) / 2 / (1 - right), (draws, 5))
    raw = np.vectorize(mcnemar_p)(gained, lost)
    adjusted = np.array([holm(family.tolist()) for family in raw], dtype=float)
    assert 0.01 < (adjusted < ALPHA)[:, better:].any(axis=1).mean() < 0.05
    assert (raw < ALPHA)[:, better:].any(axis=1).mean() > 0.08  # without Holm


@pytest.mark.parametrize("alpha", [ALPHA, ALPHA / 2])
@pytest.mark.parametrize(
    ("difference", "share"), [(0.02, 0.05), (0.03, 0.12), (0.05, 0.12), (0.05, 0.2), (0.1, 0.12), (0.1, 0.3)]
)
def test_the_examples_asked_for_give_about_80_percent_power(difference: float, share: float, alpha: float) -> None:
    """The normal approximation promises a little more than the exact test gives."""
    n = examples_needed(difference, share, alpha)
    power = (p_values(n, share, difference) < alpha).mean()
    assert 0.75 <= power <= 0.82


@pytest.mark.parametrize("alpha", [ALPHA, ALPHA / 2])
@pytest.mark.parametrize("n", [200, 500, 1000, 2000])
@pytest.mark.parametrize("share", [0.12, 0.2])
def test_the_smallest_difference_is_seen_with_about_80_percent_power(n: int, share: float, alpha: float) -> None:
    difference = smallest_difference(n, share, alpha)
    assert difference is not None
    power = (p_values(n, share, difference) < alpha).mean()
    assert 0.75 <= power <= 0.82


@pytest.mark.parametrize(("share", "power"), [(0.12, 0.89), (0.2, 0.67)])
def test_5_points_on_500_examples(share: float, power: float) -> None:
    """What planning tells: docs/numbers.md."""
    found = (p_values(500, share, 0.05) < ALPHA).mean()
    assert found == pytest.approx(power, abs=0.02)


@pytest.mark.parametrize(
    ("robust", "fell", "accepted", "rated"),
    [(0.2, 0.65, 0.7, 20), (0.05, 0.75, 0.9, 50), (0.4, 0.45, 0.4, 10), (0.1, 0.75, 0.5, 200)],
)
def test_robust_accuracy_of_accepted_texts_covers_at_least_95_percent(
    robust: float, fell: float, accepted: float, rated: int
) -> None:
    """200 examples; ``rated`` of the successes are shown to people, or all where there are fewer."""
    rng = np.random.default_rng(0)
    outcomes = np.array(["failed", "succeeded", "skipped"], dtype=object)
    found = []
    for counts in rng.multinomial(200, [robust, fell, 1 - robust - fell], 4_000):
        rows = pd.DataFrame({"outcome": np.repeat(outcomes, counts), "seed": 0})
        seen = min(rated, int(counts[1]))
        estimate = accepted_robust_accuracy(rows, proportion(int(rng.binomial(seen, accepted)), seen))
        found.append((estimate.low, estimate.high))
    assert 0.95 <= covered(found, robust + fell * (1 - accepted)) <= 0.995
