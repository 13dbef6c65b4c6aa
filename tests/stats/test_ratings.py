"""What people's ratings come to, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from asa_bench.records.schema import EXAMPLES, RATINGS, table
from asa_bench.stats.intervals import Estimate, proportion
from asa_bench.stats.ratings import accepted_robust_accuracy, agreement, current, judged, raters

CELL = {"task": "t", "encoder": "e", "defence": "d", "seed": 0, "attack": "pwws"}


def rating(example: str, rater: str, label: int | None, meaning: int, **changes: Any) -> dict[str, Any]:
    known = {"example_id": example, "adversarial_text": f"text {example}", "item": f"x{example}", "rater": rater}
    return {**CELL, **known, "label_read": label, "meaning": meaning, "grammar": 3, **changes}


def successes(names: str) -> Any:
    rows = [
        {**CELL, "example_id": name, "outcome": "succeeded", "adversarial_text": f"text {name}", "label": 1}
        for name in names
    ]
    return table(rows, EXAMPLES)


def test_a_text_is_accepted_with_its_meaning_and_its_label() -> None:
    ratings = table(
        [
            rating("a", "A", 1, 5), rating("a", "B", 1, 3), rating("a", "C", 0, 4),  # mean 4, two of three read 1
            rating("b", "A", 1, 4), rating("b", "B", 1, 4), rating("b", "C", 1, 3),  # mean under 4
            rating("c", "A", 1, 5), rating("c", "B", None, 5),  # half is no majority, unclear no label
            rating("d", "A", 0, 1, grammar=5),
        ],
        RATINGS,
    )  # fmt: skip
    found = judged(current(ratings, successes("abcd")))
    assert found["example_id"].tolist() == list("abcd")
    assert found["meaning_kept"].tolist() == [True, False, True, False]
    assert found["label_kept"].tolist() == [True, True, False, False]
    assert found["accepted"].tolist() == [True, False, False, False]
    assert found["grammar"].tolist() == [3, 3, 3, 5]


def test_only_texts_as_they_were_rated_count() -> None:
    ratings = table(
        [
            rating("a", "A", 1, 5),
            rating("b", "A", 1, 5, adversarial_text="an older text"),
            rating("c", "A", 1, 5, defence="another"),
            {"task": "t", "encoder": "e", "example_id": "a", "item": "y", "control": "copy", "rater": "A",
             "label_read": 1, "meaning": 5, "grammar": 5},
        ],
        RATINGS,
    )  # fmt: skip
    assert current(ratings, successes("abc"))["example_id"].tolist() == ["a"]
    assert judged(current(ratings, successes(""))).empty


def test_controls_are_counted_against_the_rater() -> None:
    controls = [("copy", 5), ("copy", 3), ("mismatch", 1), ("mismatch", 4), ("mismatch", 3)]
    rows = [rating(str(i), "A", 1, m, control=kind) for i, (kind, m) in enumerate(controls)]
    rows += [rating("a", "A", 1, 5), rating("a", "B", 1, 2)]
    assert list(raters(table(rows, RATINGS))) == [("A", 1, 5, 2), ("B", 1, 0, 0)]


def test_agreement_over_texts_that_several_rated() -> None:
    rows = [rating("a", "A", 1, 5), rating("a", "B", 1, 5), rating("b", "A", None, 1), rating("b", "B", None, 2)]
    rows += [rating("c", "A", 0, 3)]
    ratings = current(table(rows, RATINGS), successes("abc"))
    assert agreement(ratings, "label_read") == 1.0  # both said unclear
    assert agreement(ratings, "meaning") == pytest.approx(1 - 3 * 2 / (2 * (1 + 2 * 2.5**2 + 2 * 1.5**2)))
    assert agreement(ratings, "grammar") is None
    assert agreement(ratings[ratings["rater"] == "A"], "meaning") is None


def attacked(outcomes: str, seed: int = 0) -> list[dict[str, Any]]:
    names = {"1": "failed", "0": "succeeded", "s": "skipped", "e": "error"}
    return [{**CELL, "seed": seed, "example_id": str(i), "outcome": names[c]} for i, c in enumerate(outcomes)]


def test_successes_count_as_far_as_people_accept_them() -> None:
    rows = table(attacked("1" * 20 + "0" * 60 + "s" * 15 + "e" * 5), EXAMPLES)
    found = accepted_robust_accuracy(rows, proportion(15, 20))
    assert found.value == pytest.approx(0.2 + 0.6 * 0.25)
    assert found.n == 100
    assert found.low is not None
    assert found.high is not None
    # Wilson at 35 of 100 is 0.2636–0.4475, at 15 of 20 it is 0.5313–0.8881
    assert found.low == pytest.approx(0.35 - ((0.35 - 0.2636) ** 2 + (0.6 * 0.1381) ** 2) ** 0.5, abs=1e-4)
    assert found.high == pytest.approx(0.35 + ((0.4475 - 0.35) ** 2 + (0.6 * 0.2187) ** 2) ** 0.5, abs=1e-4)


def test_where_all_are_accepted_it_is_robust_accuracy_and_without_ratings_nothing() -> None:
    rows = table(attacked("1" * 20 + "0" * 80), EXAMPLES)
    assert accepted_robust_accuracy(rows, proportion(20, 20)).value == pytest.approx(0.2)
    assert accepted_robust_accuracy(rows, proportion(0, 0)) == Estimate(None, None, None, 0)
    assert accepted_robust_accuracy(table([], EXAMPLES), proportion(1, 2)) == Estimate(None, None, None, 0)


def test_two_seeds_have_no_interval_and_three_have() -> None:
    seeds = [attacked("1" * held + "0" * (100 - held), seed) for seed, held in enumerate((20, 30, 40))]
    two = accepted_robust_accuracy(table(seeds[0] + seeds[1], EXAMPLES), proportion(10, 20))
    assert two.value == pytest.approx(0.625)
    assert (two.low, two.high, two.n) == (None, None, 200)
    three = accepted_robust_accuracy(table([row for rows in seeds for row in rows], EXAMPLES), proportion(10, 20))
    assert three.value == pytest.approx(0.65)
    assert three.low is not None
    assert three.low < 0.65 - 0.7 * 0.2
