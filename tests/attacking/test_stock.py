"""Equality with stock TextAttack: its own wrapper, recipe and goal function, seeded alike per example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.recipe import recipes
from asa_bench.models.classifier import Classifier

from .test_attack import examples, rows_of
from .test_engine import attacked, job_of

COMPARED = sorted(name for name, recipe in recipes().items() if recipe.kind == "text" and not recipe.lacks())
"""Recipes of the same goal as ours. Input reduction ends in *Maximized* there, which is no outcome of a benchmark."""


@pytest.mark.parametrize("recipe", COMPARED)
def test_each_example_ends_as_in_stock_textattack(classifier: Classifier, checkpoint: Path, recipe: str) -> None:
    from textattack.models.wrappers import HuggingFaceModelWrapper

    chosen = examples(20)
    stock = recipes()[recipe].made(HuggingFaceModelWrapper(classifier.model, classifier.tokenizer))
    stock.goal_function.query_budget = 200
    expected = rows_of(stock, chosen, recipe)
    rows = attacked(classifier, job_of(checkpoint, chosen, recipe, query_budget=200, temperature=None))
    assert recipe not in ("deepwordbug", "pwws") or sum(row["outcome"] == "succeeded" for row in rows) >= 3
    assert [ending(row) for row in rows] == [ending(row) for row in expected]


def ending(row: dict[str, Any]) -> list[Any]:
    return [row[column] for column in ("example_id", "outcome", "adversarial_text", "queries")]
