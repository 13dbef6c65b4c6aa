"""The trace of one attack tells how it would have gone with fewer queries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.recipe import recipes
from asa_bench.models.classifier import Classifier

from .test_attack import RUNNABLE, examples
from .test_engine import attacked, job_of

TEXT = [name for name in RUNNABLE if recipes()[name].kind == "text"]


def steps(row: dict[str, Any], budget: int) -> list[list[Any]]:
    return [step for step in json.loads(row["trace"]) if step[0] <= budget]


@pytest.mark.parametrize("recipe", TEXT)
def test_a_smaller_budget_gives_the_same_trace_up_to_there(
    classifier: Classifier, checkpoint: Path, recipe: str
) -> None:
    whole, part = (attacked(classifier, job_of(checkpoint, examples(8), recipe, query_budget=n)) for n in (120, 50))
    assert any(len(steps(row, 120)) > 1 for row in whole) == (recipe != "bad-characters-invisible")
    assert [steps(row, 50) for row in whole] == [steps(row, 50) for row in part]
    within = [any(success for *_, success in steps(row, 50)) for row in whole]
    assert within == [row["outcome"] == "succeeded" for row in part]


@pytest.mark.parametrize("recipe", TEXT)
def test_each_step_is_nearer_to_the_goal_and_a_success_is_the_last(
    classifier: Classifier, checkpoint: Path, recipe: str
) -> None:
    for row in attacked(classifier, job_of(checkpoint, examples(12), recipe)):
        trace = steps(row, row["queries"])
        assert trace == json.loads(row["trace"])
        assert trace == sorted(trace)
        if trace:
            query, _, *rest = trace[0]
            assert (query, *rest) == (1, 0, False)
        assert bool(trace) == (row["outcome"] != "skipped")
        ranks = [(succeeded, score) for _, score, _, succeeded in trace]
        assert ranks == sorted(set(ranks))
        if row["outcome"] == "succeeded":
            *_, changed, succeeded = trace[-1]
            assert (changed, succeeded) == (row["words_changed"], True)


def test_a_word_left_out_to_rank_it_is_no_step(classifier: Classifier, checkpoint: Path) -> None:
    from nltk.corpus import stopwords

    for row in attacked(classifier, job_of(checkpoint, examples(12))):
        if row["outcome"] != "skipped":
            ranked = [word for word in row["original_text"].split() if word not in stopwords.words("english")]
            assert json.loads(row["trace"])[1][0] == 1 + len(ranked) + 1 > 2
