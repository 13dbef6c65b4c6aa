"""A protocol's frame holds round every search, and the control keeps to the same."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.protocols import Frame, find_frame
from asa_bench.attacking.recipe import recipes
from asa_bench.models.batching import answers
from asa_bench.models.classifier import Classifier
from asa_bench.models.sentences import JUDGE
from asa_bench.reporting import accuracy_tables
from asa_bench.tasks import Example
from tests.attacking.test_attack import RUNNABLE, examples, rows_of


def framed(
    classifier: Classifier, recipe: str, frame: Frame | None = None, search: str = "recipe", budget: int | None = 200
) -> Any:
    from asa_bench.attacking.victim import Victim, build_attack

    return build_attack(
        recipes()[recipe], Victim(classifier), budget, 1.5, frame or find_frame("recipe", Path()), search
    )


@pytest.mark.parametrize("recipe", ["deepwordbug", "pwws"])
def test_the_share_of_words_is_kept(classifier: Classifier, recipe: str) -> None:
    rows = rows_of(framed(classifier, recipe, Frame(name="one", max_words_changed=0.01)), examples(6), recipe)
    changed = [row["words_changed"] for row in rows if row["outcome"] == "succeeded"]
    assert changed
    assert set(changed) == {1}


def test_candidates_are_cut(classifier: Classifier) -> None:
    def first(frame: Frame | None) -> int:
        attack = framed(classifier, "pwws", frame)
        [row] = rows_of(attack, examples(1), "pwws")
        return int(row["candidates"])

    assert 0 < first(Frame(name="one", candidates_per_word=1)) < first(None)


def test_the_budget_follows_the_length(classifier: Classifier) -> None:
    frame = Frame(name="two", queries_per_word=2)
    attack = framed(classifier, "leap", frame, budget=None)
    rows = rows_of(attack, examples(6), "leap")
    assert all(row["queries"] <= 2 * len(row["original_text"].split()) for row in rows)
    bounded = rows_of(framed(classifier, "leap", frame, budget=5), examples(6), "leap")
    assert max(row["queries"] for row in bounded) == 5


def test_stop_words_are_spared(classifier: Classifier) -> None:
    label = int(classifier.logits([("the of in and",)]).argmax())
    text = Example("stop", ("the of in and",), label)
    attack = framed(classifier, "leap", Frame(name="spare", spare_stop_words=True))
    [row] = rows_of(attack, [text], "leap")
    assert row["candidates"] == 0


def test_the_similarity_floor_is_kept(classifier: Classifier) -> None:
    from textattack.shared import AttackedText

    from asa_bench.attacking.framing import JudgedSimilarity

    floor = JudgedSimilarity(0.84, 15, answers)
    original = AttackedText("a good film with a fine cast")
    near, far = original.replace_word_at_index(1, "great"), original.replace_word_at_index(1, "tax")
    for text in (near, far):
        text.attack_attrs |= {"newly_modified_indices": {1}, "last_transformation": None}
    assert list(floor.call_many([near, far], original)) == [near]
    assert floor(near, original)
    assert not floor(far, original)


WORDS = [name for name in RUNNABLE if not name.startswith("bad-characters")]


def test_similarity_is_measured_round_the_same_word_after_an_insertion(classifier: Classifier) -> None:
    from textattack.shared import AttackedText

    from asa_bench.attacking.framing import JudgedSimilarity

    original = AttackedText("one two three four five six seven eight nine ten")
    changed = original.insert_text_before_word_index(1, "new").replace_word_at_index(7, "other")
    judged = JudgedSimilarity(0.5, 3, answers)
    assert judged._pair(original, changed) == ("six seven eight", "six other eight")


@pytest.mark.parametrize("recipe", WORDS)
def test_every_word_recipe_runs_within_textdefenders_frame(classifier: Classifier, recipe: str) -> None:
    from textattack.constraints.overlap import MaxWordsPerturbed

    from asa_bench.attacking.framing import JudgedSimilarity

    frame = find_frame("textdefender", Path())
    attack = framed(classifier, recipe, frame, budget=25)
    shares = {constraint.max_percent for constraint in attack.constraints if isinstance(constraint, MaxWordsPerturbed)}
    assert frame.max_words_changed in shares
    assert [one.threshold for one in attack.constraints if isinstance(one, JudgedSimilarity)] == [frame.similarity]
    for row in rows_of(attack, examples(2), recipe):
        assert row["outcome"] in {"succeeded", "failed", "skipped"}
        assert row["queries"] <= 25
        if recipes()[recipe].kind == "text":  # input reduction takes words away, which TextAttack does not count
            assert (row["words_changed"] or 0) <= math.ceil(0.3 * len(row["original_text"].split()))


@pytest.mark.parametrize("recipe", WORDS)
def test_what_a_recipe_demands_stays_within_a_frame(classifier: Classifier, recipe: str) -> None:
    own, both = (framed(classifier, recipe, frame) for frame in (None, find_frame("textdefender", Path())))
    kinds = Counter(type(constraint) for constraint in own.constraints)
    assert kinds - Counter(type(constraint) for constraint in both.constraints) == Counter()


@pytest.mark.parametrize("recipe", WORDS)
def test_sentence_encoders_are_asked_last(classifier: Classifier, recipe: str) -> None:
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder

    attack = framed(classifier, recipe, find_frame("textdefender", Path()))
    costly = [isinstance(one, SentenceEncoder) for one in attack.constraints]
    assert costly == sorted(costly)
    assert costly[-1]


@pytest.mark.parametrize("recipe", WORDS)
def test_a_recipe_constrained_by_the_judge_of_similarity_says_so(classifier: Classifier, recipe: str) -> None:
    """By its assets, so that the report can tell whose similarity is judged by its own constraint."""
    from asa_bench.attacking.embedded_parts import MiniLM

    constraints = framed(classifier, recipe).constraints
    assert any(isinstance(one, MiniLM) for one in constraints) == (JUDGE in recipes()[recipe].assets)
    assert accuracy_tables.JUDGE == JUDGE


def test_a_frame_that_refuses_everything_is_no_error(classifier: Classifier) -> None:
    attack = framed(classifier, "bad-characters-reorderings", Frame(name="one", max_words_changed=0.01))
    attack.search_method.popsize = 2
    attack.search_method.max_perturbs = 8
    [row] = rows_of(attack, examples(1))
    assert (row["outcome"], row["candidates"], row["message"]) == ("failed", 0, None)


@pytest.mark.parametrize("recipe", sorted(name for name in RUNNABLE if recipes()[name].kind == "text"))
def test_the_control_keeps_to_the_budget_and_is_reproducible(classifier: Classifier, recipe: str) -> None:
    def rows() -> list[dict[str, Any]]:
        return rows_of(framed(classifier, recipe, search="random", budget=40), examples(3), recipe)

    found = rows()
    assert found == rows()
    assert {row["outcome"] for row in found} <= {"succeeded", "failed", "skipped"}
    assert all(1 <= row["queries"] <= 40 for row in found)
    assert all(row["candidates"] > 0 for row in found if row["outcome"] != "skipped")
