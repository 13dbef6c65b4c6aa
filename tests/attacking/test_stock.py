"""Equality with stock TextAttack: its own wrapper, recipe and goal function, seeded alike per example.

TextAttack has no untargeted Bad Characters: theirs are our recipes, run as it runs any, one example after the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.attacking.recipe import Recipe, recipes
from asa_bench.models.classifier import Classifier
from asa_bench.tasks import Example, choose, movie_sentiment

from .test_attack import RUNNABLE, examples, rows_of
from .test_engine import attacked, job_of

HARMLESS = ("bad-characters-invisible", "checklist-embedded")
"""Recipes without a success on the tiny encoder."""


def assert_rows_are_stocks(classifier: Classifier, checkpoint: Path, recipe: Recipe, chosen: list[Example]) -> None:
    """A recipe on the user's own files runs, ends as in stock, and does so whatever is in flight."""
    from textattack.models.wrappers import HuggingFaceModelWrapper

    assert recipe.lacks() == []
    job = job_of(checkpoint, chosen, query_budget=60, temperature=None).model_copy(update={"recipe": recipe})
    rows = attacked(classifier, job)
    assert {row["outcome"] for row in rows} <= {"succeeded", "failed", "skipped"}
    assert attacked(classifier, job.model_copy(update={"examples": job.examples[::-1], "in_flight": 2})) == rows
    stock = recipe.made(HuggingFaceModelWrapper(classifier.model, classifier.tokenizer))
    stock.goal_function.query_budget = 60
    assert [ending(row) for row in rows] == [ending(row) for row in rows_of(stock, chosen, recipe.name)]


@pytest.mark.parametrize("recipe", RUNNABLE)
def test_each_example_ends_as_in_stock_textattack(classifier: Classifier, checkpoint: Path, recipe: str) -> None:
    ours, stock = both(classifier, checkpoint, recipe, examples(20))
    assert "error" not in {row["outcome"] for row in ours}
    assert sum(row["outcome"] == "succeeded" for row in ours) >= 3 or recipe in HARMLESS
    assert [ending(row) for row in ours] == [ending(row) for row in stock]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RUNNABLE)
def test_the_embedded_encoder_ends_as_in_stock_textattack(embedded: tuple[Classifier, Path], recipe: str) -> None:
    torch.set_num_threads(2)
    chosen = choose(movie_sentiment.load().test, 100 if recipe in ("deepwordbug", "pwws") else 30, "attack")
    ours, stock = both(*embedded, recipe, list(chosen))
    assert [ending(row) for row in ours] == [ending(row) for row in stock]


def both(
    classifier: Classifier, checkpoint: Path, recipe: str, chosen: list[Example]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Our rows and stock's, with the same budget."""
    from textattack.models.wrappers import HuggingFaceModelWrapper

    attack = recipes()[recipe].made(HuggingFaceModelWrapper(classifier.model, classifier.tokenizer))
    attack.goal_function.query_budget = 200
    job = job_of(checkpoint, chosen, recipe, query_budget=200, temperature=None)
    return attacked(classifier, job), rows_of(attack, chosen, recipe)


def ending(row: dict[str, Any]) -> list[Any]:
    return [row[column] for column in ("example_id", "outcome", "adversarial_text", "queries")]
