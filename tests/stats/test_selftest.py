"""An attack that does nothing is seen."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.selftest import Inert, inert

ORIGINAL = [1, -0.7, 0, False]
NEARER = [9, -0.2, 1, False]


def rows(succeeded: int, failed: int, idle: int = 0, unfelt: int = 0, original: bool = True) -> pd.DataFrame:
    """``idle`` and ``unfelt`` of them without a candidate, or without one that is nearer to the goal."""
    outcomes = ["failed"] * failed + ["succeeded"] * succeeded + ["skipped"] * 5
    rows = []
    for i, outcome in enumerate(outcomes):
        trace = [ORIGINAL] * original + [NEARER] * (i >= unfelt or not original)
        rows.append({"outcome": outcome, "candidates": 3 * (i >= idle), "trace": json.dumps(trace)})
    return table(rows, EXAMPLES)


@pytest.mark.parametrize(
    ("frame", "baseline", "expected"),
    [
        (rows(1, 19), True, None),
        (rows(0, 20), True, Inert("success", 0.0)),
        (rows(0, 20), False, None),
        (rows(0, 19), True, None),
        (rows(10, 10, idle=10), True, None),
        (rows(10, 10, idle=11), False, Inert("idle", 0.55)),
        (rows(0, 0), False, None),
        (rows(10, 10, unfelt=10), False, None),
        (rows(5, 15, unfelt=11), False, Inert("unfelt", 0.55)),
        (rows(5, 15, unfelt=11, original=False), False, None),  # written before the original stood in the trace
    ],
)
def test_what_is_inert(frame: pd.DataFrame, *, baseline: bool, expected: Inert | None) -> None:
    assert inert(frame, baseline=baseline) == expected
