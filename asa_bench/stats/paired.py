"""Comparison of two models on the same examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from asa_bench.stats.intervals import MINIMUM_SEEDS, NO_SPREAD, Interval, t_interval, wilson

ALPHA = 0.05
"""Two-sided error that a test may make."""

RESOLUTION = 1e-4
"""How finely :func:`smallest_difference` is searched, as a fraction."""

POWER = 0.8
"""Power that :func:`examples_needed` asks for, as is usual."""


@dataclass(frozen=True)
class Paired:
    """What the same examples say about two models; accuracies and differences are fractions."""

    reference: float
    new: float
    difference: float
    """``new - reference``."""
    low: float | None
    high: float | None
    p_value: float | None
    n: int
    """Examples that both sides have (of one seed)."""
    lost: int
    """Pairs that are right in the reference alone (over several seeds: their mean)."""
    gained: int
    """Pairs that are right in the new one alone (over several seeds: their mean)."""
    test: str = "exact McNemar"

    @property
    def discordant_share(self) -> float:
        """Share of the pairs of which exactly one side is right, never less than the difference needs."""
        return max((self.lost + self.gained) / self.n, abs(self.difference))


def paired(reference: pd.Series, new: pd.Series) -> Paired | None:
    """Compare two series of right/wrong, indexed by example id, on the ids that both have; None if there are none.

    The p value is McNemar's exact one (binomial over the discordant pairs), the interval Newcombe's (see
    :func:`newcombe`).
    """
    both = pd.concat([reference.rename("reference"), new.rename("new")], axis=1, join="inner").astype(bool)
    if both.empty:
        return None
    a, b = both["reference"], both["new"]
    counts = int((a & b).sum()), int((~a & b).sum()), int((a & ~b).sum()), int((~a & ~b).sum())
    right, gained, lost, wrong = counts
    low, high = newcombe(*counts)
    return Paired(
        reference=float(a.mean()),
        new=float(b.mean()),
        difference=(gained - lost) / len(both),
        low=low,
        high=high,
        p_value=float(mcnemar([[right, gained], [lost, wrong]], exact=True).pvalue) if gained + lost else 1.0,
        n=len(both),
        lost=lost,
        gained=gained,
    )


def newcombe(both: int, gained: int, lost: int, neither: int) -> Interval:
    """Newcombe's hybrid score interval of a paired difference, with continuity-corrected phi (his method 10).

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17, 2635-2650. It keeps its coverage in small samples and never leaves [-1, 1],
    where the Wald interval does neither.

    Args:
        both: pairs with both sides right.
        gained: pairs with the new side alone right.
        lost: pairs with the reference alone right.
        neither: pairs with both sides wrong.
    """
    n = both + gained + lost + neither
    new, reference = (both + gained) / n, (both + lost) / n
    (low_new, high_new), (low_ref, high_ref) = _wilson(both + gained, n), _wilson(both + lost, n)
    phi = _phi(both, gained, lost, neither)

    def distance(first: float, second: float) -> float:
        return math.sqrt(max(first**2 - 2 * phi * first * second + second**2, 0.0))

    difference = new - reference
    return (
        difference - distance(new - low_new, high_ref - reference),
        difference + distance(high_new - new, reference - low_ref),
    )


def combine_seeds(pairs: Sequence[Paired]) -> Paired:
    """One comparison from one per training seed.

    One seed stands as it is. Two: the mean difference, without interval, and the larger p value (1 if the seeds
    disagree in direction), so that a claim holds for both pairs of checkpoints. Three or more: Student's paired t test
    and interval on the differences per seed, which speak of the method.
    """
    if len(pairs) == 1:
        return pairs[0]
    differences = [pair.difference for pair in pairs]
    many = len(pairs) >= MINIMUM_SEEDS
    low, high = t_interval(differences) or (None, None)
    return Paired(
        reference=float(np.mean([pair.reference for pair in pairs])),
        new=float(np.mean([pair.new for pair in pairs])),
        difference=float(np.mean(differences)),
        low=low,
        high=high,
        p_value=_t_test(differences) if many else _both(pairs),
        n=min(pair.n for pair in pairs),
        lost=round(np.mean([pair.lost for pair in pairs])),
        gained=round(np.mean([pair.gained for pair in pairs])),
        test="paired t test over seeds" if many else "larger p of exact McNemar on two seeds",
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted by Holm's step-down method (1979) within one family; None stays None and does not count."""
    known = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(known, method="holm")[1] if known else [])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def total_loss_p(right: int) -> float:
    """McNemar's exact p value of the new side being wrong wherever the reference is right, on ``right`` pairs."""
    return min(1.0, 2 * 0.5**right)


def examples_needed(difference: float, discordant_share: float, alpha: float = ALPHA) -> int:
    """About how many pairs McNemar's test needs to show a difference with 80 % power at the two-sided error ``alpha``.

    Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample design", Biometrics
    43, 207-211. It is the conditional normal approximation: a guide for planning, not a promise.

    Raises:
        ValueError: unless 0 < |difference| <= discordant_share <= 1.
    """
    if not 0 < abs(difference) <= discordant_share <= 1:
        raise ValueError(f"expected 0 < |difference| <= share <= 1, got {difference} and {discordant_share}")
    error, miss = float(norm.ppf(1 - alpha / 2)), float(norm.ppf(POWER))
    spread = error * math.sqrt(discordant_share) + miss * math.sqrt(discordant_share - difference**2)
    return math.ceil((spread / difference) ** 2)


def smallest_difference(n: int, discordant_share: float, alpha: float = ALPHA) -> float | None:
    """The smallest difference that ``n`` pairs show with 80 % power, by :func:`examples_needed`; None: not any.

    Args:
        n: pairs.
        discordant_share: share of the pairs of which exactly one side is right; a difference is never larger.
        alpha: two-sided error of the test.
    """
    if not 0 < discordant_share <= 1 or n < examples_needed(discordant_share, discordant_share, alpha):
        return None
    low, high = 0.0, discordant_share
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        low, high = (low, middle) if examples_needed(middle, discordant_share, alpha) <= n else (middle, high)
    return high


def _both(pairs: Sequence[Paired]) -> float:
    if min(pair.difference for pair in pairs) * max(pair.difference for pair in pairs) <= 0:
        return 1.0
    return max(pair.p_value for pair in pairs if pair.p_value is not None)


def _t_test(differences: Sequence[float]) -> float | None:
    """Student's p value; None when all seeds give the same difference, of which no spread can be estimated."""
    if np.ptp(differences) < NO_SPREAD:
        return 1.0 if abs(differences[0]) < NO_SPREAD else None
    return float(ttest_1samp(differences, 0.0).pvalue)


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    product = float(both * neither - gained * lost)
    if product > 0:
        product = max(product - (both + gained + lost + neither) / 2, 0.0)
    return product / math.sqrt(margins)


def _wilson(successes: int, n: int) -> Interval:
    interval = wilson(successes, n)
    if interval is None:
        raise ValueError("expected at least one pair, got none")
    return interval
