"""A window's tags, and the scores behind them, are the same in any company."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from asa_bench.models.batching import answers
from asa_bench.models.tags import Tagger, Window, parsed
from tests.conftest import sentences


def windows(count: int) -> list[Window]:
    texts = [tuple(text.split()) for text in sentences(count)["text"]]
    return [text[: 1 + number % 9] for number, text in enumerate(texts)]


def scores(found: list[Any]) -> list[Any]:
    return [document.tensor for document in found]


def test_scores_are_bit_equal_in_any_company() -> None:
    every = windows(100)
    alone = [scores(parsed([window], without="ner"))[0] for window in every]
    order = random.Random(0).sample(range(100), 100)
    for rows in (2, 7, 64):
        for start in range(0, 100, rows):
            places = order[start : start + rows]
            together = scores(parsed([every[place] for place in places], without="ner"))
            for place, found in zip(places, together, strict=True):
                assert found.size
                assert np.array_equal(found, alone[place])


def test_each_word_has_a_tag() -> None:
    every = [*windows(70), ("she", "runs"), ("🙂", "x\u200by")]
    found = answers(Tagger(), every)
    assert [len(tags) for tags in found] == [len(window) for window in every]
    assert found[70] == ("PRON", "VERB")
