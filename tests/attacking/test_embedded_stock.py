"""Slow lane: recipes on parts from the package index end as in stock TextAttack on the same parts, real weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from asa_bench.models.classifier import Classifier
from asa_bench.tasks import choose, movie_sentiment

from .conftest import built_vectors
from .test_embedded_recipes import EMBEDDED
from .test_stock import both, ending

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The vectors as users build them, in a cache of their own."""
    with built_vectors(tmp_path_factory.mktemp("cache")) as folder:
        yield folder


@pytest.mark.parametrize("recipe", EMBEDDED)
def test_the_embedded_encoder_ends_as_in_stock_textattack(embedded: tuple[Classifier, Path], recipe: str) -> None:
    torch.set_num_threads(2)
    chosen = list(choose(movie_sentiment.load().test, 30, "attack"))
    ours, stock = both(*embedded, recipe, chosen)
    assert {row["outcome"] for row in ours} <= {"succeeded", "failed", "skipped"}
    assert [ending(row) for row in ours] == [ending(row) for row in stock]
