"""What is done faster than in TextAttack has TextAttack's results."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = ["good", "it's", "well-known", "'quoted'", "a_b", "x--", "I", "film/plot", "[UNK]", "...", "café", "🙂", "-",
         "@home", "go\u200bod", "电影", "<SPLIT>", "ʼn", "`tick`", "3.5", "שלום"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).flatmap(
    lambda words: st.sampled_from([" ", "  ", " , ", "\n"]).map(lambda gap: gap.join(words))
) | st.text(max_size=30)
NEW = st.sampled_from(["", "one", "two words", "[UNK]", "x-", "'", "three more words", "电影", "good"])


def content(text: Any) -> tuple[Any, ...]:
    attributes = dict(text.attack_attrs)
    places = attributes.pop("original_index_map").tolist()
    before = attributes.pop("previous_attacked_text", None)
    return list(text._text_input.items()), text.words, places, attributes, before and before.text


def changed(text: Any, changes: list[tuple[int, str]]) -> list[Any]:
    """What comes of changing one word after the other, then of changing them all at once."""
    found: list[Any] = []
    try:
        once = text
        for i, new in changes:
            once = once.replace_word_at_index(i % once.num_words, new)
            found.append(content(once))
        places = {i % text.num_words: new for i, new in changes}
        found.append(content(text.replace_words_at_indices(list(places), list(places.values()))))
    except Exception as error:
        found.append((type(error), str(error)))
    return found


@settings(deadline=None, max_examples=300)
@given(fields=st.lists(TEXTS, min_size=1, max_size=2), changes=st.lists(st.tuples(st.integers(0, 9), NEW), max_size=3))
def test_texts_are_split_and_rebuilt_as_in_textattack(fields: list[str], changes: list[tuple[int, str]]) -> None:
    from textattack.shared import AttackedText
    from textattack.shared.utils import words_from_text as stock

    from asa_bench.attacking.speed import fast_texts, words_from_text

    columns = OrderedDict((f"field {i}", field) for i, field in enumerate(fields))
    expected = changed(AttackedText(columns), changes)
    with fast_texts():
        assert changed(AttackedText(columns), changes) == expected
    assert [words_from_text(field) for field in fields] == [stock(field) for field in fields]


@pytest.mark.parametrize("word", ["good", "films", "nonsensical-word", "Run"])
def test_remembered_synonyms_are_wordnets(word: str) -> None:
    from textattack.transformations import CompositeTransformation, WordSwapWordNet

    from asa_bench.attacking.speed import remember_synonyms

    swap = WordSwapWordNet()
    remember_synonyms(CompositeTransformation([swap]))
    first = swap._get_replacement_words(word)
    expected = sorted(WordSwapWordNet()._get_replacement_words(word))
    first.append("spoilt by its caller")
    assert sorted(swap._get_replacement_words(word)) == expected
