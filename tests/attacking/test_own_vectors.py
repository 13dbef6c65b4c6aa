"""Recipes on word vectors of the user's: stock's rows, what decides the protocol, and one line for what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asa_bench.assets.counter_fitting import neighbours, unit
from asa_bench.attacking.own_vectors import VectorsRecipe
from asa_bench.attacking.planned import plan_attack, refuse_unavailable
from asa_bench.attacking.recipe import recipes
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import Classifier
from tests.conftest import BAD, GLUE, GOOD, THINGS, Cli

from .test_attack import examples
from .test_engine import attacked, job_of
from .test_stock import assert_rows_are_stocks

RECIPES = ["a2t-embedded", "gradient-swap", "iga-embedded", "textbugger-embedded", "textfooler-embedded"]

WORDS = [*GOOD, *BAD, *THINGS, *GLUE, *(f"other{i}" for i in range(40))]
VECTORS = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32) / 8
VECTORS[: len(GOOD) + len(BAD), 0] += 1  # praise and blame are near each other: such attacks succeed


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file of vectors for the words of the tiny reviews."""
    path = tmp_path_factory.mktemp("own") / "vectors.txt"
    rows = zip(WORDS, VECTORS.tolist(), strict=True)
    path.write_text("".join(f"{word} {' '.join(map(repr, row))}\n" for word, row in rows))
    return path


def planned(recipe: str, vectors: Path, **settings: Any) -> Any:
    given = {"recipe": recipe, "assets": {"vectors": str(vectors)}, **settings}
    return plan_attack(AttackSettings.model_validate(given), Path.cwd())


def new_words(rows: Iterable[Any]) -> set[str]:
    """Words that successes have and their originals do not."""
    texts = [(row["original_text"], row["adversarial_text"]) for row in rows]
    return {word for old, new in texts for word in set(new.lower().split()) - set(old.lower().split())}


@pytest.mark.parametrize("recipe", RECIPES)
def test_rows_are_stocks_whatever_is_in_flight(
    classifier: Classifier, checkpoint: Path, vectors: Path, recipe: str
) -> None:
    assert_rows_are_stocks(classifier, checkpoint, planned(recipe, vectors).recipe, examples(6))


def test_words_come_from_these_vectors(classifier: Classifier, checkpoint: Path, vectors: Path) -> None:
    job = job_of(checkpoint, examples(8), query_budget=60).model_copy(
        update={"recipe": planned("iga-embedded", vectors).recipe}
    )
    rows = [row for row in attacked(classifier, job) if row["outcome"] == "succeeded"]
    assert rows
    assert new_words(rows) <= set(WORDS)


def test_neighbours_that_are_not_given_are_looked_up(vectors: Path) -> None:
    from asa_bench.attacking.embedded_parts import word_embedding

    embedding, expected = word_embedding(vectors), neighbours(unit(VECTORS), 50).words
    for word in (0, 7, len(WORDS) - 1):
        for count in (5, 50, 5):
            assert embedding.nearest_neighbours(word, count) == expected[word, :count].tolist()


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    from asa_bench.attacking.embedded_parts import word_embedding

    path = tmp_path / "vectors.txt"
    rows = [f"{word} 1.0 {place}.5\n" for place, word in enumerate(WORDS)]
    path.write_text("".join(rows))
    first = word_embedding(path)
    assert word_embedding(path) is first
    path.write_text("".join(row.replace(WORDS[0], "another") for row in rows))
    assert word_embedding(path).index2word(0) == "another"


def test_a_job_keeps_its_vectors_over_the_pipe(checkpoint: Path, vectors: Path) -> None:
    job = job_of(checkpoint, examples(1)).model_copy(update={"recipe": planned("iga-embedded", vectors).recipe})
    again = type(job).model_validate_json(job.model_dump_json())
    assert isinstance(again.recipe, VectorsRecipe)
    assert again == job


def test_the_files_decide_the_protocol_and_their_place_does_not(vectors: Path, tmp_path: Path) -> None:
    shutil.copy(vectors, tmp_path / "elsewhere.txt")
    one, other = planned("iga-embedded", vectors), planned("iga-embedded", tmp_path / "elsewhere.txt")
    assert one.protocol() == other.protocol()
    assert "counter-fitted-glove" not in one.protocol()["assets"]
    with (tmp_path / "elsewhere.txt").open("a") as file:
        file.write("more 1 2 3 4 5\n")
    assert planned("iga-embedded", tmp_path / "elsewhere.txt").protocol() != one.protocol()


def test_a_recipe_without_vectors_takes_none(vectors: Path) -> None:
    with pytest.raises(InputError, match=r"^assets.vectors: attack 'pwws' takes no word vectors$"):
        planned("pwws", vectors)


@pytest.mark.parametrize("recipe", RECIPES)
def test_all_that_use_vectors_take_some(vectors: Path, recipe: str) -> None:
    assert "counter-fitted-glove" in recipes()[recipe].assets
    assert "counter-fitted-glove" not in planned(recipe, vectors).recipe.assets


def test_vectors_are_no_option(vectors: Path) -> None:
    attack = planned("iga-embedded", vectors, options={"vectors": "elsewhere.txt"})
    with pytest.raises(InputError, match=r"^s: attack 'iga-embedded': options: unknown option 'vectors' \(known: \)$"):
        refuse_unavailable([attack], "s")


def test_wrong_vectors_are_one_line(cli: Cli, checkpoint: Path, reviews: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("good 1 2\nbad 1\n")
    asked = ["attack", "--model", checkpoint, "--data", reviews / "test.csv", "--out", tmp_path / "run"]
    done = cli(*asked, "--attack", "iga-embedded", "--vectors", wrong)
    message = f"--attack: assets.vectors '{wrong}': {wrong}: line 2: expected a word and 2 numbers, got 1 numbers"
    assert (done.code, done.err) == (2, f"asa-bench: {message}\n")
    done = cli(*asked, "--attack", "pwws", "--vectors", wrong)
    assert (done.code, done.err) == (2, "asa-bench: --vectors: none of the attacks takes word vectors\n")
    assert not (tmp_path / "run").exists()
