"""Near-identical texts are found, all of them, and never straddle a split."""

from __future__ import annotations

import random

import pytest

from asa_bench.core.fingerprint import example_ids
from asa_bench.tasks.base import Example
from asa_bench.tasks.grouping import SIMILARITY, jaccard, near_identical_groups, split_by_group, words_of

SHARES = [("train", 0.7), ("validation", 0.1), ("test", 0.2)]
VOCABULARY = [f"word{number}" for number in range(30)]


def some_texts(count: int, seed: int) -> list[str]:
    """Random texts, half of them a copy of an earlier one with a word dropped or added."""
    generator = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        words = generator.choices(VOCABULARY, k=generator.randint(1, 12))
        if texts and generator.random() < 0.5:
            words = [*generator.choice(texts).split(), generator.choice(VOCABULARY)][generator.randint(0, 1) :]
        texts.append(" ".join(words))
    return texts


def examples_of(texts: list[str]) -> list[Example]:
    ids = example_ids([(text,) for text in texts])
    return [Example(key, (text,), 0) for key, text in zip(ids, texts, strict=True)]


def test_case_punctuation_and_space_make_no_difference() -> None:
    texts = ["A good, good film!", "another one entirely", "a  GOOD film", "?!", "?!", "...", "Straße", "STRASSE"]
    assert near_identical_groups(texts) == [0, 1, 0, 3, 3, 5, 6, 6]


def test_similarity_at_the_limit_counts() -> None:
    five, four = "one two three four five", "one two three four"
    assert jaccard(words_of(five), words_of(four)) == SIMILARITY
    assert near_identical_groups([five, four, "one two three"]) == [0, 0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_no_similar_pair_is_missed(seed: int) -> None:
    texts = some_texts(150, seed)
    groups = near_identical_groups(texts)
    for i, one in enumerate(texts):
        for j in range(i):
            if jaccard(words_of(one), words_of(texts[j])) >= SIMILARITY:
                assert groups[i] == groups[j]


@pytest.mark.parametrize("seed", range(3))
def test_no_group_straddles_a_split(seed: int) -> None:
    texts = some_texts(400, seed)
    split = split_by_group(examples_of(texts), SHARES, "salt")
    place = {row.id: name for name, rows in split.items() for row in rows}
    assert len(place) == 400
    groups = near_identical_groups(texts)
    for row, group in zip(examples_of(texts), groups, strict=True):
        assert place[row.id] == place[examples_of(texts)[group].id]


def test_order_moves_no_example() -> None:
    rows = examples_of([f"text number {number} of a few hundred {number}" for number in range(300)])
    split = split_by_group(rows, SHARES, "salt")
    other = split_by_group(rows[::-1], SHARES, "salt")
    assert {name: set(part) for name, part in split.items()} == {name: set(part) for name, part in other.items()}


def test_shares_are_kept() -> None:
    split = split_by_group(examples_of([f"a{n} b{n} c{n}" for n in range(3000)]), SHARES, "salt")
    assert [round(len(split[name]) / 3000, 1) for name, _ in SHARES] == [0.7, 0.1, 0.2]
