"""Attacks that did nothing are invalid, never robust."""

from __future__ import annotations

from typing import Any

import pandas as pd

from asa_bench.records import schema
from asa_bench.reporting.validity import invalid_attacks
from asa_bench.stats.metrics import results

SUITE: dict[str, Any] = {
    "defence": [{"name": "plain", "method": "baseline"}, {"name": "asa", "method": "asa"}],
    "attack": [
        {"name": "pwws", "kind": "text"},
        {"name": "weak", "kind": "text"},
        {"name": "idle", "kind": "text"},
        {"name": "unfelt", "kind": "text"},
        {"name": "pwws-random", "kind": "control"},
        {"name": "masks-on", "kind": "aware"},
    ],
}


def rows() -> pd.DataFrame:
    def some(
        defence: str, attack: str, succeeded: int, candidates: int, *, moved: bool | None = None
    ) -> list[dict[str, Any]]:
        place = {"task": "t", "encoder": "e", "defence": defence, "seed": 0, "attack": attack}
        return [
            {**place, "example_id": str(i), "label": 1, "outcome": "succeeded" if i < succeeded else "failed",
             "candidates": candidates, "moved": moved}
            for i in range(20)
        ]  # fmt: skip

    parts = [some("plain", "pwws", 5, 9), some("asa", "pwws", 0, 9), some("plain", "weak", 0, 9)]
    parts += [some("asa", "weak", 5, 9), some("plain", "idle", 5, 9), some("asa", "idle", 0, 0)]
    parts += [some("asa", "unfelt", 0, 9, moved=False), some("plain", "pwws-random", 0, 9)]
    parts += [some("asa", "masks-on", 0, 9, moved=False)]
    return schema.table([row for part in parts for row in part], schema.EXAMPLES)


def test_which_are_invalid() -> None:
    place = {"task": "t", "encoder": "e"}
    assert invalid_attacks(rows(), SUITE) == [
        {**place, "attack": "idle", "reason": "inert, without a candidate for 100.0 % of the examples"},
        {**place, "attack": "masks-on",
         "reason": "inert, with no candidate that moves the model for 100.0 % of the examples"},
        {**place, "attack": "unfelt",
         "reason": "inert, with no candidate that moves the model for 100.0 % of the examples"},
        {**place, "attack": "weak", "reason": "inert, with 0.0 % success on the baseline"},
    ]  # fmt: skip


def test_an_invalid_attack_has_no_robust_accuracy_and_enters_no_worst_case() -> None:
    frame = rows()
    predictions, calibration = schema.table([], schema.PREDICTIONS), schema.table([], schema.CALIBRATION)
    found = results(frame, predictions, calibration, ["pwws", "weak", "idle"], invalid_attacks(frame, SUITE))
    values = found[found["seed"].notna()].set_index(["defence", "attack", "metric"])["value"]
    robust = values.xs("robust_accuracy", level="metric")
    assert robust["plain", "pwws"] == 0.75
    assert robust.xs("weak", level="attack").isna().all()
    assert robust.xs("idle", level="attack").isna().all()
    worst = found[(found["metric"] == "worst_case_accuracy") & found["seed"].notna()].set_index("defence")["value"]
    assert worst.to_dict() == {"plain": 0.75, "asa": 1.0}
