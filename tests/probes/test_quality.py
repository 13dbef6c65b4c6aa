"""Measures of what an attack did to a text, by hand and on WordNet."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.assets import MANIFEST, asset_path
from asa_bench.probes.quality import LEXICON, antonyms, chrf, negations, quality, replaced, unknown_words, words
from asa_bench.records.schema import EXAMPLES, table

OPPOSITES = {("bad", "good"), ("cheap", "expensive")}


@pytest.fixture(scope="module")
def wordnet() -> Path:
    return asset_path(LEXICON) / MANIFEST[LEXICON].layout


@pytest.mark.parametrize(
    ("original", "adversarial", "count"),
    [
        ("a good film", "a bad film", 1),
        ("a bad film", "a good film", 1),
        ("cheaper sets", "expensive sets", 1),  # by its base form
        ("a good film", "a good plot", 0),
        ("good and cheap", "bad and expensive", 2),
        ("a good film", "a film that is bad", 0),  # not in its place
        ("", "", 0),
    ],
)
def test_antonyms_by_hand(original: str, adversarial: str, count: int) -> None:
    assert antonyms(original, adversarial, OPPOSITES) == count


def test_replaced_words_stand_in_each_others_place() -> None:
    found = replaced(words("one two three four"), words("one 2 3 four"))
    assert list(found) == [("two", "2"), ("three", "3")]


@pytest.mark.parametrize(
    ("text", "count"),
    [("it isn't good", 1), ("it isn’t good, not at all", 2), ("no never", 2), ("a knot in nothingness", 0), ("", 0)],
)
def test_negations_by_hand(text: str, count: int) -> None:
    assert negations(text) == count


def test_unknown_words_are_new_ones_that_no_ending_explains() -> None:
    known = frozenset({"film", "move", "story"})
    assert unknown_words("a Xylq film", "a xylq flim moving stories films", known) == {"flim"}


def test_chrf_of_equal_unlike_and_empty_texts() -> None:
    assert chrf("a good film", "a good film") == 1.0
    assert chrf("aaaa", "bbbb") == pytest.approx(0.0, abs=1e-6)
    assert 0.5 < chrf("a good film", "a goood film") < 1.0
    assert chrf("", "x") == 0.0
    assert chrf("x", "x") == 1.0


def test_real_words_have_their_antonyms(wordnet: Path) -> None:
    rows = [
        ("1", "succeeded", "The film was good", "The film was bad"),
        ("2", "succeeded", "The film was good", "The film was not goud"),
        ("3", "succeeded", "a fine film 🎬", "a fine flim \u202e🎬"),
        ("4", "failed", "The film was good", None),
    ]
    names = ("example_id", "outcome", "original_text", "adversarial_text")
    frame = table([dict(zip(names, row, strict=True)) for row in rows], EXAMPLES)
    found = {(row["example_id"], row["probe"]): row["value"] for row in quality(frame, 1, wordnet)}
    measures = ("antonyms", "negations", "unknown_words")
    assert [[found[example, name] for name in measures] for example in "123"] == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert {example for example, _ in found} == {"1", "2", "3"}


def test_a_text_of_ten_thousand_words_is_measured(wordnet: Path) -> None:
    long = "good " + " ".join(f"word{i}" for i in range(10_000))
    row = {"example_id": "1", "outcome": "succeeded", "original_text": long, "adversarial_text": "bad " + long[5:]}
    found = {row["probe"]: row["value"] for row in quality(table([row], EXAMPLES), 1, wordnet)}
    assert found["antonyms"] == 1
    assert found["chrf"] > 0.99
