"""The same rows whatever is in flight beside an example; each odd text has an outcome of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.recipe import recipes
from asa_bench.models.classifier import Classifier
from asa_bench.models.precision import Resolved
from asa_bench.tasks import Example

from .test_attack import RUNNABLE, built, examples, rows_of

USUAL = ("deepwordbug", "pwws")

ODD = {
    "empty": "",
    "one word": "good",
    "stop words": "the of in and",
    "punctuation": "!!!",
    "emoji": "🙂 great 🙃",
    "right to left": "שלום עולם طيب",
    "Chinese": "这部电影很好",
    "invisible": "go\u200bod \u202efilm",
    "lone surrogate": "good \ud83d film",
    "long": "this good film was great " * 400,
}


def job_of(checkpoint: Path, chosen: list[Example], recipe: str = "deepwordbug", **changes: Any) -> AttackJob:
    return AttackJob(
        recipe=recipes()[recipe],
        checkpoint=checkpoint,
        columns=("text",),
        examples=tuple(chosen),
        query_budget=100,
        temperature=1.5,
        seed=0,
        precision="fp32",
        attention="eager",
        threads=1,
    ).model_copy(update=changes)


def attacked(classifier: Classifier, job: AttackJob) -> list[dict[str, Any]]:
    from asa_bench.attacking.engine import Engine

    rows: list[dict[str, Any]] = []
    Engine(job, classifier).run(rows.append)
    return sorted(({**row, "seconds": 0} for row in rows), key=lambda row: str(row["example_id"]))


SHIFTED: list[tuple[str, Resolved]] = [
    *((recipe, "fp32") for recipe in RUNNABLE),
    ("deepwordbug", "bf16"),
    ("pwws", "bf16"),
]


@pytest.mark.parametrize(("recipe", "precision"), SHIFTED)
def test_rows_do_not_depend_on_what_is_in_flight(
    classifier: Classifier, checkpoint: Path, recipe: str, precision: Resolved
) -> None:
    victim = replace(classifier, precision=precision)
    job = job_of(checkpoint, examples(40 if recipe in USUAL else 12), recipe, in_flight=8)
    rows = attacked(victim, job)
    assert len({row["outcome"] for row in rows}) > 1 or recipe not in USUAL
    for other in (
        {"in_flight": 64},
        {"in_flight": 256},
        {"examples": job.examples[::-1], "in_flight": 5},
    ):
        assert attacked(victim, job.model_copy(update=other)) == rows
    shards = [attacked(victim, job.model_copy(update={"examples": job.examples[i::3]})) for i in range(3)]
    assert sorted((row for shard in shards for row in shard), key=lambda row: str(row["example_id"])) == rows


def test_rows_are_those_of_one_search_after_the_other(classifier: Classifier, checkpoint: Path) -> None:
    chosen = examples(12)
    assert attacked(classifier, job_of(checkpoint, chosen)) == rows_of(built(classifier, budget=100), chosen)


@pytest.mark.parametrize("recipe", RUNNABLE)
def test_odd_texts_have_outcomes_of_their_own(classifier: Classifier, checkpoint: Path, recipe: str) -> None:
    usual = examples(6)
    labels = {
        name: int(classifier.logits([(text,)]).argmax()) for name, text in ODD.items() if name != "lone surrogate"
    }
    odd = [Example(name, (text,), labels.get(name, 1)) for name, text in ODD.items()]
    mixed = attacked(classifier, job_of(checkpoint, [*odd[:5], *usual, *odd[5:]], recipe))
    outcomes = {row["example_id"]: row["outcome"] for row in mixed}
    assert set(outcomes) == {example.id for example in (*usual, *odd)}
    assert outcomes["lone surrogate"] == "error"
    assert outcomes["one word"] in ("succeeded", "failed")
    alone = attacked(classifier, job_of(checkpoint, usual, recipe))
    assert [row for row in mixed if row["example_id"] not in ODD] == alone


def test_every_example_shares_the_heavy_parts_and_nothing_else(classifier: Classifier) -> None:
    from asa_bench.attacking.victim import another

    first = built(classifier)
    second = another(first)
    assert second.transformation is first.transformation
    assert second.goal_function is not first.goal_function
    assert second.search_method is not first.search_method
    assert second.search_method.get_goal_results.__self__ is second
    assert second.goal_function._call_model_cache is not first.goal_function._call_model_cache
