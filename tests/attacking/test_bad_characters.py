"""Bad Characters: look-alikes, pairs, the end of the search."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from asa_bench.models.classifier import Classifier
from asa_bench.tasks import Example
from tests.attacking.test_attack import built, examples, rows_of


def test_look_alikes_are_letters_of_the_same_case_in_another_script(textattack: Any) -> None:
    from asa_bench.attacking.bad_characters import look_alikes

    table = look_alikes()
    assert {"\N{CYRILLIC SMALL LETTER A}", "\N{GREEK SMALL LETTER ALPHA}"} <= set(table["a"])
    for letter, others in table.items():
        for other in others:
            assert unicodedata.normalize("NFKC", other) == other != letter
            assert other.islower() == letter.islower()


def test_reordered_text_is_the_same_letters(classifier: Classifier) -> None:
    rows = rows_of(built(classifier, "bad-characters-reorderings"), examples(4), "bad-characters-reorderings")
    found = [row for row in rows if row["outcome"] == "succeeded"]
    assert found
    for row in found:
        letters = [character for character in row["adversarial_text"] if unicodedata.category(character) != "Cf"]
        assert sorted(letters) == sorted(row["original_text"])


@pytest.mark.parametrize("mode", ["deletions", "homoglyphs", "reorderings", "invisible"])
def test_pairs_stay_pairs(classifier: Classifier, mode: str) -> None:
    from asa_bench.attacking.driver import attack_example

    fields = ("this good film\nwas great", "the plot is good")
    label = int(classifier.logits([fields]).argmax())
    attack = built(classifier, f"bad-characters-{mode}", budget=20)
    seen: list[Any] = []
    ask = attack.goal_function.model

    def listening(texts: list[Any]) -> Any:
        seen.extend(texts)
        return ask(texts)

    attack.goal_function.model = listening
    attack_example(attack, Example("pair", fields, label), ("premise", "hypothesis"), 0, "test")
    assert len(seen) > 1
    assert all(isinstance(text, tuple) and [part.count("\n") for part in text] == [1, 0] for text in seen)


def test_a_text_without_look_alikes_is_no_error(classifier: Classifier) -> None:
    label = int(classifier.logits([("12 345",)]).argmax())
    attack = built(classifier, "bad-characters-homoglyphs", budget=20)
    [row] = rows_of(attack, [Example("digits", ("12 345",), label)])
    assert (row["outcome"], row["candidates"]) == ("failed", 0)


def test_what_is_computed_ahead_is_asked_about_one_by_one(classifier: Classifier) -> None:
    label = int(classifier.logits([("this good film was great",)]).argmax())
    attack = built(classifier, "bad-characters-deletions", budget=21)
    asked: list[int] = []
    ask = attack.goal_function.model

    def listening(texts: list[Any]) -> Any:
        asked.append(len(texts))
        if len(asked) == 3:
            raise ValueError("a text that may never be asked about")
        return ask(texts)

    attack.goal_function.model = listening
    [row] = rows_of(attack, [Example("one", ("this good film was great",), label)], "bad-characters-deletions")
    assert row["queries"] <= 21
    assert asked[0] == 1
    assert max(asked) > 1
    assert row["outcome"] in ("succeeded", "failed")
