from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asa_bench.records.schema import CALIBRATION, EXAMPLES, PREDICTIONS, table
from asa_bench.stats.aggregate import robust_share
from asa_bench.stats.deciding import deciding
from asa_bench.stats.metrics import results
from tests.stats.test_metrics import attacked


def rows(**outcomes: list[str]) -> pd.DataFrame:
    """An example for each place of the lists, under each attack."""
    return table(
        [
            {"seed": 0, "attack": attack, "example_id": str(place), "outcome": outcome}
            for attack, list_ in outcomes.items()
            for place, outcome in enumerate(list_)
        ],
        EXAMPLES,
    )


def share(examples: pd.DataFrame, attack: str, *others: str) -> tuple[int | float | None, ...]:
    """Right before, lost, lost to it alone, worst case without and with it, examples."""
    found = deciding(examples, attack, others)
    assert found is not None
    return (*found[:3], found.without.value, found.with_it.value, found.n)


def test_by_hand() -> None:
    examples = rows(
        letters=["failed", "succeeded", "succeeded", "skipped", "error"],
        words=["failed", "succeeded", "failed", "skipped", "failed"],
        gradient=["succeeded", "failed", "failed", "skipped", "failed"],
    )
    assert share(examples, "letters", "words", "gradient") == (4, 3, 2, 2 / 5, 0.0, 5)
    assert share(examples, "gradient", "letters", "words") == (4, 1, 1, 1 / 5, 0.0, 5)
    assert share(examples, "words", "letters", "gradient") == (4, 1, 0, 0.0, 0.0, 5)


def test_an_attack_by_itself() -> None:
    assert share(rows(words=["failed", "succeeded", "skipped", "timeout"]), "words") == (3, 2, 2, 3 / 4, 1 / 4, 4)


def test_only_shared_examples_count() -> None:
    examples = rows(words=["failed", "succeeded"], letters=["failed"])
    assert share(examples, "letters", "words") == (1, 0, 0, 1.0, 1.0, 1)
    assert deciding(examples, "letters", ["others"]) is None


def test_what_was_wrong_before_is_lost_to_no_attack() -> None:
    """An error does not say whether the model was right before; another attack does."""
    examples = rows(words=["skipped", "error"], letters=["error", "failed"])
    assert share(examples, "letters", "words") == (1, 0, 0, 0.0, 0.0, 2)
    assert share(examples, "words", "letters") == (1, 1, 1, 1 / 2, 0.0, 2)


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    outcomes = ["SSFF", "SFFF", "FFFF"]
    names = {"S": "succeeded", "F": "failed"}
    examples = pd.concat(
        [rows(words=[names[letter] for letter in each]).assign(seed=seed) for seed, each in enumerate(outcomes)]
    )
    found = deciding(examples, "words", [])
    assert found is not None
    assert found[:3] == (12, 3, 3)
    assert found.with_it == robust_share(examples["outcome"] == "failed", examples["seed"])
    assert found.with_it.value == 0.75
    assert found.without.value == 1.0


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "skipped", "error", "timeout"])
def test_no_outcome_raises_the_worst_case(outcome: str) -> None:
    *_, without, with_it, _ = share(rows(words=["failed", "succeeded"], more=[outcome, outcome]), "more", "words")
    assert without is not None
    assert with_it is not None
    assert with_it <= without


OUTCOMES = st.lists(st.text("SFKET", min_size=6, max_size=6), min_size=3, max_size=3)


@settings(deadline=None, max_examples=30)
@given(st.lists(OUTCOMES, min_size=1, max_size=3))
def test_all_parts_are_those_of_one_worst_case(letters: list[list[str]]) -> None:
    """Whichever attack is looked at: with it there is the run's own worst case, without it what it took alone more."""
    names = [f"attack-{number}" for number in range(len(letters))]
    examples = table(
        [
            row
            for name, seeds in zip(names, letters, strict=True)
            for seed, outcomes in enumerate(seeds)
            for row in attacked(outcomes, name, seed=seed)
        ],
        EXAMPLES,
    )
    metrics = results(examples, table([], PREDICTIONS), table([], CALIBRATION))
    worst = metrics[(metrics["metric"] == "worst_case_accuracy") & metrics["seed"].isna()]["value"].item()
    for attack in names:
        right, lost, alone, without, with_it, n = share(examples, attack, *(name for name in names if name != attack))
        assert n == 18
        assert with_it == pytest.approx(worst)
        assert without == pytest.approx(worst + (alone or 0) / 18)
        assert (alone or 0) <= (lost or 0) <= (right or 0)
