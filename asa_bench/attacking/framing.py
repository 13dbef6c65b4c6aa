"""A protocol's demands as TextAttack's constraints. Imports TextAttack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textattack.constraints import Constraint, PreTransformationConstraint
from textattack.constraints.overlap import MaxWordsPerturbed
from textattack.constraints.pre_transformation import StopwordModification
from textattack.shared import AttackedText
from torch import Tensor

from asa_bench.attacking.embedded_parts import MiniLM
from asa_bench.attacking.protocols import Frame
from asa_bench.attacking.scheduler import Ask


def frame_constraints(frame: Frame, ask: Ask) -> Iterator[Constraint | PreTransformationConstraint]:
    """The constraints that ``frame`` adds to a recipe's; their models are asked through ``ask``."""
    if frame.spare_stop_words:
        yield StopwordModification()
    if frame.max_words_changed is not None:
        yield MaxWordsPerturbed(max_percent=frame.max_words_changed)
    if frame.similarity is not None:
        yield JudgedSimilarity(frame.similarity, frame.similarity_window, ask)


class JudgedSimilarity(MiniLM):
    """Angular similarity to the original's sentence vector, on every text however short.

    Measured on a window of words round the change; where a transformation does not say what it changed, on the text.
    """

    def __init__(self, floor: float, window: int, ask: Ask) -> None:
        super().__init__(ask, threshold=floor, metric="angular", compare_against_original=True, window_size=window)
        self._window = window

    def _score_list(self, starting_text: AttackedText, transformed_texts: Sequence[AttackedText]) -> Tensor:
        pairs = [self._pair(starting_text, text) for text in transformed_texts]
        vectors = self.encode([text for pair in pairs for text in pair])
        scores: Tensor = self.sim_metric(vectors[0::2], vectors[1::2])
        return scores

    def _check_constraint(self, transformed_text: AttackedText, reference_text: AttackedText) -> bool:
        return bool(self._score_list(reference_text, [transformed_text])[0] >= self.threshold)

    def _pair(self, original: AttackedText, changed: AttackedText) -> tuple[str, str]:
        places = changed.attack_attrs.get("newly_modified_indices")
        if not places:
            return original.text, changed.text
        place = min(places)
        return _window(original, _before(changed, place), self._window), _window(changed, place, self._window)


def _before(changed: AttackedText, place: int) -> int:
    """Where the word at a place of a changed text stands, or would stand, in the original."""
    now = changed.attack_attrs["original_index_map"]  # the place of each of the original's words; -1 for those gone
    return int(abs(now - place).argmin()) if len(now) else place


def _window(text: AttackedText, place: int, size: int) -> str:
    return str(text.text_window_around_index(min(place, text.num_words - 1), size))


def within(texts: Sequence[AttackedText], per_word: int) -> list[AttackedText]:
    """The first ``per_word`` of the texts for each word that they change."""
    seen: dict[Any, int] = {}
    kept = []
    for text in texts:
        word = tuple(sorted(text.attack_attrs.get("newly_modified_indices", ())))
        seen[word] = seen.get(word, 0) + 1
        if seen[word] <= per_word:
            kept.append(text)
    return kept
