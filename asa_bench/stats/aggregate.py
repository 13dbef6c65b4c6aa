"""From metrics per seed to metrics over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from asa_bench.records.schema import RESULTS, table
from asa_bench.records.store import concatenate
from asa_bench.stats.intervals import Estimate, proportion, t_interval

_KEY = ["task", "encoder", "defence", "attack", "metric"]


def over_seeds(per_seed: pd.DataFrame) -> pd.DataFrame:
    """``per_seed`` with, for each metric, the aggregate row over seeds (``seed`` null) behind it.

    Rows are in the order task, encoder, defence, attack (null first), metric, seed (aggregate last).
    """
    aggregates = []
    for key, group in per_seed.groupby(_KEY, sort=True, dropna=False):
        estimates = [_estimate(*row) for row in zip(*(group[c] for c in ("value", "low", "high", "n")), strict=True)]
        combined = combine(str(key[-1]), estimates)
        aggregates.append({**dict(zip(_KEY, key, strict=True)), "seed": None, **combined._asdict()})
    return _ordered(concatenate([per_seed, table(aggregates, RESULTS)], RESULTS))


def combine(metric: str, seeds: Sequence[Estimate]) -> Estimate:
    """One estimate from one per seed: their mean, with a t interval for three seeds or more.

    One seed keeps its own interval. Two have none: a t interval of two values says nothing, and a Wilson interval of
    pooled rows would take two answers to one example for two examples. ``n`` is the number of rows behind all seeds.
    Seeds for which the metric is undefined are left out of the mean.
    """
    if len(seeds) == 1:
        return seeds[0]
    n = sum(seed.n for seed in seeds)
    values = [seed.value for seed in seeds if seed.value is not None]
    if not values:
        return Estimate(None, None, None, n)
    low, high = t_interval(values) or (None, None)
    floor, ceiling = _range(metric)
    return Estimate(
        math.fsum(values) / len(values),
        None if low is None else max(low, floor),
        None if high is None else min(high, ceiling),
        n,
    )


def robust_share(stands: pd.Series, seeds: pd.Series) -> Estimate:
    """A robust accuracy over seeds: the share of rows that stand.

    Args:
        stands: booleans, one per attacked example.
        seeds: the training seed of each.
    """
    groups = [rows for _, rows in stands.groupby(seeds)]
    return robust_share_of([int(rows.sum()) for rows in groups], [len(rows) for rows in groups])


def robust_share_of(standing: Sequence[int], attacked: Sequence[int]) -> Estimate:
    """A robust accuracy over seeds, from how many examples stand and how many were attacked in each seed."""
    each = [proportion(stand, n) for stand, n in zip(standing, attacked, strict=True)]
    return combine("robust_accuracy", each)


def _range(metric: str) -> tuple[float, float]:
    """The values that a metric can take: a t interval knows nothing of them."""
    if "accuracy" in metric or metric.startswith("ece") or metric.endswith(("_rate", "_share")):
        return 0.0, 1.0
    return (-1.0, 1.0) if metric.startswith("similarity") else (0.0, math.inf)


def _estimate(value: float, low: float, high: float, n: int) -> Estimate:
    return Estimate(_known(value), _known(low), _known(high), int(n))


def _known(number: float) -> float | None:
    return None if pd.isna(number) else float(number)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    keys = frame.assign(attack=frame["attack"].fillna(""), seed=frame["seed"].fillna(2**62))
    order = keys.sort_values([*_KEY, "seed"], kind="stable").index
    return frame.loc[order].reset_index(drop=True)
