"""Attacks on a real, tiny model: outcomes, seeds, goal functions, faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from asa_bench.attacking.recipe import recipes
from asa_bench.core.fingerprint import example_ids
from asa_bench.models.batched import Text
from asa_bench.models.batching import Encoded
from asa_bench.models.classifier import Classifier
from asa_bench.tasks import Example
from tests.conftest import sentences


def examples(count: int) -> list[Example]:
    rows = sentences(96 + count)[96:]
    ids = example_ids((text,) for text in rows["text"])
    return [
        Example(name, (text,), int(label == "pos"))
        for name, text, label in zip(ids, rows["text"], rows["label"], strict=True)
    ]


def built(
    classifier: Classifier, recipe: str = "deepwordbug", budget: int = 200, temperature: float | None = 1.5
) -> Any:
    from asa_bench.attacking.victim import Victim, build_attack

    return build_attack(recipes()[recipe], Victim(classifier), budget, temperature)


def rows_of(attack: Any, chosen: list[Example], recipe: str = "deepwordbug") -> list[dict[str, Any]]:
    from asa_bench.attacking.driver import attack_example

    rows = [attack_example(attack, example, ("text",), 0, recipe) for example in chosen]
    return sorted(({**row, "seconds": 0} for row in rows), key=lambda row: str(row["example_id"]))


RUNNABLE = sorted(name for name, recipe in recipes().items() if recipe.kind != "model" and not recipe.lacks())


@pytest.mark.parametrize("recipe", RUNNABLE)
@pytest.mark.parametrize("temperature", [None, 1.5])
def test_every_recipe_that_runs_says_the_truth(classifier: Classifier, recipe: str, temperature: float | None) -> None:
    fools = recipes()[recipe].kind == "text"
    for row in rows_of(built(classifier, recipe, 60, temperature), examples(3), recipe):
        assert row["outcome"] in {"succeeded", "failed", "skipped"}
        assert 1 <= row["queries"] <= 60
        found = int(classifier.logits([(row["original_text"],)]).argmax())
        assert row["original_prediction"] == found
        assert (row["outcome"] == "skipped") == (found != row["label"])
        if row["outcome"] == "succeeded":
            assert row["adversarial_text"] != row["original_text"]
            then = int(classifier.logits([(row["adversarial_text"],)]).argmax())
            assert row["adversarial_prediction"] == then
            assert (then != row["label"]) == fools
            assert row["words_changed"] >= 1
        else:
            assert row["adversarial_text"] is None


def test_what_was_wrong_before_is_no_success(classifier: Classifier) -> None:
    mislabelled = [replace(example, label=1 - example.label) for example in examples(4)]
    assert {(row["outcome"], row["queries"]) for row in rows_of(built(classifier), mislabelled)} == {("skipped", 1)}


@pytest.mark.parametrize("recipe", ["deepwordbug", "pwws", "bad-characters-homoglyphs"])
def test_some_succeed(classifier: Classifier, recipe: str) -> None:
    rows = rows_of(built(classifier, recipe), examples(12), recipe)
    assert sum(row["outcome"] == "succeeded" for row in rows) >= 3


def test_input_reduction_takes_words_away(classifier: Classifier) -> None:
    rows = rows_of(built(classifier, "input-reduction"), examples(4), "input-reduction")
    for row in rows:
        words, left = row["original_text"].split(), row["adversarial_text"].split()
        assert len(words) - len(left) == row["words_changed"] > 0
        assert set(left) < set(words)


def test_rows_do_not_depend_on_the_order(classifier: Classifier) -> None:
    chosen = examples(8)
    assert rows_of(built(classifier), chosen) == rows_of(built(classifier), chosen[::-1])


def test_the_query_budget_is_kept(classifier: Classifier) -> None:
    assert max(row["queries"] for row in rows_of(built(classifier, budget=7), examples(8))) == 7


def test_raw_equals_textattacks_own_goal_function(classifier: Classifier) -> None:
    from textattack.attack_recipes import DeepWordBugGao2018

    from asa_bench.attacking.victim import Victim

    stock = DeepWordBugGao2018.build(Victim(classifier))
    stock.goal_function.query_budget = 200
    rows = rows_of(built(classifier, temperature=None), examples(8))
    assert min(row["candidates"] for row in rows if row["outcome"] != "skipped") > 0
    assert rows_of(stock, examples(8)) == [
        {**row, "candidates": 0, "trace": "[]", "moved": None} for row in rows
    ]  # stock keeps none of them


def test_an_attack_that_finds_nothing_to_try_is_seen(classifier: Classifier) -> None:
    from textattack.constraints.pre_transformation import MaxWordIndexModification

    attack = built(classifier)
    attack.pre_transformation_constraints.append(MaxWordIndexModification(0))
    attacked = [row for row in rows_of(attack, examples(8)) if row["outcome"] != "skipped"]
    assert {(row["outcome"], row["candidates"]) for row in attacked} == {("failed", 0)}


@pytest.mark.parametrize(
    ("recipe", "budget", "moved"),
    [
        ("deepwordbug", 40, True),
        ("deepwordbug", 2, None),  # the ranking of words spends it
        ("bad-characters-invisible", 40, False),  # the tokenizer drops them
        ("bad-characters-homoglyphs", 40, True),
    ],
)
def test_candidates_that_do_not_move_the_model_are_seen(
    classifier: Classifier, recipe: str, budget: int, moved: bool | None
) -> None:
    rows = rows_of(built(classifier, recipe, budget), examples(4), recipe)
    assert {row["moved"] for row in rows if row["outcome"] != "skipped"} == {moved}


def test_a_saturated_model_starves_the_raw_search_but_not_the_calibrated_one(classifier: Classifier) -> None:
    """Logits × 8,192 with identical decisions (the illusion of robustness, arXiv 2402.17509)."""
    head = classifier.model.classifier
    scale = 2.0**13  # a power of two: the weights are the same, bit for bit, afterwards
    chosen = examples(12)
    honest = sum(row["outcome"] == "succeeded" for row in rows_of(built(classifier), chosen))
    head.weight.data *= scale
    head.bias.data *= scale
    try:
        raw = rows_of(built(classifier, temperature=None), chosen)
        calibrated = rows_of(built(classifier, temperature=1.5 * scale), chosen)
    finally:
        head.weight.data /= scale
        head.bias.data /= scale
    assert sum(row["outcome"] == "succeeded" for row in raw) < honest
    assert sum(row["outcome"] == "succeeded" for row in calibrated) == honest


def test_an_exception_is_an_outcome(classifier: Classifier) -> None:
    attack = built(classifier)

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("no\nway")

    attack.search_method.perform_search = broken
    row = next(row for row in rows_of(attack, examples(8)) if row["outcome"] != "skipped")
    assert (row["outcome"], row["message"]) == ("error", "ZeroDivisionError: no way")


@pytest.mark.parametrize("text", ["a", "the of in", "🙂 🙃", "שלום עולם", "!!!", "good " * 400])
def test_odd_texts_have_an_outcome(classifier: Classifier, text: str) -> None:
    label = int(classifier.logits([(text,)]).argmax())
    [row] = rows_of(built(classifier, budget=50), [Example("odd", (text,), label)])
    assert row["outcome"] in ("succeeded", "failed", "error")


@pytest.mark.parametrize("recipe", ["deepwordbug", "pwws"])
@pytest.mark.parametrize(("token", "expected"), [("<unk>", "<unk>"), (None, "")])
def test_words_are_ranked_with_the_models_own_unknown_token(
    classifier: Classifier, recipe: str, token: str | None, expected: str
) -> None:
    read: list[str] = []

    class Listening(Classifier):
        def encode(self, texts: Sequence[Text]) -> list[Encoded]:
            read.extend(fields[0] for fields in texts)
            return super().encode(texts)

    parts = {name: getattr(classifier, name) for name in ("model", "tokenizer", "max_length", "precision")}
    own = classifier.tokenizer.unk_token
    classifier.tokenizer.unk_token = token
    try:
        attack = built(Listening(**parts), recipe)
        (example,) = examples(1)
        rows_of(attack, [example], recipe)
    finally:
        classifier.tokenizer.unk_token = own
    assert attack.search_method.unk_token == expected
    first, _, *others = example.fields[0].split()  # the first is a stop word
    assert " ".join(filter(None, [first, expected, *others])) in {" ".join(text.split()) for text in read}
    assert not [text for text in read if "[UNK]" in text]


def test_pairs_are_attacked_as_pairs(classifier: Classifier) -> None:
    from asa_bench.attacking.driver import attack_example

    fields = ("this good film was great", "the plot is good")
    label = int(classifier.logits([fields]).argmax())
    row = attack_example(built(classifier), Example("pair", fields, label), ("premise", "hypothesis"), 0, "test")
    assert row["original_text"] == '["this good film was great", "the plot is good"]'
    assert row["outcome"] in ("succeeded", "failed")


def test_a_model_in_training_mode_is_no_victim(classifier: Classifier) -> None:
    classifier.model.train()
    try:
        [row] = rows_of(built(classifier), examples(1))
    finally:
        classifier.model.eval()
    assert row["message"] == "RuntimeError: the model is in training mode; call model.eval() first"
