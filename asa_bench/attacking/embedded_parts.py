"""Parts of word attacks from the package index: counter-fitted GloVe, MiniLM and spaCy in the authors' places.

What they find is kept by content, within bounds, for all examples of a process. Imports TextAttack.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from lru import LRU
from textattack.constraints.grammaticality import PartOfSpeech
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder
from textattack.shared import AttackedText, WordEmbedding
from textattack.transformations import WordSwapChangeLocation, WordSwapChangeName
from torch import Tensor

from asa_bench.assets import asset_path
from asa_bench.assets.build import VECTORS
from asa_bench.attacking.scheduler import Ask
from asa_bench.models.sentences import JUDGE, sentence_model

TAGGER = "spacy-english"
"""The asset with spaCy's pipeline."""

KEPT = 2**16
"""Sentence vectors, and tagged windows of words, that are kept."""

TEXTS = 2**10
"""Whole texts whose tags are kept."""

UNIVERSAL = {"PROPN": "NOUN", "AUX": "VERB", "CCONJ": "CONJ", "SCONJ": "CONJ", "INTJ": "X", "SYM": "X", "PUNCT": "."}
"""spaCy's coarse tags as those of NLTK's universal tagset, which TextAttack's constraint compares."""


@lru_cache(maxsize=1)
def word_embedding() -> WordEmbedding:
    """The counter-fitted vectors as TextAttack takes them, loaded once."""
    folder = asset_path(VECTORS)
    words = (folder / "words.txt").read_text(encoding="utf-8").split()
    vectors, near = np.load(folder / "vectors.npy"), np.load(folder / "neighbours.npy")
    index = {word: number for number, word in enumerate(words)}
    return Vectors(vectors, index, dict(enumerate(words)), near)


class Vectors(WordEmbedding):  # type: ignore[misc]
    """TextAttack's embedding, with as many neighbours as are asked for: it gives the first caller's number to all."""

    def nearest_neighbours(self, index: int, topn: int) -> list[int]:
        """The ``topn`` nearest words of a word, nearest first."""
        return cast("list[int]", self.nn_matrix[index, :topn].tolist())


class MiniLM(SentenceEncoder):  # type: ignore[misc]
    """Similarity of MiniLM's sentence vectors, compared as TextAttack compares the Universal Sentence Encoder's."""

    def __init__(self, ask: Ask, **options: Any) -> None:
        super().__init__(**options)
        self._ask = ask
        self._known: Any = LRU(KEPT)

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Sentence vectors ``(sentences, width)``."""
        found = {text: self._known.get(text) for text in sentences}
        new = [text for text, vector in found.items() if vector is None]
        if new:
            vectors = self._ask(sentence_model(asset_path(JUDGE)), [(text,) for text in new])
            found.update(zip(new, vectors, strict=True))
            self._known.update(found)
        return torch.stack([found[text] for text in sentences])

    def _sim_score(self, starting_text: AttackedText, transformed_text: AttackedText) -> float:
        return float(self._score_list(starting_text, [transformed_text])[0])


class SpacyPartOfSpeech(PartOfSpeech):  # type: ignore[misc]
    """TextAttack's constraint, and its bounded cache, with spaCy's tagger.

    A window is tagged alone, so that its tags do not depend on what else is tagged.
    """

    def __init__(self, allow_verb_noun_swap: bool) -> None:
        super().__init__(allow_verb_noun_swap=allow_verb_noun_swap)
        self.tagger_type = "spacy"
        self._pos_tag_cache: Any = LRU(KEPT)

    def _get_pos(self, before_ctx: list[str], word: str, after_ctx: list[str]) -> str:
        window = (*before_ctx, word, *after_ctx)
        tags = self._pos_tag_cache.get(window)
        if tags is None:
            tags = self._pos_tag_cache[window] = _tags(window)
        tag: str = tags[len(before_ctx)]
        return UNIVERSAL.get(tag, tag)


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
        return _remembered_tags(tuple(self._text.words))[index]


class SpacyChangeName(WordSwapChangeName):  # type: ignore[misc]
    """TextAttack's exchange of names, which spaCy finds."""

    def _get_transformations(self, current_text: AttackedText, indices_to_modify: set[int]) -> list[AttackedText]:
        return cast("list[AttackedText]", super()._get_transformations(SpacyText(current_text), indices_to_modify))


class SpacyChangeLocation(WordSwapChangeLocation):  # type: ignore[misc]
    """TextAttack's exchange of places, which spaCy finds."""

    def _get_transformations(self, current_text: AttackedText, indices_to_modify: set[int]) -> list[AttackedText]:
        return cast("list[AttackedText]", super()._get_transformations(SpacyText(current_text), indices_to_modify))


def _tags(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(token.pos_ for token in _parsed(words, "ner"))


_remembered_tags = lru_cache(maxsize=TEXTS)(_tags)


@lru_cache(maxsize=TEXTS)
def _entities(words: tuple[str, ...]) -> tuple[Entity, ...]:
    tags = [Entity("O") for _ in words]
    for entity in _parsed(words, "tagger").ents:
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


def _parsed(words: Sequence[Hashable], without: str) -> Any:
    from spacy.tokens import Doc

    pipeline = _pipeline(without)
    return pipeline(Doc(pipeline.vocab, words=list(words)))


@lru_cache(maxsize=2)
def _pipeline(without: str) -> Any:
    """The pipeline of spaCy for parts of speech or for named entities: without the other."""
    import spacy

    others = {"tagger", "attribute_ruler"} if without == "tagger" else {without}
    return spacy.load(asset_path(TAGGER), exclude=[*others, "parser", "lemmatizer", "senter"])
