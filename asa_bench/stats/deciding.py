"""Which attack decides the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd


class Share(NamedTuple):
    """What one attack takes of one defence, over seeds; shares of the examples that all attacks have in common."""

    to_it: float
    """Right before, lost to it."""
    to_it_alone: float
    """Lost to it, and to none of the others."""
    without: float
    """Still right under all the others."""
    with_it: float
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
    stands = outcomes == "failed"
    lost = ~stands[attack] & (outcomes[attack] != "skipped")
    without = stands[list(others)].all(axis=1) if others else outcomes[attack] != "skipped"
    to_it, alone, before, after = (
        float(flags.mean()) for flags in (lost, lost & without, without, without & stands[attack])
    )
    return Share(to_it, alone, before, after, n=len(outcomes))
