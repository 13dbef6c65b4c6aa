"""An attack that does nothing is seen."""

from __future__ import annotations

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.selftest import Inert, inert


def rows(succeeded: int, failed: int, idle: int = 0) -> pd.DataFrame:
    outcomes = ["succeeded"] * succeeded + ["failed"] * failed + ["skipped"] * 5
    candidates = [0] * idle + [3] * (len(outcomes) - idle)
    return table([{"outcome": o, "candidates": c} for o, c in zip(outcomes, candidates, strict=True)], EXAMPLES)


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
    ],
)
def test_what_is_inert(frame: pd.DataFrame, *, baseline: bool, expected: Inert | None) -> None:
    assert inert(frame, baseline=baseline) == expected
