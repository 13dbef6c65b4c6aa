"""Parts of word attacks from the package index: counter-fitted GloVe, MiniLM and spaCy in the authors' places.

Each works as its counterpart in TextAttack does. Imports TextAttack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from textattack.constraints.grammaticality import PartOfSpeech
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder
from textattack.shared import AttackedText, WordEmbedding
from textattack.transformations import WordSwapChangeLocation, WordSwapChangeName
from torch import Tensor

from asa_bench.assets import asset_path
from asa_bench.assets.build import VECTORS
from asa_bench.assets.counter_fitting import unit
from asa_bench.assets.word_vectors import NEAREST, WordVectors, read_word_vectors
from asa_bench.attacking.scheduler import Ask
from asa_bench.core.files import stamp
from asa_bench.models.sentences import JUDGE, sentence_model
from asa_bench.models.tags import Window, parsed, tagger

TEXTS = 2**10
"""Whole texts whose tags are kept."""

UNIVERSAL = {"PROPN": "NOUN", "AUX": "VERB", "CCONJ": "CONJ", "SCONJ": "CONJ", "INTJ": "X", "SYM": "X", "PUNCT": "."}
"""spaCy's coarse tags as those of NLTK's universal tagset, which TextAttack's constraint compares."""


def word_embedding(path: Path | None = None) -> WordEmbedding:
    """The counter-fitted vectors, or those of the user's in ``path``, as TextAttack takes them, loaded once."""
    found = path or asset_path(VECTORS)
    return _loaded(found, stamp(found))


@lru_cache(maxsize=1)
def _loaded(path: Path, _: object) -> WordEmbedding:
    return Vectors(read_word_vectors(path))


class Vectors(WordEmbedding):  # type: ignore[misc]
    """TextAttack's embedding, with as many neighbours as are asked for: it gives the first caller's number to all.

    Where no neighbours lie beside the vectors, they are the nearest by cosine, looked up once for each word.
    """

    def __init__(self, found: WordVectors) -> None:
        index = {word: number for number, word in enumerate(found.words)}
        super().__init__(found.vectors, index, dict(enumerate(found.words)), found.neighbours)
        self._unit = found.vectors if found.neighbours is not None else unit(found.vectors)

    def nearest_neighbours(self, index: int, topn: int) -> list[int]:
        """The ``topn`` nearest words of a word, nearest first."""
        if self.nn_matrix is not None:
            return cast("list[int]", self.nn_matrix[index, :topn].tolist())
        if index not in self._nn_cache:
            self._nn_cache[index] = self._nearest(index)
        return cast("list[int]", self._nn_cache[index][:topn])

    def _nearest(self, index: int) -> list[int]:
        farness = -(self._unit @ self._unit[index])
        farness[index] = np.inf
        return cast("list[int]", np.argsort(farness, kind="stable")[: min(NEAREST, len(farness) - 1)].tolist())


class MiniLM(SentenceEncoder):  # type: ignore[misc]
    """Similarity of MiniLM's sentence vectors, compared as TextAttack compares the Universal Sentence Encoder's."""

    def __init__(self, ask: Ask, **options: Any) -> None:
        super().__init__(**options)
        self._ask = ask

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Sentence vectors ``(sentences, width)``."""
        return torch.stack([*self._ask(sentence_model(asset_path(JUDGE)), [(sentence,) for sentence in sentences])])

    def _sim_score(self, starting_text: AttackedText, transformed_text: AttackedText) -> float:
        return float(self._score_list(starting_text, [transformed_text])[0])


class SpacyPartOfSpeech(PartOfSpeech):  # type: ignore[misc]
    """TextAttack's constraint, and its cache, with spaCy's tagger, which is asked about all candidates at once."""

    def __init__(self, ask: Ask, allow_verb_noun_swap: bool) -> None:
        super().__init__(allow_verb_noun_swap=allow_verb_noun_swap)
        self.tagger_type = "spacy"
        self._ask = ask

    def _check_constraint_many(
        self, transformed_texts: Sequence[AttackedText], reference_text: AttackedText
    ) -> list[AttackedText]:
        words = reference_text.words
        places = {(place, text.words[place]) for text in transformed_texts for place in _changed(text, words)}
        places |= {(place, words[place]) for place, _ in places}
        self._tag(_window(words, *place) for place in sorted(places))
        return cast("list[AttackedText]", super()._check_constraint_many(transformed_texts, reference_text))

    def _get_pos(self, before_ctx: list[str], word: str, after_ctx: list[str]) -> str:
        window = (*before_ctx, word, *after_ctx)
        self._tag([window])
        tag: str = self._pos_tag_cache[window][len(before_ctx)]
        return UNIVERSAL.get(tag, tag)

    def _tag(self, windows: Iterable[Window]) -> None:
        new = [window for window in windows if window not in self._pos_tag_cache]
        for window, tags in zip(new, self._ask(tagger(), new), strict=True):
            self._pos_tag_cache[window] = tags


def _changed(text: AttackedText, words: Sequence[str]) -> list[int]:
    """Places of the changed words of ``text``, of those that the original ``words`` have, too."""
    changed = text.attack_attrs.get("newly_modified_indices", ())
    return [place for place in changed if place < min(len(words), text.num_words)]


def _window(words: Sequence[str], place: int, word: str) -> Window:
    """What TextAttack's constraint tags to see whether ``word`` may stand at a place among ``words``."""
    return (*words[max(place - 4, 0) : place], word, *words[place + 1 : place + 4])


class Entity(NamedTuple):
    """A named entity's tag on one word, as TextAttack reads flair's."""

    value: str
    """``B-PER``, ``I-PER``, ``E-PER``, ``S-PER``, ``LOC``, or ``O``."""
    score: float = 1.0
    """spaCy has none: every entity counts."""


class SpacyText:
    """A text whose parts of speech and named entities are spaCy's."""

    def __init__(self, text: AttackedText) -> None:
        self._text = text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._text, name)

    def ner_of_word_index(self, index: int, _: str) -> Entity:
        """The named entity of one word."""
        return _entities(tuple(self._text.words))[index]

    def pos_of_word_index(self, index: int) -> str:
        """The part of speech of one word, in the Universal Dependencies' tags."""
        return _tags(tuple(self._text.words))[index]


class SpacyChangeName(WordSwapChangeName):  # type: ignore[misc]
    """TextAttack's exchange of names, which spaCy finds."""

    def _get_transformations(self, current_text: AttackedText, indices_to_modify: set[int]) -> list[AttackedText]:
        return cast("list[AttackedText]", super()._get_transformations(SpacyText(current_text), indices_to_modify))


class SpacyChangeLocation(WordSwapChangeLocation):  # type: ignore[misc]
    """TextAttack's exchange of places, which spaCy finds."""

    def _get_transformations(self, current_text: AttackedText, indices_to_modify: set[int]) -> list[AttackedText]:
        return cast("list[AttackedText]", super()._get_transformations(SpacyText(current_text), indices_to_modify))


@lru_cache(maxsize=TEXTS)
def _tags(words: Window) -> tuple[str, ...]:
    (found,) = parsed([words], without="ner")
    return tuple(token.pos_ for token in found)


@lru_cache(maxsize=TEXTS)
def _entities(words: Window) -> tuple[Entity, ...]:
    tags = [Entity("O") for _ in words]
    (found,) = parsed([words], without="tagger")
    for entity in found.ents:
        for place in range(entity.start, entity.end):
            tags[place] = _entity(entity, place)
    return tuple(tags)


def _entity(entity: Any, place: int) -> Entity:
    if entity.label_ in ("GPE", "LOC"):
        return Entity("LOC")
    if entity.label_ != "PERSON":
        return Entity("O")
    first, last = place == entity.start, place == entity.end - 1
    position = {(True, True): "S", (True, False): "B", (False, True): "E"}.get((first, last), "I")
    return Entity(f"{position}-PER")
