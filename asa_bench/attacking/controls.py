"""Random search in the place of a recipe's search: the same transformation, constraints, goal and budget.

A control. Where it does as well as the guided search, the search was blind (masked scores) or the transformation alone
does the harm. Imports TextAttack.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from textattack.goal_function_results import GoalFunctionResultStatus
from textattack.search_methods import DifferentialEvolution, SearchMethod
from textattack.shared import AttackedText

from asa_bench.attacking.bad_characters import BudgetedEvolution

DRAWS = 16
"""Random perturbations that are asked at once."""

FIRST = 4
"""Candidates that are put before the constraints at first: one at a time would leave the encoder's batches empty."""


def control_search(guided: SearchMethod) -> SearchMethod:
    """The random search that stands in for ``guided``."""
    if isinstance(guided, DifferentialEvolution):
        return RandomPerturbations(max_perturbs=guided.max_perturbs)
    return RandomPaths()


class _RandomSearch(SearchMethod):  # type: ignore[misc]
    """Draws texts and asks about them, until one succeeds or the budget is spent; what it learns guides nothing."""

    def perform_search(self, initial_result: Any) -> Any:
        """The first success, else the best text that was drawn."""
        best, over = initial_result, False
        while not over and (texts := self._draw(initial_result.attacked_text)):
            results, over = self.get_goal_results(texts)
            for result in results:
                if result.goal_status == GoalFunctionResultStatus.SUCCEEDED:
                    return result
                best = max(best, result, key=lambda one: one.score)
        return best

    def _draw(self, text: AttackedText) -> list[AttackedText]:
        """Texts to ask about; none when there are no candidates."""
        raise NotImplementedError

    @property
    def is_black_box(self) -> bool:
        """It looks at nothing but the outcome."""
        return True


class RandomPaths(_RandomSearch):
    """Changes words in random order, each to a random candidate, and asks about every step of the way at once.

    Candidates are put before the constraints in random order, a few, then ever more, until one passes: it is drawn as
    evenly from those that would pass as if all had been looked at.
    """

    def perform_search(self, initial_result: Any) -> Any:
        """The first success, else the best text that was drawn."""
        text = initial_result.attacked_text
        _, words = self.get_indices_to_order(text)
        self._words = [word for word in words if self._step(text, text, word)]
        return super().perform_search(initial_result)

    def _draw(self, text: AttackedText) -> list[AttackedText]:
        words = random.sample(self._words, len(self._words))
        path: list[AttackedText] = []
        for word in words:
            step = self._step(path[-1] if path else text, text, word)
            if step is None:
                break  # the constraints allow no further word
            path.append(step)
        return path

    def propose(self, current: AttackedText, original: AttackedText, word: int) -> list[AttackedText]:
        """Candidates with another word at a place, before any constraint; the attack puts its own in this place."""
        raise NotImplementedError

    def _step(self, current: AttackedText, original: AttackedText, word: int) -> AttackedText | None:
        candidates = self.propose(current, original, word)
        random.shuffle(candidates)
        looked_at = 0
        while looked_at < len(candidates):
            block = candidates[looked_at : 2 * looked_at + FIRST]
            if passed := self.filter_transformations(block, current, original):
                return min(passed, key=block.index)
            looked_at += len(block)
        return None


class RandomPerturbations(_RandomSearch, BudgetedEvolution):
    """Random vectors for transformations that perturb a text by a vector."""

    def _draw(self, text: AttackedText) -> list[AttackedText]:
        bounds, precomputed = self.get_bounds_and_precomputed(text, self.max_perturbs)
        low, high = np.array(bounds, dtype=float).T
        texts = [self.apply_perturbation(text, np.random.uniform(low, high), precomputed) for _ in range(DRAWS)]
        allowed: list[AttackedText] = self.filter_transformations(texts, text, text)
        return allowed
