"""The same rows whatever is in flight beside an example; each odd text has an outcome of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.protocols import Frame
from asa_bench.attacking.recipe import recipes
from asa_bench.models.classifier import Classifier
from asa_bench.models.precision import Resolved
from asa_bench.tasks import Example

from .test_attack import RUNNABLE, built, examples, rows_of

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


def frame(**changes: Any) -> dict[str, Any]:
    return {"frame": Frame(name="mine", **changes)}


ENOUGH_FOR_SOME = {"deepwordbug": 20, "pwws": 100}
"""Queries that suffice for some examples and not for others."""

SHIFTED: list[tuple[str, Resolved, dict[str, Any]]] = [
    *((recipe, precision, {}) for recipe in RUNNABLE for precision in ("fp32", "bf16")),
    ("deepwordbug", "fp32", {"search": "random"}),
    ("bad-characters-homoglyphs", "fp32", {"search": "random"}),
    ("pwws", "fp32", {"temperature": None}),
    ("pwws", "fp32", frame(max_words_changed=0.3, candidates_per_word=3, queries_per_word=5)),
    ("pwws", "fp32", frame(similarity=0.8, similarity_window=15)),
]


@pytest.mark.parametrize(("recipe", "precision", "changes"), SHIFTED)
def test_rows_do_not_depend_on_what_is_in_flight(
    classifier: Classifier, checkpoint: Path, recipe: str, precision: Resolved, changes: dict[str, Any]
) -> None:
    victim = replace(classifier, precision=precision)
    usual = recipe in ENOUGH_FOR_SOME and not changes
    enough = {"query_budget": ENOUGH_FOR_SOME[recipe]} if usual else {}
    job = job_of(checkpoint, examples(40 if usual else 12), recipe, in_flight=8, **changes, **enough)
    rows = attacked(victim, job)
    assert len({row["outcome"] for row in rows}) > 1 or not usual
    assert "error" not in {row["outcome"] for row in rows}
    for other in ({"in_flight": 64}, {"examples": job.examples[::-1], "in_flight": 5}):
        assert attacked(victim, job.model_copy(update=other)) == rows
    shards = [attacked(victim, job.model_copy(update={"examples": job.examples[i::3]})) for i in range(3)]
    assert sorted((row for shard in shards for row in shard), key=lambda row: str(row["example_id"])) == rows


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_rows_do_not_depend_on_how_many_are_in_flight(
    classifier: Classifier, checkpoint: Path, precision: Resolved
) -> None:
    victim = replace(classifier, precision=precision)
    jobs = [job_of(checkpoint, examples(300), query_budget=25, in_flight=n) for n in (8, 64, 256)]
    first, *others = [attacked(victim, job) for job in jobs]
    assert len({row["outcome"] for row in first}) > 1
    assert others == [first, first]


def test_pairs_do_not_depend_on_what_is_in_flight(classifier: Classifier, checkpoint: Path) -> None:
    texts = [example.fields[0] for example in examples(12)]
    pairs = [Example(f"pair {i}", fields, i % 2) for i, fields in enumerate(pairwise(texts))]
    job = job_of(checkpoint, pairs, columns=("premise", "hypothesis"))
    rows = attacked(classifier, job)
    assert {row["outcome"] for row in rows} == {"succeeded", "skipped"}
    assert attacked(classifier, job.model_copy(update={"examples": job.examples[::-1], "in_flight": 3})) == rows


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
    assert {name for name in ODD if outcomes[name] == "error"} <= {"lone surrogate", "empty", "punctuation"}
    assert outcomes["one word"] in ("succeeded", "failed")
    alone = attacked(classifier, job_of(checkpoint, usual, recipe))
    assert [row for row in mixed if row["example_id"] not in ODD] == alone


def test_ten_thousand_words_have_an_outcome(classifier: Classifier, checkpoint: Path) -> None:
    text = ("this good film was great " * 2000,)
    label = int(classifier.logits([text]).argmax())
    [row] = attacked(classifier, job_of(checkpoint, [Example("long", text, label)], query_budget=20))
    assert (row["outcome"], row["queries"]) == ("failed", 20)


def test_every_example_shares_the_heavy_parts_and_nothing_else(classifier: Classifier) -> None:
    from asa_bench.attacking.victim import another

    first = built(classifier)
    second = another(first)
    assert second.transformation is first.transformation
    assert second.goal_function is not first.goal_function
    assert second.search_method is not first.search_method
    assert second.search_method.get_goal_results.__self__ is second
    assert second.goal_function._call_model_cache is not first.goal_function._call_model_cache
