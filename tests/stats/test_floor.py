from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from asa_bench.records.schema import PREDICTIONS, table
from asa_bench.stats.floor import accuracy_floor, under_floor


def predictions(labels: str, right: int) -> pd.DataFrame:
    """A model's test rows of which the first ``right`` are right."""
    cell: dict[str, Any] = {"task": "t", "encoder": "e", "defence": "d", "seed": 0, "dataset": "test"}
    rows = [
        {**cell, "example_id": str(i), "label": int(label), "prediction": int(label) if i < right else None}
        for i, label in enumerate(labels)
    ]
    return table(rows, PREDICTIONS)


@pytest.mark.parametrize(("labels", "floor"), [("0011", 3 / 4), ("0001", 1.0), ("012", 2 / 3), ("000", None)])
def test_one_more_than_a_constant_answer(labels: str, floor: float | None) -> None:
    assert accuracy_floor(predictions(labels, 0)["label"]) == floor


def test_a_model_under_the_floor_is_told() -> None:
    sentence = "d (seed 0) has clean accuracy 0.500, under the floor of 0.750: the comparison is not meaningful"
    assert under_floor(predictions("0011", 2), {}) == [sentence]
    assert under_floor(predictions("0011", 3), {"t": None}) == []
    assert under_floor(predictions("0011", 2), {"t": 0.5}) == []
    assert under_floor(predictions("0011", 0), {"t": 0.0}) == []


def test_data_of_one_class_have_no_floor_of_their_own() -> None:
    assert under_floor(predictions("000", 3), {}) == []
    assert under_floor(predictions("000", 1), {}) == []
    assert len(under_floor(predictions("000", 1), {"t": 0.5})) == 1
