"""BAE, BERT-Attack and CLARE on any masked language model, with MiniLM and spaCy in their authors' encoders' places.

Numbers of candidates, confidences and thresholds are TextAttack's. Imports TextAttack.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from textattack import Attack
from textattack.attack_recipes import AttackRecipe
from textattack.constraints import Constraint
from textattack.constraints.overlap import MaxWordsPerturbed
from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
from textattack.goal_functions import UntargetedClassification
from textattack.search_methods import GreedySearch, GreedyWordSwapWIR
from textattack.shared import AttackedText
from textattack.transformations import (
    CompositeTransformation,
    WordInsertionMaskedLM,
    WordMergeMaskedLM,
    WordSwapMaskedLM,
)

from asa_bench.attacking.embedded import asking
from asa_bench.attacking.embedded_parts import MiniLM, SpacyPartOfSpeech, SpacyText
from asa_bench.core.files import stamp
from asa_bench.models.kinds import positions


class BAE(AttackRecipe):  # type: ignore[misc]
    """BAE-R (arXiv 2004.01970): words replaced by what the model proposes."""

    @staticmethod
    def build(model_wrapper: Any, masked_lm: Path) -> Attack:
        """The attack on the victim with the masked language model in a folder."""
        speech = SpacyPartOfSpeech(asking(model_wrapper), allow_verb_noun_swap=True)
        constraints = [speech, _similar(model_wrapper, 0.936338023, 15)]
        swap = WordSwapMaskedLM(method="bae", max_candidates=50, min_confidence=0.0, **_language_model(masked_lm))
        return _attack(model_wrapper, constraints, swap, GreedyWordSwapWIR(wir_method="delete"))


class BertAttack(AttackRecipe):  # type: ignore[misc]
    """BERT-Attack (arXiv 2004.09984): word pieces replaced by what the model proposes."""

    @staticmethod
    def build(model_wrapper: Any, masked_lm: Path) -> Attack:
        """The attack on the victim with the masked language model in a folder."""
        constraints = [MaxWordsPerturbed(max_percent=0.4), _similar(model_wrapper, 0.2, None)]
        swap = WordSwapMaskedLM(method="bert-attack", max_candidates=8, **_language_model(masked_lm))
        return _attack(model_wrapper, constraints, swap, GreedyWordSwapWIR(wir_method="unk"))


class CLARE(AttackRecipe):  # type: ignore[misc]
    """CLARE (arXiv 2009.07502): words replaced, put in and merged by what the model proposes."""

    @staticmethod
    def build(model_wrapper: Any, masked_lm: Path) -> Attack:
        """The attack on the victim with the masked language model in a folder."""
        shared = {"max_candidates": 50, **_language_model(masked_lm)}
        transformation = CompositeTransformation(
            [
                WordSwapMaskedLM(method="bae", min_confidence=5e-4, **shared),
                WordInsertionMaskedLM(min_confidence=0.0, **shared),
                _Merge(min_confidence=5e-3, **shared),
            ]
        )
        return _attack(model_wrapper, [_similar(model_wrapper, 0.7, 15)], transformation, GreedySearch())


class _Merge(WordMergeMaskedLM):  # type: ignore[misc]
    """TextAttack's merge of two words, whose parts of speech are spaCy's."""

    def _get_transformations(self, current_text: AttackedText, indices_to_modify: set[int]) -> list[AttackedText]:
        return cast("list[AttackedText]", super()._get_transformations(SpacyText(current_text), indices_to_modify))


def _attack(victim: Any, constraints: list[Constraint], transformation: Any, search: Any) -> Attack:
    every = [RepeatModification(), StopwordModification(), *constraints]
    return Attack(UntargetedClassification(victim), every, transformation, search)


def _similar(victim: Any, threshold: float, window: int | None) -> MiniLM:
    return MiniLM(
        asking(victim),
        threshold=threshold,
        metric="cosine",
        compare_against_original=True,
        window_size=window,
        skip_text_shorter_than_window=window is not None,
    )


def _language_model(folder: Path) -> dict[str, Any]:
    """The model in ``folder``, loaded once, as TextAttack's transformations take it."""
    return _loaded(folder, stamp(folder))


@lru_cache(maxsize=1)
def _loaded(folder: Path, _: object) -> dict[str, Any]:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModelForMaskedLM.from_pretrained(folder, use_safetensors=True, trust_remote_code=False).eval()
    return {"masked_language_model": model, "tokenizer": tokenizer, "max_length": min(512, positions(model.config))}
