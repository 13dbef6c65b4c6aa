"""Word swaps that the model's gradient proposes: what HotFlip is for characters and word models, for any tokenizer.

Ebrahimi et al. 2018, arXiv 1712.06751; TextAttack's HotFlip knows its own LSTM alone. Candidates and constraints are
those of ``textfooler-embedded``, so that the two differ by what guides them: white box against black box on one set of
texts. Imports TextAttack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from textattack import Attack
from textattack.attack_recipes import AttackRecipe
from textattack.search_methods import BeamSearch
from textattack.shared import AttackedText
from textattack.transformations import Transformation, WordSwap
from torch import Tensor

from asa_bench.attacking.embedded import TextFooler, asking
from asa_bench.attacking.scheduler import Ask
from asa_bench.core.errors import InputError
from asa_bench.models.batching import Encoded
from asa_bench.models.classifier import Classifier
from asa_bench.models.gradients import EmbeddingGradients

WORDS = 2**14
"""Words whose embeddings are kept."""


class GradientSwapRecipe(AttackRecipe):  # type: ignore[misc]
    """TextFooler's words and constraints, in a beam search that the gradient leads."""

    @staticmethod
    def build(model_wrapper: Any, candidates: int = 50, beam: int = 4, vectors: Path | None = None) -> Attack:
        """The attack on the victim.

        Args:
            model_wrapper: the victim, ours or TextAttack's own wrapper of a model of transformers.
            candidates: swaps that are tried of each text of the beam: those of the largest gain by the gradient.
            beam: texts that are kept at each step.
            vectors: word vectors of the user's.
        """
        attack = TextFooler.build(model_wrapper, vectors)
        constraints = [*attack.constraints, *attack.pre_transformation_constraints]
        swap = GradientSwap(_classifier(model_wrapper), asking(model_wrapper), attack.transformation, candidates)
        return Attack(attack.goal_function, constraints, swap, BeamSearch(beam_width=beam))


def _classifier(victim: Any) -> Classifier:
    if hasattr(victim, "classifier"):
        return victim.classifier  # type: ignore[no-any-return]
    return Classifier(victim.model, victim.tokenizer, victim.tokenizer.model_max_length, "fp32")


class GradientSwap(Transformation):  # type: ignore[misc]
    """The swaps of another transformation that the gradient at the word embeddings likes best."""

    def __init__(self, classifier: Classifier, ask: Ask, unranked: WordSwap, most: int) -> None:
        if not classifier.tokenizer.is_fast:
            raise InputError(
                "gradient-swap: the model's tokenizer is no fast one, and cannot say which tokens a word has"
            )
        self.unranked = unranked
        """The transformation whose swaps are ranked: a random search takes from it."""
        self._classifier = classifier
        self._gradients = EmbeddingGradients(classifier)
        self._ask = ask
        self._most = most
        self._embedded = lru_cache(maxsize=WORDS)(self._embed)

    def _get_transformations(self, current_text: AttackedText, indices_to_modify: set[int]) -> list[AttackedText]:
        words = current_text.words
        swaps = [
            (place, other)
            for place in indices_to_modify
            for other in self.unranked._get_replacement_words(words[place])
            if other != words[place]
        ]
        if not swaps:
            return []
        fields = tuple(current_text._text_input.values())
        (gradient,) = self._ask(self._gradients, [fields])  # (L, H)
        tokens = dict(enumerate(word_tokens(self._classifier, current_text.words_per_input, fields)))
        gains = [self._gain(words[place], other, gradient[tokens[place]]) for place, other in swaps]
        best = sorted(range(len(swaps)), key=lambda number: -gains[number])[: self._most]
        return [current_text.replace_word_at_index(*swaps[number]) for number in best]

    def _gain(self, word: str, other: str, gradient: Tensor) -> float:
        """What the margin gains to first order by ``other``; a word of several tokens is the mean of their embeddings.

        ``gradient`` is that at the word's tokens, ``(tokens, H)``; there are none behind what the model reads.
        """
        if not len(gradient):
            return 0.0
        return float((self._embedded(other) - self._embedded(word)) @ gradient.sum(dim=0))

    def _embed(self, word: str) -> Tensor:
        """Mean embedding of a word's tokens in the middle of a text, ``(H,)``."""
        ids = self._classifier.tokenizer(f" {word}", add_special_tokens=False).input_ids
        table = self._classifier.model.get_input_embeddings()
        with torch.no_grad():
            mean: Tensor = table(torch.tensor(ids, device=self._classifier.device)).float().mean(dim=0).cpu()
        return mean


def word_tokens(classifier: Classifier, words: Sequence[Sequence[str]], fields: Sequence[str]) -> Iterator[list[int]]:
    """Places of each word's tokens in the padded row of a text; empty for a word that the model does not read.

    Args:
        classifier: the model.
        words: the words of each field, in order.
        fields: the fields.
    """
    encoding = classifier.tokenizer(
        *([field] for field in fields), truncation=True, max_length=classifier.max_length, verbose=False
    )
    (encoded,) = classifier.encode([tuple(fields)])
    shift = _left_padding(classifier, encoded, len(encoding["input_ids"][0]))
    for number, (field, own) in enumerate(zip(fields, words, strict=True)):
        end = 0
        for word in own:
            start = field.index(word, end)
            end = start + len(word)
            found = (encoding.char_to_token(0, place, number) for place in range(start, end))
            yield sorted({token + shift for token in found if token is not None})


def _left_padding(classifier: Classifier, encoded: Encoded, tokens: int) -> int:
    return encoded.length - tokens if classifier.tokenizer.padding_side == "left" else 0
