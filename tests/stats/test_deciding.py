from __future__ import annotations

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.stats.deciding import Share, deciding


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


def test_by_hand() -> None:
    examples = rows(
        letters=["failed", "succeeded", "succeeded", "skipped", "error"],
        words=["failed", "succeeded", "failed", "skipped", "failed"],
        gradient=["succeeded", "failed", "failed", "skipped", "failed"],
    )
    assert deciding(examples, "letters", ["words", "gradient"]) == Share(
        to_it=3 / 5, to_it_alone=2 / 5, without=2 / 5, with_it=0.0, n=5
    )
    assert deciding(examples, "gradient", ["letters", "words"]) == Share(1 / 5, 1 / 5, 1 / 5, 0.0, 5)
    assert deciding(examples, "words", ["letters", "gradient"]) == Share(1 / 5, 0.0, 0.0, 0.0, 5)


def test_an_attack_by_itself() -> None:
    examples = rows(words=["failed", "succeeded", "skipped", "timeout"])
    assert deciding(examples, "words", []) == Share(2 / 4, 2 / 4, 3 / 4, 1 / 4, 4)


def test_only_shared_examples_count() -> None:
    examples = rows(words=["failed", "succeeded"], letters=["failed"])
    assert deciding(examples, "letters", ["words"]) == Share(0.0, 0.0, 1.0, 1.0, 1)
    assert deciding(examples, "letters", ["others"]) is None


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "skipped", "error", "timeout"])
def test_no_outcome_raises_the_worst_case(outcome: str) -> None:
    found = deciding(rows(words=["failed", "succeeded"], more=[outcome, outcome]), "more", ["words"])
    assert found is not None
    assert found.with_it <= found.without
