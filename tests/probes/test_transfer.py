"""Texts that misled one model, asked of another."""

from __future__ import annotations

from typing import Any

import numpy as np

from asa_bench.models.predictor import Predictor
from asa_bench.probes.transfer import transfer
from asa_bench.records.schema import EXAMPLES, table


def positive_by_the_word_good(texts: list[Any]) -> Any:
    """Class 1 for texts with the word *good*."""
    return np.array([[0.1, 0.9] if "good" in text.split() else [0.9, 0.1] for text in texts])


def row(defence: str, original: str, adversarial: str | None, label: int) -> dict[str, Any]:
    outcome = "failed" if adversarial is None else "succeeded"
    texts = {"original_text": original, "adversarial_text": adversarial}
    return {"defence": defence, "attack": "pwws", "outcome": outcome, "label": label, **texts}


def test_the_share_is_over_the_originals_that_the_asked_model_has_right() -> None:
    rows = [
        row("baseline", "good film", "fine film", 1),  # misleads it
        row("baseline", "good plot", "good story", 1),  # does not
        row("baseline", "a nice film", "a decent film", 1),  # its original is wrong already
        row("baseline", "good cast", None, 1),  # never misled its own model
        row("freelb", "bad film", "good film", 0),  # misleads it
    ]
    found = list(transfer(Predictor(positive_by_the_word_good, ("neg", "pos")), table(rows, EXAMPLES), 1))
    common = {"attack": "pwws", "probe": "transfer"}
    assert found == [
        {**common, "against": "baseline", "value": 0.5, "n": 2},
        {**common, "against": "freelb", "value": 1.0, "n": 1},
    ]


def test_without_a_success_nothing_is_asked() -> None:
    rows = table([row("baseline", "good film", None, 1)], EXAMPLES)
    assert list(transfer(Predictor(positive_by_the_word_good, ("neg", "pos")), rows, 1)) == []
