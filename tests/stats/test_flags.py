"""Each sign that a number flatters a model, triggered by measures that show it."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.flags import Flag, Known, met_before, model_flags, outdone, stalled

BUDGET = 100


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("unlike_answers", 0.0),
        ("zero_gradient", 0.05),
        ("saturated_share", 0.5),
        ("truncated_share", 0.05),
        ("ece_calibrated", 0.1),
    ],
)
def test_a_measure_over_its_limit_is_a_sign_and_one_at_it_is_none(name: str, most: float) -> None:
    assert list(model_flags({name: (most, 64)})) == []
    assert list(model_flags({name: (most + 0.01, 64)})) == [Flag(name, most + 0.01, 64)]  # type: ignore[arg-type]


def test_overfitting_is_the_gap_between_training_and_validation() -> None:
    (flag,) = model_flags({"training_accuracy": (1.0, 200), "validation_accuracy": (0.75, 500)})
    assert flag == Flag("gap", 0.25, 200)
    assert list(model_flags({"training_accuracy": (0.85, 200), "validation_accuracy": (0.75, 500)})) == []
    assert list(model_flags({"training_accuracy": (1.0, 200)})) == []


def test_what_was_not_measured_is_no_sign() -> None:
    assert list(model_flags({"ece_calibrated": (None, 0)})) == []


def attacked(fell_at: list[int], ran_out: int, ended: int = 0) -> pd.DataFrame:
    """Successes at these queries, failures that used all of the budget, and failures that ended before."""
    traces = [json.dumps([[1, 0.1, 0, False], [query, 0.9, 1, True]]) for query in fell_at]
    rows = [{"outcome": "succeeded", "queries": q, "trace": trace} for q, trace in zip(fell_at, traces, strict=True)]
    rows += [{"outcome": "failed", "queries": BUDGET}] * ran_out + [{"outcome": "failed", "queries": 30}] * ended
    return table(rows, EXAMPLES)


def test_a_search_is_stalled_when_the_second_half_of_its_budget_brings_nothing() -> None:
    assert stalled(attacked([10] * 20, 20), BUDGET) == Flag("stalled", 0.0, 20)


@pytest.mark.parametrize(
    "rows",
    [
        attacked([10] * 20 + [51], 20),  # one fell late
        attacked([10] * 20, 19),  # too few went on
        attacked([10] * 19, 20),  # too few fell at all
        attacked([10] * 20, 0, ended=60),  # it came to its end by itself
    ],
)
def test_what_is_not_stalled(rows: pd.DataFrame) -> None:
    assert stalled(rows, BUDGET) is None


def sides(sighted: int, blinder: int, both: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of two attacks on 60 examples: what falls to each alone, and to both."""

    def rows(fallen: range) -> pd.DataFrame:
        outcomes = ["succeeded" if i < both or i in fallen else "failed" for i in range(60)]
        cells = [{"seed": 0, "example_id": str(i), "outcome": outcome} for i, outcome in enumerate(outcomes)]
        return table(cells, EXAMPLES)

    return rows(range(both, both + sighted)), rows(range(both + sighted, both + sighted + blinder))


def test_a_blinder_attack_that_does_better_is_a_sign() -> None:
    flag = outdone(*sides(sighted=2, blinder=20, both=10))
    assert flag is not None
    assert flag.value == pytest.approx(18 / 60)
    assert (flag.why, flag.n) == ("outdone", 60)


@pytest.mark.parametrize(("sighted", "blinder"), [(20, 2), (5, 5), (0, 5), (0, 0)])
def test_a_better_an_equal_and_a_chance_difference_are_none(sighted: int, blinder: int) -> None:
    assert outdone(*sides(sighted, blinder, both=10)) is None


def test_without_common_examples_there_is_no_sign() -> None:
    sighted, _ = sides(0, 0)
    assert outdone(sighted, sighted.iloc[:0]) is None


def test_an_attack_that_was_met_before_is_a_sign_and_another_is_none() -> None:
    known = [Known("learnt", "deepwordbug", 500), Known("tuned", "mine/pwws.toml", 100)]
    assert list(met_before("deepwordbug", known)) == [Flag("learnt", 1.0, 500)]
    assert list(met_before("pwws", known)) == [Flag("tuned", 1.0, 100)]
    assert list(met_before("textfooler", known)) == []
