"""Robust accuracy where an attack may spend less: queries, changed words, similarity – all from one run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd

from asa_bench.stats.aggregate import combine, robust_share, robust_share_of
from asa_bench.stats.intervals import Estimate


def robust_within(rows: pd.DataFrame, measure: str, limit: float) -> Estimate:
    """Robust accuracy of one defence against one attack, over seeds, if only changes within a limit count.

    Undefined when no success has the measure.

    Args:
        rows: attacked examples (schema ``EXAMPLES``).
        measure: a key of ``MEASURES``.
        limit: the most that may be spent; for similarity the least that is asked for.
    """
    if not known(rows, measure):
        return Estimate(None, None, None, len(rows))
    return robust_share(effort(rows, measure) > _spent(measure, limit), rows["seed"])


def curve(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Robust accuracy by limit, over seeds: it holds from each limit of the index on, up to the next.

    The index starts with nothing spent and, for similarity, falls from 1; the columns are those of an estimate. Empty
    when no success has the measure.
    """
    if not known(rows, measure):
        return pd.DataFrame(columns=list(Estimate._fields), dtype=float)
    spent = effort(rows, measure)
    steps = [0.0, *sorted({value for value in spent if 0 < value < math.inf})]
    limits = [_complement(step) for step in steps] if measure == "similarity" else steps
    seeds = [np.sort(seed) for _, seed in spent.groupby(rows["seed"])]
    held = np.column_stack([len(seed) - np.searchsorted(seed, steps, side="right") for seed in seeds])
    found = [robust_share_of(counts, [len(seed) for seed in seeds]) for counts in held.tolist()]
    return pd.DataFrame(found, index=limits, dtype=float)


def area(rows: pd.DataFrame, budget: int) -> Estimate:
    """Robust accuracy averaged over every budget up to ``budget`` queries: the area under its curve, over seeds.

    Undefined when no success has its queries.
    """
    if not known(rows, "queries"):
        return Estimate(None, None, None, len(rows))
    held = effort(rows, "queries").clip(upper=budget) / budget
    seeds = [Estimate(float(seed.mean()), None, None, len(seed)) for _, seed in held.groupby(rows["seed"])]
    return combine("robust_accuracy", seeds)


def without_limit(rows: pd.DataFrame, budget: int) -> tuple[Estimate, Estimate]:
    """Robust accuracy that no larger budget can change, and what it is at most without any: over seeds.

    An example that still stands when its search ended before the budget stands whatever the budget; one whose search
    ran into it may fall or stand. The two are equal where no search ran into it.
    """
    stands = rows["outcome"] == "failed"
    ended = stands & ~ran_out(rows, budget)
    return robust_share(ended, rows["seed"]), robust_share(stands, rows["seed"])


def ran_out(rows: pd.DataFrame, budget: int) -> pd.Series:
    """Whether each example still stands because its search ran into the budget; so it counts where that is unknown."""
    return (rows["outcome"] == "failed") & (rows["queries"] >= budget).fillna(value=True)


def shared(rows: pd.DataFrame, outcomes: Collection[str]) -> pd.DataFrame:
    """The rows of one attack on the examples that ended in one of ``outcomes`` for every defence, within a seed.

    *succeeded*: what every defence lost, so that means are over the same examples, where those over each one's own
    successes lack the hard ones that it held. *succeeded* and *failed*: what every defence had right before.
    """
    found = rows[rows["outcome"].isin(list(outcomes))]
    counts = found.groupby(["seed", "example_id"])["defence"].transform("nunique")
    return found[counts == rows["defence"].nunique()]


def known(rows: pd.DataFrame, measure: str) -> bool:
    """Whether the rows tell anything: there are some, and a success among them has the measure, if there is one."""
    succeeded = rows[rows["outcome"] == "succeeded"]
    return len(rows) > 0 and (succeeded.empty or bool(MEASURES[measure](succeeded).notna().any()))


def effort(rows: pd.DataFrame, measure: str) -> pd.Series:
    """What it took to turn each row's prediction wrong: 0 where it is not shown robust at all, infinite where it holds.

    Of similarity, what it took is its distance from 1. A success whose measure is unknown counts as one for nothing.
    """
    found = pd.Series(0.0, index=rows.index)
    found[rows["outcome"] == "failed"] = math.inf
    succeeded = rows[rows["outcome"] == "succeeded"]
    found[succeeded.index] = MEASURES[measure](succeeded).astype(float).fillna(0.0)
    return found


def _spent(measure: str, limit: float) -> float:
    return _complement(limit) if measure == "similarity" else limit


def _complement(similarity: Any) -> Any:
    """From similarity to distance or back, without the last digits that a subtraction makes up."""
    return round(1 - similarity, 12)


def first_success(succeeded: pd.DataFrame) -> pd.Series:
    """The query that found each success; all that it took where there is no trace."""
    traced = [_success_query(trace) for trace in succeeded["trace"]]
    return pd.Series(traced, index=succeeded.index, dtype=float).fillna(succeeded["queries"])


def _success_query(trace: Any) -> float:
    steps = [] if pd.isna(trace) else json.loads(trace)
    return next((float(query) for query, _, _, success in steps if success), math.nan)


MEASURES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "queries": first_success,
    "words": lambda succeeded: succeeded["words_changed"],
    "strength": lambda succeeded: succeeded["strength"],
    "similarity": lambda succeeded: _complement(succeeded["similarity"].astype(float)).clip(lower=0),
}
"""What an attack spends, per success."""
