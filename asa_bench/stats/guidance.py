"""Whether what guides an attack's search is worth anything: against a random search with the same budget."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from asa_bench.stats.selftest import FEWEST

PAIR = ["defence", "seed", "example_id"]
"""What names one attacked example of one model."""


class Blind(NamedTuple):
    """A guided search that found no more than a random one, on the same examples."""

    guided: int
    """Successes of the guided search."""
    random: int
    """Successes of the random search."""
    n: int


def blind(guided: pd.DataFrame, random: pd.DataFrame) -> Blind | None:
    """The counts when a guided search succeeds no more often than a random one.

    None when it does, when both attacked fewer than ``FEWEST`` examples, and where none or all of them succeed, which
    tells nothing about the search.

    Args:
        guided: rows of the attack on one task and encoder (schema ``EXAMPLES``).
        random: rows of its control there.
    """
    sides = [
        rows[rows["outcome"].isin(["succeeded", "failed"])].set_index(PAIR)["outcome"] == "succeeded"
        for rows in (guided, random)
    ]
    both = pd.concat(sides, axis=1, join="inner", keys=["guided", "random"])
    counts = Blind(int(both["guided"].sum()), int(both["random"].sum()), len(both))
    telling = counts.n >= FEWEST and counts.random > 0 and counts.guided < counts.n
    return counts if telling and counts.random >= counts.guided else None
