"""The same results of TextAttack's pure functions, faster: what was found for a word is remembered.

Stock splits every candidate into words anew, rebuilds it word by word, and asks WordNet anew for every occurrence.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import torch
from textattack.shared import AttackedText, attacked_text
from textattack.shared.utils import strings
from textattack.transformations import CompositeTransformation, WordSwapWordNet
from torch import Tensor

REMEMBERED = 2**16
"""Most words whose results are kept."""

CHINESE = re.compile("[\u4e00-\u9fff]")
"""Texts with these letters are split by a language model, not at their spaces."""

_split = strings.words_from_text
_rebuild = AttackedText.generate_new_attacked_text


@lru_cache(REMEMBERED)
def _words_of_token(token: str) -> tuple[str, ...]:
    return tuple(_split(token))


def words_from_text(text: str, words_to_ignore: Sequence[str] = ()) -> list[str]:
    """TextAttack's words of a text: it splits at spaces first, so the words of each piece can be remembered."""
    if words_to_ignore or CHINESE.search(text):
        return list(_split(text, list(words_to_ignore)))
    return [word for token in text.split() for word in _words_of_token(token)]


def with_new_words(text: AttackedText, new_words: Sequence[str]) -> AttackedText:
    """TextAttack's ``generate_new_attacked_text``, which looks at the changed words only."""
    spans = _spans(text)
    if spans is None or len(new_words) != len(spans):
        return _rebuild(text, new_words)
    [(field, whole)] = text._text_input.items()
    attributes = _inherited(text)
    built, position, shift = "", 0, 0
    for i, (old, new) in enumerate(zip(text.words, new_words, strict=True)):
        if old == new:
            continue
        start, end = spans[i]
        built, position = built + whole[position:start], end
        count = len(words_from_text(new))
        if count != 1:
            _move_indices(attributes, i, count - 1, before=bool(count) and old != words_from_text(new)[0])
        changed = range(i + shift, i + shift + count)
        attributes["modified_indices"].update(changed)
        attributes["newly_modified_indices"].update(changed)
        shift += count - 1
        if not count and position < len(whole):
            if i == 0:
                position += whole[position] == " "
            elif built[-1] == " ":
                built = built[:-1]
        built += new
    return AttackedText(OrderedDict([(field, built + whole[position:])]), attack_attrs=attributes)


def _spans(text: AttackedText) -> list[tuple[int, int]] | None:
    """Where each word of a text stands; None for a text that TextAttack has to rebuild itself."""
    if not hasattr(text, "_asa_bench_spans"):
        text._asa_bench_spans = _found_spans(text)
    spans: list[tuple[int, int]] | None = text._asa_bench_spans
    return spans


def _found_spans(text: AttackedText) -> list[tuple[int, int]] | None:
    if len(text._text_input) != 1 or AttackedText.SPLIT_TOKEN in text.text or CHINESE.search(text.text):
        return None
    spans, end = [], 0
    for word in text.words:
        start = text.text.find(word, end)
        if start < 0 or words_from_text(word) != [word]:
            return None
        end = start + len(word)
        spans.append((start, end))
    return spans


def _inherited(text: AttackedText) -> dict[str, Any]:
    """The attributes of a text made from ``text``, before any change."""
    attributes = {"label_names": text.attack_attrs["label_names"]} if "label_names" in text.attack_attrs else {}
    return attributes | {
        "newly_modified_indices": set(),
        "previous_attacked_text": text,
        "modified_indices": text.attack_attrs["modified_indices"].copy(),
        "original_index_map": text.attack_attrs["original_index_map"].copy(),
    }


def _move_indices(attributes: dict[str, Any], i: int, by: int, *, before: bool) -> None:
    """Word ``i`` became more or fewer words: the indices behind it move, and its own where words came before it."""
    attributes["modified_indices"] = {
        index + by * (index > i) for index in attributes["modified_indices"] if index != i
    }
    places = attributes["original_index_map"]
    if by == -1:
        places[places == i] = -1
    places[places > i] += by
    if by > 0 and before:
        places[places == i] += by


@contextmanager
def fast_texts() -> Iterator[None]:
    """Within the block TextAttack splits and rebuilds texts with the functions above."""
    _put(words_from_text, with_new_words)
    try:
        yield
    finally:
        _put(_split, _rebuild)


def _put(split: Callable[..., list[str]], rebuild: Callable[..., AttackedText]) -> None:
    attacked_text.words_from_text = split
    strings.words_from_text = split
    AttackedText.generate_new_attacked_text = rebuild


def remember_synonyms(transformation: Any) -> None:
    """Let every WordNet swap in ``transformation`` look each word up once."""
    if isinstance(transformation, CompositeTransformation):
        for part in transformation.transformations:
            remember_synonyms(part)
    elif type(transformation) is WordSwapWordNet:
        transformation._get_replacement_words = _remembered(transformation._get_replacement_words)


def _remembered(find: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    @lru_cache(REMEMBERED)
    def found(word: str) -> tuple[str, ...]:
        return tuple(find(word))

    return lambda word: list(found(word))


def spare_short_texts(constraints: Iterable[Any]) -> None:
    """Let sentence encoders be asked only about texts that they judge.

    TextAttack asks about those shorter than the window, too, and then lets them through whatever was found.
    """
    for constraint in constraints:
        if getattr(constraint, "skip_text_shorter_than_window", False):
            constraint._score_list = partial(_scores, constraint, constraint._score_list)


def _scores(
    constraint: Any, found: Callable[..., Tensor], starting_text: AttackedText, texts: Sequence[AttackedText]
) -> Tensor:
    judged = [place for place, text in enumerate(texts) if text.num_words >= constraint.window_size]
    scores = torch.ones(len(texts))
    if judged:
        scores[judged] = found(starting_text, [texts[place] for place in judged])
    return scores
