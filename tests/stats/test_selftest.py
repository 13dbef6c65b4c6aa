"""An attack that does nothing is seen."""

from __future__ import annotations

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.selftest import Inert, inert


def rows(succeeded: int, failed: int, idle: int = 0, unfelt: int = 0, unasked: int = 0) -> pd.DataFrame:
    """``idle``: without a candidate; ``unfelt``: without one that moves the model, or (``unasked``) is asked about."""
    outcomes = ["failed"] * failed + ["succeeded"] * succeeded + ["skipped"] * 5
    rows = []
    for i, outcome in enumerate(outcomes):
        moved = None if i < unasked else i >= unfelt
        rows.append({"outcome": outcome, "candidates": 3 * (i >= idle), "moved": moved})
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
        (rows(5, 15, unfelt=11, unasked=1), False, None),
        (rows(5, 15, unasked=20), False, None),
        (rows(5, 15, idle=6, unfelt=11, unasked=6), False, Inert("unfelt", 0.55)),
    ],
)
def test_what_is_inert(frame: pd.DataFrame, *, baseline: bool, expected: Inert | None) -> None:
    assert inert(frame, baseline=baseline) == expected
