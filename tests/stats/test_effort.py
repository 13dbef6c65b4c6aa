from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.effort import MEASURES, area, curve, robust_within, shared, without_limit


def rows(*outcomes: tuple[str, Any, Any, Any, Any], seed: int = 0) -> pd.DataFrame:
    """Rows of outcome, queries, trace, changed words and similarity."""
    cell = {"task": "t", "encoder": "e", "defence": "d", "seed": seed, "attack": "a"}
    names = ("outcome", "queries", "trace", "words_changed", "similarity")
    return table(
        [{**cell, "example_id": str(i), **dict(zip(names, row, strict=True))} for i, row in enumerate(outcomes)],
        EXAMPLES,
    )


TRACE = json.dumps([[3, 0.1, 1, False], [10, 0.7, 1, True], [12, 0.9, 2, True]])


@pytest.fixture
def five() -> pd.DataFrame:
    return rows(
        ("skipped", 1, None, None, None),
        ("error", 4, None, None, None),
        ("failed", 50, None, None, None),
        ("succeeded", 12, TRACE, 2, 0.95),
        ("succeeded", 30, None, 4, 0.7),
    )


@pytest.mark.parametrize(
    ("measure", "limit", "robust"),
    [
        ("queries", 9, 3), ("queries", 10, 2), ("queries", 29, 2), ("queries", 30, 1), ("queries", 1000, 1),
        ("words", 1, 3), ("words", 2, 2), ("words", 4, 1),
        ("similarity", 1.0, 3), ("similarity", 0.95, 2), ("similarity", 0.71, 2), ("similarity", 0.7, 1),
    ],
)  # fmt: skip
def test_only_changes_within_the_limit_count(five: pd.DataFrame, measure: str, limit: float, robust: int) -> None:
    estimate = robust_within(five, measure, limit)
    assert (estimate.value, estimate.n) == (robust / 5, 5)
    assert estimate.low is not None


def test_a_defence_that_only_slows_the_attack_looks_better_at_small_budgets_alone() -> None:
    quick, slow = (rows(*[("succeeded", queries, None, 1, 0.9)] * 8, *[("failed", 100, None, None, None)] * 2)
                   for queries in (10, 90))  # fmt: skip
    within = {limit: [robust_within(side, "queries", limit).value for side in (quick, slow)] for limit in (50, 100)}
    assert within == {50: [0.2, 1.0], 100: [0.2, 0.2]}


def test_a_measure_that_no_success_has_is_undefined(five: pd.DataFrame) -> None:
    unknown = five.assign(words_changed=pd.array([None] * 5, dtype="Int64"))
    assert robust_within(unknown, "words", 0) == (None, None, None, 5)
    assert curve(unknown, "words").empty


def test_a_success_of_unknown_measure_counts_at_every_limit(five: pd.DataFrame) -> None:
    unknown = five.assign(words_changed=pd.array([None] * 4 + [4], dtype="Int64"))
    assert robust_within(unknown, "words", 0).value == 2 / 5


def test_several_seeds_are_averaged_not_pooled() -> None:
    of_two = [rows(("failed", 50, None, None, None), seed=0), rows(*[("skipped", 1, None, None, None)] * 3, seed=1)]
    estimate = robust_within(pd.concat(of_two, ignore_index=True), "queries", 10)
    assert estimate == (0.5, None, None, 4)


def test_curves_fall_from_clean_to_robust_accuracy(five: pd.DataFrame) -> None:
    assert curve(five, "queries")["value"].to_dict() == {0: 3 / 5, 10: 2 / 5, 30: 1 / 5}
    assert curve(five, "words")["value"].to_dict() == {0: 3 / 5, 2: 2 / 5, 4: 1 / 5}
    assert curve(five, "similarity")["value"].to_dict() == {1: 3 / 5, 0.95: 2 / 5, 0.7: 1 / 5}


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize(("measure", "limit"), [("queries", 10), ("words", 4), ("similarity", 0.95)])
def test_a_curve_has_the_intervals_of_its_limits(five: pd.DataFrame, measure: str, limit: float, seeds: int) -> None:
    parts = [pd.concat([five, five.tail(seed)]).assign(seed=seed) for seed in range(seeds)]
    together = pd.concat(parts, ignore_index=True)
    estimate = robust_within(together, measure, limit)
    assert tuple(curve(together, measure).loc[limit]) == pytest.approx(
        [math.nan if value is None else value for value in estimate], nan_ok=True
    )
    assert (estimate.low is None) == (seeds == 2)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_defence_that_holds_has_a_flat_curve(measure: str) -> None:
    holding = rows(("failed", 50, None, None, None), ("skipped", 1, None, None, None))
    assert list(curve(holding, measure)["value"]) == [0.5]
    assert robust_within(holding, measure, 0.5).value == 0.5


@pytest.mark.parametrize("measure", MEASURES)
def test_no_rows_no_curve(measure: str) -> None:
    assert curve(rows(), measure).empty


def test_successes_for_nothing_start_the_curve_low() -> None:
    free = rows(("failed", 50, None, None, None), ("succeeded", 9, None, 0, 1.0))
    assert [list(curve(free, measure)["value"]) for measure in ("words", "similarity")] == [[0.5], [0.5]]


def test_the_area_is_the_mean_over_all_budgets(five: pd.DataFrame) -> None:
    budgets = [robust_within(five, "queries", limit).value for limit in range(50)]
    assert area(five, 50).value == pytest.approx(sum(filter(None, budgets)) / 50)
    assert area(five, 50).value == pytest.approx((10 + 30 + 50) / 50 / 5)
    assert area(rows(("failed", 50, None, None, None)), 50).value == 1.0


def test_only_what_is_so_for_every_defence_is_shared(five: pd.DataFrame) -> None:
    other = five.assign(defence="other", outcome=["failed", "failed", "failed", "succeeded", "failed"])
    both = pd.concat([five, other], ignore_index=True)
    assert set(shared(both, ("succeeded",))["example_id"]) == {"3"}
    assert sorted(shared(both, ("succeeded",))["defence"]) == ["d", "other"]
    assert set(shared(both, ("succeeded", "failed"))["example_id"]) == {"2", "3", "4"}
    assert shared(five, ("succeeded",))["example_id"].tolist() == ["3", "4"]


def test_what_a_larger_budget_cannot_change_and_what_it_may() -> None:
    standing = [("failed", 50, None, None, None), ("failed", 100, None, None, None), ("failed", None, None, None, None)]
    fallen = [("succeeded", 12, None, 2, 0.95), ("error", 4, None, None, None)]
    frame = rows(*standing, *fallen)
    least, most = without_limit(frame, 100)
    assert (least.value, most.value, most.n) == (0.2, 0.6, 5)
    assert least.low is not None
    least, most = without_limit(rows(standing[0], *fallen), 100)
    assert least == most


def test_budgets_are_averaged_over_seeds() -> None:
    held, cut = ("failed", 50, None, None, None), ("failed", 100, None, None, None)
    frame = pd.concat([rows(held, held), rows(held, cut, seed=1)], ignore_index=True)
    least, most = without_limit(frame, 100)
    assert (least.value, most.value) == (0.75, 1.0)
