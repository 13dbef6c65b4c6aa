"""TextAttack's recipes with parts from the package index in the places of what its authors' servers hold.

Where TextAttack's own recipe can be built without a download, it is, and only those parts are exchanged. Imports
TextAttack.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textattack import Attack
from textattack.attack_recipes import AttackRecipe, CheckList2020, IGAWang2019, TextFoolerJin2019
from textattack.constraints import Constraint
from textattack.constraints.grammaticality import PartOfSpeech
from textattack.constraints.pre_transformation import (
    InputColumnModification,
    MaxModificationRate,
    RepeatModification,
    StopwordModification,
)
from textattack.constraints.semantics import WordEmbeddingDistance
from textattack.constraints.semantics.sentence_encoders import UniversalSentenceEncoder
from textattack.goal_functions import UntargetedClassification
from textattack.search_methods import GreedyWordSwapWIR
from textattack.shared import utils
from textattack.transformations import (
    CompositeTransformation,
    WordSwapChangeLocation,
    WordSwapChangeName,
    WordSwapEmbedding,
    WordSwapNeighboringCharacterSwap,
    WordSwapRandomCharacterDeletion,
    WordSwapRandomCharacterInsertion,
)

from asa_bench.attacking.bad_characters import Homoglyphs
from asa_bench.attacking.embedded_parts import (
    MiniLM,
    SpacyChangeLocation,
    SpacyChangeName,
    SpacyPartOfSpeech,
    word_embedding,
)
from asa_bench.attacking.scheduler import Ask
from asa_bench.models.batching import answers


class TextFooler(AttackRecipe):  # type: ignore[misc]
    """TextFooler (arXiv 1907.11932) on counter-fitted GloVe, MiniLM and spaCy."""

    @staticmethod
    def build(model_wrapper: Any, vectors: Path | None = None) -> Attack:
        """The attack on the victim; ``vectors`` are the user's."""
        with _own_vectors(vectors):
            return _exchanged(TextFoolerJin2019.build(model_wrapper), model_wrapper)


class IGA(AttackRecipe):  # type: ignore[misc]
    """The improved genetic algorithm (arXiv 1909.06723) on counter-fitted GloVe."""

    @staticmethod
    def build(model_wrapper: Any, vectors: Path | None = None) -> Attack:
        """The attack on the victim; ``vectors`` are the user's."""
        with _own_vectors(vectors):
            return IGAWang2019.build(model_wrapper)


class CheckList(AttackRecipe):  # type: ignore[misc]
    """CheckList's invariance tests (arXiv 2005.04118) with spaCy's named entities."""

    @staticmethod
    def build(model_wrapper: Any) -> Attack:
        """The attack on the victim."""
        attack = CheckList2020.build(model_wrapper)
        spacy = {WordSwapChangeName: SpacyChangeName, WordSwapChangeLocation: SpacyChangeLocation}
        parts = [spacy[type(part)]() if type(part) in spacy else part for part in attack.transformation.transformations]
        constraints = [*attack.constraints, *attack.pre_transformation_constraints]
        return Attack(attack.goal_function, constraints, CompositeTransformation(parts), attack.search_method)


class TextBugger(AttackRecipe):  # type: ignore[misc]
    """TextBugger (arXiv 1812.05271) on counter-fitted GloVe, MiniLM and Unicode's confusables."""

    @staticmethod
    def build(model_wrapper: Any, vectors: Path | None = None) -> Attack:
        """The attack on the victim, with TextAttack's numbers throughout; ``vectors`` are the user's."""
        inside: dict[str, Any] = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
        transformation = CompositeTransformation(
            [
                WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inside),
                WordSwapRandomCharacterDeletion(**inside),
                WordSwapNeighboringCharacterSwap(**inside),
                Homoglyphs(),
                WordSwapEmbedding(max_candidates=5, embedding=word_embedding(vectors)),
            ]
        )
        similar = MiniLM(asking(model_wrapper), threshold=0.8, metric="angular")
        constraints = [RepeatModification(), StopwordModification(), similar]
        search = GreedyWordSwapWIR(wir_method="delete")
        return Attack(UntargetedClassification(model_wrapper), constraints, transformation, search)


class A2T(AttackRecipe):  # type: ignore[misc]
    """A2T (arXiv 2109.00544) on counter-fitted GloVe, MiniLM and spaCy, ranking words by deletion."""

    @staticmethod
    def build(model_wrapper: Any, vectors: Path | None = None) -> Attack:
        """The attack on the victim, with TextAttack's numbers throughout; ``vectors`` are the user's."""
        embedding = word_embedding(vectors)
        constraints = [
            RepeatModification(),
            StopwordModification(),
            InputColumnModification(["premise", "hypothesis"], {"premise"}),
            MaxModificationRate(max_rate=0.1, min_threshold=4),
            WordEmbeddingDistance(min_cos_sim=0.8, embedding=embedding),
            SpacyPartOfSpeech(asking(model_wrapper), allow_verb_noun_swap=False),
            MiniLM(asking(model_wrapper), threshold=0.9, metric="cosine"),
        ]
        transformation = WordSwapEmbedding(max_candidates=20, embedding=embedding)
        search = GreedyWordSwapWIR(wir_method="delete")
        return Attack(UntargetedClassification(model_wrapper), constraints, transformation, search)


def asking(victim: Any) -> Ask:
    """How the other models of an attack on ``victim`` are asked: as it is, or at once."""
    ask: Ask = getattr(victim, "ask", answers)
    return ask


def _exchanged(attack: Attack, victim: Any) -> Attack:
    """The attack with MiniLM for its sentence encoder and spaCy for its tagger, thresholds and order kept."""
    constraints = [_own(constraint, victim) for constraint in attack.constraints]
    every = [*constraints, *attack.pre_transformation_constraints]
    return Attack(attack.goal_function, every, attack.transformation, attack.search_method)


def _own(constraint: Constraint, victim: Any) -> Constraint:
    if isinstance(constraint, PartOfSpeech):
        return SpacyPartOfSpeech(asking(victim), constraint.allow_verb_noun_swap)
    if not isinstance(constraint, UniversalSentenceEncoder):
        return constraint
    names = ("threshold", "metric", "compare_against_original", "window_size", "skip_text_shorter_than_window")
    return MiniLM(asking(victim), **{name: getattr(constraint, name) for name in names})


@contextmanager
def _own_vectors(given: Path | None) -> Iterator[None]:
    """Within the block the vectors that TextAttack would download are ours, or ``given``; afterwards not."""
    key, shared = "textattack_counterfitted_GLOVE_embedding", utils.GLOBAL_OBJECTS
    before = shared.get(key)
    shared[key] = word_embedding(given)
    try:
        yield
    finally:
        shared.pop(key)
        if before is not None:
            shared[key] = before
