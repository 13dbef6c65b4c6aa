"""Texts that were found elsewhere can only lower."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

from asa_bench.records.schema import CALIBRATION, EXAMPLES, EXTERNAL, PREDICTIONS, table
from asa_bench.stats.external import CONFIRMED, REASONS, verdicts, worst_case_with
from asa_bench.stats.metrics import results
from tests.stats.test_metrics import CELL, attacked

Rows = list[dict[str, Any]]


def text(number: int, *, confirmed: bool = True, prediction: int | None = 0, **changes: Any) -> dict[str, Any]:
    answer = {"label": 1, "prediction": prediction, "confirmed": confirmed}
    return {**CELL, "name": "x", "example_id": f"id{number}", "adversarial_text": "y", **answer} | changes


def measured(examples: Rows, external: Rows) -> dict[tuple[str, int | None], float]:
    """Both worst cases by metric and seed; the seed None is the mean."""
    frame = results(
        table(examples, EXAMPLES), table([], PREDICTIONS), table([], CALIBRATION), external=table(external, EXTERNAL)
    )
    worst = frame[frame["metric"].str.endswith("worst_case_accuracy")]
    return {
        (metric.removesuffix("worst_case_accuracy"), None if pd.isna(seed) else int(seed)): float(value)
        for metric, seed, value in worst[["metric", "seed", "value"]].itertuples(index=False)
    }


def test_a_mean_over_seeds_is_over_all_of_them() -> None:
    """Seed 0 is more robust than seed 1, and texts were brought for it alone: its own 50 % are above the mean 40 %."""
    examples = attacked("FFFFFFSSSS") + attacked("FFSSSSSSSS", seed=1)
    found = measured(examples, [text(0)])
    assert found["", None] == pytest.approx(0.4)
    assert (found["external_", 0], found["external_", 1]) == (0.5, 0.2)
    assert found["external_", None] == pytest.approx(0.35)


def test_nothing_is_said_of_defences_that_no_text_was_brought_for() -> None:
    examples = attacked("FFSS") + attacked("FFSS", defence="other")
    frame = results(
        table(examples, EXAMPLES), table([], PREDICTIONS), table([], CALIBRATION), external=table([text(0)], EXTERNAL)
    )
    assert set(frame.loc[frame["metric"] == "external_worst_case_accuracy", "defence"]) == {"d"}
    assert not [metric for metric, _ in measured(examples, []) if metric == "external_"]


@pytest.mark.parametrize("seed", range(20))
def test_no_texts_whatever_raise_it(seed: int) -> None:
    """Unknown ids, repeated ones, texts for examples that fell or were wrong before, for some seeds or all."""
    chance = random.Random(seed)
    examples = [
        row
        for place in range(3)
        for attack in ("pwws", "deepwordbug")
        for row in attacked("".join(chance.choices("FSKET", (6, 2, 1, 1, 1), k=12)), attack, seed=place)
    ]
    external = [
        text(chance.randrange(20), seed=chance.randrange(4), confirmed=chance.random() < 0.5)
        for _ in range(chance.randrange(12))
    ]
    found = measured(examples, external)
    places = [place for metric, place in found if metric == "external_"]
    assert bool(places) == bool(external)
    assert all(found["external_", place] <= found["", place] for place in places)


def test_the_worst_case_of_one_source_by_hand() -> None:
    examples = table(attacked("FFFS") + attacked("FFSF", "deepwordbug") + attacked("FFFF", seed=1), EXAMPLES)
    brought = table([text(0), text(1, confirmed=False), text(0, seed=1)], EXTERNAL)
    both = worst_case_with(examples, ["pwws", "deepwordbug"], brought)
    assert (both.value, both.n) == (0.25, 4)  # seed 1 lacks an attack
    alone = worst_case_with(examples, ["pwws"], brought)
    assert alone.value == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert alone.n == 8
    assert worst_case_with(examples, [], brought).n == 0


def test_why_a_text_does_not_count() -> None:
    rows = [
        text(0),
        text(1, prediction=1, confirmed=False),
        text(2, confirmed=False),
        text(3, prediction=None, confirmed=False),
    ]
    assert verdicts(table(rows, EXTERNAL)).tolist() == [CONFIRMED, *REASONS]
    assert verdicts(table([], EXTERNAL)).empty
