"""Word swaps that the model's gradient proposes: what HotFlip is for characters and word models, for any tokenizer.

Ebrahimi et al. 2018, arXiv 1712.06751; TextAttack's HotFlip knows its own LSTM alone. Swaps and constraints are those
of ``textfooler-embedded``, so that the two differ by what guides them: white box against black box on one set of texts.
Imports TextAttack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from textattack import Attack
from textattack.attack_recipes import AttackRecipe
from textattack.goal_function_results import GoalFunctionResultStatus
from textattack.search_methods import SearchMethod
from textattack.shared import AttackedText
from textattack.transformations import WordSwap
from torch import Tensor

from asa_bench.attacking.embedded import TextFooler, asking
from asa_bench.attacking.scheduler import Ask
from asa_bench.core.errors import InputError
from asa_bench.models.batching import Encoded
from asa_bench.models.classifier import Classifier
from asa_bench.models.gradients import EmbeddingGradients, for_gradients

WORDS = 2**14
"""Words whose embeddings are kept."""

Swap = tuple[int, str]
"""A place in a text, and the word to put there."""


class GradientSwapRecipe(AttackRecipe):  # type: ignore[misc]
    """TextFooler's swaps and constraints, in a beam search that the gradient leads."""

    @staticmethod
    def build(model_wrapper: Any, candidates: int = 8, beam: int = 4, vectors: Path | None = None) -> Attack:
        """The attack on the victim.

        Args:
            model_wrapper: the victim, ours or TextAttack's own wrapper of a model of transformers.
            candidates: texts that are tried of each text of the beam: of those that the constraints allow the ones of
                the largest gain by the gradient.
            beam: texts that are kept at each step, once a search that keeps one has failed.
            vectors: word vectors of the user's.
        """
        attack = TextFooler.build(model_wrapper, vectors)
        constraints = [*attack.constraints, *attack.pre_transformation_constraints]
        ranking = GradientRanking(_classifier(model_wrapper), asking(model_wrapper))
        search = GradientBeam(ranking, attack.transformation, candidates, beam)
        return Attack(attack.goal_function, constraints, attack.transformation, search)


def _classifier(victim: Any) -> Classifier:
    if hasattr(victim, "classifier"):
        return victim.classifier  # type: ignore[no-any-return]
    return Classifier(victim.model, victim.tokenizer, victim.tokenizer.model_max_length, "fp32")


class GradientBeam(SearchMethod):  # type: ignore[misc]
    """A beam search over the swaps that the gradient likes best, of those that the constraints allow.

    The narrowest beam first, which spends the fewest queries; a wider one where that fails. The best-ranked swaps go
    before the constraints a block at a time, until enough have passed.
    """

    per_word: int | None = None
    """Most swaps of a word, where a protocol bounds them."""

    def __init__(self, ranking: GradientRanking, transformation: WordSwap, candidates: int, width: int) -> None:
        self._ranking = ranking
        self._transformation = transformation
        self._candidates = candidates
        self._width = width

    def perform_search(self, initial_result: Any) -> Any:
        """The best-scored success of the first step that has one, else the best text that was asked about."""
        original, best, over = initial_result.attacked_text, initial_result, False
        for width in sorted({1, self._width}):
            beam = [original]
            while not over and (texts := self._next(beam, original)):
                results, over = self.get_goal_results(texts)
                ranked = sorted(results, key=lambda result: -result.score)
                for result in ranked:  # of three labels, a failure can leave the true one less than a success does
                    if result.goal_status == GoalFunctionResultStatus.SUCCEEDED:
                        return result
                best = max([best, *ranked[:1]], key=lambda result: result.score)
                beam = [result.attacked_text for result in ranked[:width]]
        return best

    def _next(self, beam: Sequence[AttackedText], original: AttackedText) -> list[AttackedText]:
        """The texts of the next step, each once."""
        swaps = [self._swaps(text) for text in beam]
        ranked = zip(beam, self._ranking.ranked(beam, swaps), strict=True)
        found = [next_text for text, best in ranked for next_text in self._allowed(text, best, original)]
        return list({text.text: text for text in found}.values())

    def _swaps(self, text: AttackedText) -> list[Swap]:
        """All swaps in a text, at the places that may be changed."""
        _, places = self.get_indices_to_order(text)
        words = ((place, self._transformation._get_replacement_words(text.words[place])) for place in sorted(places))
        return [(place, other) for place, others in words for other in islice(others, self.per_word)]

    def _allowed(self, text: AttackedText, ranked: Sequence[Swap], original: AttackedText) -> list[AttackedText]:
        """The first swaps that pass the constraints, made."""
        allowed: list[AttackedText] = []
        for start in range(0, len(ranked), self._candidates):
            made = [text.replace_word_at_index(*swap) for swap in ranked[start : start + self._candidates]]
            for other in made:
                other.attack_attrs["last_transformation"] = self._transformation
            allowed += sorted(self.filter_transformations(made, text, original), key=made.index)
            if len(allowed) >= self._candidates:
                break
        return allowed[: self._candidates]

    @property
    def is_black_box(self) -> bool:
        """It sees the gradient."""
        return False


class Word(NamedTuple):
    """A word as the model reads it."""

    places: list[int]
    """Those of its tokens in the padded row of the text; empty behind what the model reads."""
    ids: list[int]
    """Its tokens."""
    leads: bool
    """Whether the text begins with it; many tokenizers have other tokens for a word behind a space."""


class GradientRanking:
    """Ranks swaps by what the margin gains to first order.

    A word of several tokens is the mean of their embeddings.
    """

    def __init__(self, classifier: Classifier, ask: Ask) -> None:
        if not classifier.tokenizer.is_fast:
            raise InputError(
                "gradient-swap: the model's tokenizer is no fast one, and cannot say which tokens a word has"
            )
        self._classifier = classifier
        self._gradients = EmbeddingGradients(for_gradients(classifier))
        self._ask = ask
        self._mean = lru_cache(maxsize=WORDS)(self._mean_embedding)

    def ranked(self, texts: Sequence[AttackedText], swaps: Sequence[Sequence[Swap]]) -> list[list[Swap]]:
        """The swaps of each text, the largest gain first."""
        fields = [tuple(text._text_input.values()) for text in texts]
        gradients = self._ask(self._gradients, fields)  # (L, H) each
        return [self._sorted(*one) for one in zip(texts, fields, gradients, swaps, strict=True)]

    def _sorted(self, text: AttackedText, fields: Sequence[str], gradient: Tensor, swaps: Sequence[Swap]) -> list[Swap]:
        words = list(read_words(self._classifier, text.words_per_input, fields))
        slopes = {place: gradient[words[place].places] for place in {place for place, _ in swaps}}  # (tokens, H) each
        before = {place: float((self._embeddings(words[place].ids) * slopes[place]).sum()) for place in slopes}
        total = {place: slope.sum(dim=0) for place, slope in slopes.items()}

        def gain(swap: Swap) -> float:
            place, other = swap
            return float(self._mean(other, words[place].leads) @ total[place]) - before[place]

        return sorted(swaps, key=gain, reverse=True)

    def _mean_embedding(self, word: str, leads: bool) -> Tensor:
        """Mean embedding ``(H,)`` of the tokens of a word, at the beginning of a text or behind a space."""
        written = word if leads else f" {word}"
        found = self._embeddings(self._classifier.tokenizer(written, add_special_tokens=False).input_ids)
        return found.mean(dim=0).nan_to_num()  # a word of no tokens leaves nothing

    def _embeddings(self, ids: Sequence[int]) -> Tensor:
        """Embeddings of tokens, ``(tokens, H)``."""
        table = self._classifier.model.get_input_embeddings()
        with torch.no_grad():
            found: Tensor = table(torch.tensor(ids, dtype=torch.long, device=self._classifier.device))
        return found.float().cpu()


def read_words(classifier: Classifier, words: Sequence[Sequence[str]], fields: Sequence[str]) -> Iterator[Word]:
    """Each word of a text as the model reads it.

    Args:
        classifier: the model.
        words: the words of each field, in order.
        fields: the fields.
    """
    encoding = classifier.tokenizer(
        *([field] for field in fields), truncation=True, max_length=classifier.max_length, verbose=False
    )
    (encoded,) = classifier.encode([tuple(fields)])
    ids = encoding["input_ids"][0]
    shift = _left_padding(classifier, encoded, len(ids))
    for number, (field, own) in enumerate(zip(fields, words, strict=True)):
        end = 0
        for word in own:
            start = field.index(word, end)
            end = start + len(word)
            found = {encoding.char_to_token(0, place, number) for place in range(start, end)}
            tokens = sorted(token for token in found if token is not None)
            yield Word([token + shift for token in tokens], [ids[token] for token in tokens], start == 0)


def _left_padding(classifier: Classifier, encoded: Encoded, tokens: int) -> int:
    return encoded.length - tokens if classifier.tokenizer.padding_side == "left" else 0
