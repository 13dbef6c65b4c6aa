"""Which attack decides the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from asa_bench.stats.aggregate import robust_share
from asa_bench.stats.intervals import Estimate


class Share(NamedTuple):
    """What one attack takes of one defence, of the examples that all attacks have in common, over seeds."""

    right: int
    """Right before, under all of them."""
    to_it: int
    """Right before, lost to it."""
    to_it_alone: int
    """Lost to it, and to none of the others."""
    without: Estimate
    """Still right under all the others."""
    with_it: Estimate
    """Still right under all of them and it: never more than without."""
    n: int
    """Examples, seed by seed."""


def deciding(examples: pd.DataFrame, attack: str, others: Sequence[str]) -> Share | None:
    """What ``attack`` adds to ``others`` on one defence; None where they share no examples.

    Args:
        examples: attacked examples of the defence, all attacks and seeds (schema ``EXAMPLES``). *Lost* are those that
            succeeded, and errors and time-outs, which count against the defence.
        attack: the attack that is looked at.
        others: the attacks beside it; may be none.
    """
    names = [attack, *others]
    rows = examples[examples["attack"].isin(names)]
    outcomes = rows.pivot(index=["seed", "example_id"], columns="attack", values="outcome").reindex(columns=names)
    outcomes = outcomes.dropna()
    if outcomes.empty:
        return None
    # An attack may end in an error on an example of which another one knows that the model was wrong anyway.
    right = ~(outcomes == "skipped").any(axis=1)
    stands = outcomes == "failed"
    lost, without = right & ~stands[attack], right & stands[list(others)].all(axis=1)
    seeds = outcomes.index.to_frame()["seed"]
    return Share(
        right=int(right.sum()),
        to_it=int(lost.sum()),
        to_it_alone=int((lost & without).sum()),
        without=robust_share(without, seeds),
        with_it=robust_share(without & stands[attack], seeds),
        n=len(outcomes),
    )
