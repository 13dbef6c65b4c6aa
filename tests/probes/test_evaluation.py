"""Clean predictions and the temperature."""

from __future__ import annotations

from typing import Any

from asa_bench.models.predictor import Predictor
from asa_bench.probes.evaluation import evaluate
from asa_bench.tasks import Example

from .test_transfer import positive_by_the_word_good


def examples(right: int, wrong: int) -> list[Example]:
    return [Example(str(i), ("a good film",), int(i < right)) for i in range(right + wrong)]


def calibrated(test: list[Example], validation: list[Example]) -> dict[str, Any]:
    model = Predictor(positive_by_the_word_good, ("neg", "pos"))
    return evaluate(model, {"test": test, "validation": validation}, lambda done, total: None)[1]


def test_validation_examples_alone_decide_the_temperature() -> None:
    surer_than_right = calibrated(examples(20, 0), examples(12, 8))
    assert surer_than_right["temperature"] > 2
    assert calibrated(examples(0, 20), examples(12, 8)) == surer_than_right
    assert calibrated(examples(20, 0), examples(18, 2)) != surer_than_right
