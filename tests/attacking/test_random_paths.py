"""A random search draws evenly from what the constraints let through, and asks them no more than it has to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

WORDS = [f"word{i}" for i in range(20)]


class Constraints:
    """Lets some words through, and counts what it was asked about."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = set(allowed)
        self.asked = 0

    def __call__(self, texts: Sequence[Any], current: Any, original: Any) -> list[Any]:
        self.asked += len(texts)
        return sorted((text for text in texts if text.words[0] in self.allowed), key=lambda text: str(text.text))


def search(constraints: Constraints) -> Any:
    from asa_bench.attacking.controls import RandomPaths

    found: Any = RandomPaths()
    found.propose = lambda current, original, word: [current.replace_word_at_index(word, other) for other in WORDS]
    found.filter_transformations = constraints
    return found


def draws(constraints: Constraints, count: int) -> Counter[str]:
    from textattack.shared import AttackedText

    random.seed(0)
    text, drawing = AttackedText("good film"), search(constraints)
    return Counter(drawing._step(text, text, 0).words[0] for _ in range(count))


def test_draws_are_even() -> None:
    found = draws(Constraints(WORDS[:4]), 2000)
    assert found.keys() == set(WORDS[:4])
    assert min(found.values()) > 420  # 500 each; four standard deviations


def test_the_constraints_are_asked_until_one_passes() -> None:
    constraints = Constraints(WORDS)
    draws(constraints, 100)
    assert constraints.asked == 400


@pytest.mark.parametrize("allowed", [[], ["elsewhere"]])
def test_without_a_candidate_there_is_no_step(allowed: list[str]) -> None:
    from textattack.shared import AttackedText

    constraints, text = Constraints(allowed), AttackedText("good film")
    assert search(constraints)._step(text, text, 0) is None
    assert constraints.asked == len(WORDS)
