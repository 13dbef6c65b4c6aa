"""A search that random search equals is told."""

from __future__ import annotations

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.guidance import Blind, blind


def rows(outcomes: str, start: int = 0) -> pd.DataFrame:
    """One example per letter: s succeeded, f failed, k skipped."""
    names = {"s": "succeeded", "f": "failed", "k": "skipped"}
    place = {"defence": "d", "seed": 0}
    found = [{**place, "example_id": str(i), "outcome": names[letter]} for i, letter in enumerate(outcomes, start)]
    return table(found, EXAMPLES)


@pytest.mark.parametrize(
    ("guided", "random", "expected"),
    [
        (rows("s" * 12 + "f" * 8), rows("s" * 11 + "f" * 9), None),
        (rows("s" * 12 + "f" * 8), rows("f" * 8 + "s" * 12), Blind(12, 12, 20)),
        (rows("s" * 5 + "f" * 20), rows("s" * 9 + "f" * 16), Blind(5, 9, 25)),
        (rows("s" * 5 + "f" * 14), rows("s" * 9 + "f" * 10), None),  # too few
        (rows("f" * 21), rows("k" * 2 + "f" * 19), None),  # too few that both attacked
        (rows("f" * 30 + "s" * 20 + "f" * 2), rows("s" * 20 + "f" * 2, start=30), Blind(20, 20, 22)),
        (rows("s" * 20), rows("s" * 20), None),  # all of them
        (rows("f" * 20), rows("f" * 20), None),  # none
        (rows("s" * 30), rows(""), None),
    ],
)
def test_what_is_blind(guided: pd.DataFrame, random: pd.DataFrame, expected: Blind | None) -> None:
    assert blind(guided, random) == expected
