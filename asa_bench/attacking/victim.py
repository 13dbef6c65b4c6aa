"""The model as TextAttack sees it, and the goal that an attack on it pursues.

Imports TextAttack: import it only after :func:`asa_bench.assets.textattack_environment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import torch
from textattack import Attack
from textattack.attack_results import AttackResult, FailedAttackResult, MaximizedAttackResult, SuccessfulAttackResult
from textattack.goal_functions import ClassificationGoalFunction, GoalFunction, InputReduction, UntargetedClassification
from textattack.models.wrappers import ModelWrapper
from textattack.shared import AttackedText
from torch import Tensor

from asa_bench.attacking.controls import control_search
from asa_bench.attacking.framing import frame_constraints, within
from asa_bench.attacking.protocols import RECIPE, Frame
from asa_bench.attacking.recipe import Recipe
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import Text, TextClassifier

AT_ONCE = 1_000_000
"""Texts of one call of a goal function: all that it has, since the scheduler makes the batches."""


class Victim(ModelWrapper):  # type: ignore[misc]
    """A classifier behind TextAttack's interface: canonical batches, training length, eval mode asserted per call.

    ``ask`` answers in the classifier's place: the scheduler, which merges the calls of many searches.
    """

    def __init__(self, classifier: TextClassifier, ask: Callable[[Sequence[Text]], Tensor] | None = None) -> None:
        self.classifier = classifier
        self.model = classifier  # TextAttack names its class in a notice
        self._ask = ask or classifier.logits

    def __call__(self, text_input_list: Sequence[str | Sequence[str]], **_: Any) -> Tensor:
        """Logits ``(texts, labels)``; a text is a string, or a tuple of strings for several fields."""
        return self._ask([(text,) if isinstance(text, str) else tuple(text) for text in text_input_list])


class RawGoal(UntargetedClassification):  # type: ignore[misc]
    """TextAttack's goal function, with the softmax always applied.

    Stock takes rows that happen to sum to 1 for probabilities; logits can do so by accident.
    """

    def _process_model_outputs(self, inputs: Any, scores: Tensor) -> Tensor:
        return scores.softmax(dim=1)


class CalibratedGoal(UntargetedClassification):  # type: ignore[misc]
    """Untargeted misclassification, scored by −log p(true label) at a fitted temperature.

    An over-confident model rounds its probabilities to 0 and 1 and starves the search (Raina et al. 2024,
    arXiv 2402.17509); log-probabilities at the temperature that minimises validation loss do not saturate.
    """

    def __init__(self, victim: Victim, temperature: float, **options: Any) -> None:
        super().__init__(victim, **options)
        self._temperature = temperature

    def _process_model_outputs(self, inputs: Any, scores: Tensor) -> Tensor:
        logarithms: Tensor = (scores.double() / self._temperature).log_softmax(dim=1)
        return logarithms

    def _get_score(self, model_output: Tensor, _: Any) -> float:
        return -float(model_output[self.ground_truth_output])


class Reduction(InputReduction):  # type: ignore[misc]
    """Input reduction on probabilities at a temperature (1: the model's own): its score is no use with logarithms."""

    def __init__(self, victim: Victim, temperature: float, **options: Any) -> None:
        super().__init__(victim, maximizable=True, **options)
        self._temperature = temperature

    def _process_model_outputs(self, inputs: Any, scores: Tensor) -> Tensor:
        return (scores.double() / self._temperature).softmax(dim=1)


class CountingAttack(Attack):  # type: ignore[misc]
    """TextAttack's attack, which also counts the candidate texts that its constraints let through.

    An attack without candidates (missing data, constraints that refuse everything) looks like a robust model.
    """

    candidates = 0
    frame = Frame(name=RECIPE)
    query_budget: int | None = None
    """What bounds the frame's rule per word."""

    def attack(self, example: AttackedText, ground_truth_output: int) -> AttackResult:
        """Attack one example, whose length may decide its budget."""
        if self.frame.queries_per_word:
            rule = self.frame.queries_per_word * max(example.num_words, 1)
            self.goal_function.query_budget = min(rule, self.query_budget or rule)
        return super().attack(example, ground_truth_output)

    def _get_transformations_uncached(self, *arguments: Any, **options: Any) -> Any:
        found = super()._get_transformations_uncached(*arguments, **options)
        return within(found, self.frame.candidates_per_word) if self.frame.candidates_per_word else found

    def filter_transformations(self, *arguments: Any, **options: Any) -> Any:
        """Candidates that the constraints let through, as TextAttack finds them."""
        found = super().filter_transformations(*arguments, **options)
        self.candidates += len(found)
        return found

    def _attack(self, initial_result: Any) -> AttackResult:
        """A maximised goal has succeeded when it changed the text at all."""
        result = super()._attack(initial_result)
        if not isinstance(result, MaximizedAttackResult):
            return result
        before, after = result.original_result, result.perturbed_result
        unchanged = before.attacked_text.text == after.attacked_text.text
        return (FailedAttackResult if unchanged else SuccessfulAttackResult)(before, after)


def build_attack(
    recipe: Recipe,
    victim: Victim,
    query_budget: int | None,
    temperature: float | None,
    frame: Frame = CountingAttack.frame,
    search: str = "recipe",
) -> CountingAttack:
    """TextAttack's recipe on ``victim`` with our goal function; its search and constraints are unmodified.

    Args:
        recipe: what to build.
        victim: the model.
        query_budget: most queries per example; None where only the frame's rule per word holds.
        temperature: the fitted one, or None for TextAttack's raw probabilities.
        frame: what a protocol demands besides.
        search: *random* for a random search in the place of the recipe's.

    Raises:
        InputError: when the recipe is none for a text classifier.
    """
    stock = recipe.made(victim)
    budget = float("inf") if query_budget is None else query_budget
    options: Mapping[str, Any] = {"query_budget": budget, "model_batch_size": AT_ONCE}
    goal = _goal(stock.goal_function, victim, temperature, options)
    guide = control_search(stock.search_method) if search == "random" else stock.search_method
    if hasattr(guide, "unk_token"):
        guide.unk_token = victim.classifier.unknown_token  # TextAttack has a literal [UNK]
    constraints = [*stock.constraints, *stock.pre_transformation_constraints, *frame_constraints(frame)]
    attack = CountingAttack(goal, constraints, stock.transformation, guide)
    attack.frame, attack.query_budget = frame, query_budget
    return attack


def _goal(
    stock: GoalFunction, victim: Victim, temperature: float | None, options: Mapping[str, Any]
) -> ClassificationGoalFunction:
    """Our goal function in the place of the recipe's."""
    if isinstance(stock, InputReduction):
        return Reduction(victim, temperature or 1.0, **options)
    if not isinstance(stock, UntargetedClassification):
        raise InputError(f"goal function '{type(stock).__name__}': expected UntargetedClassification or InputReduction")
    return RawGoal(victim, **options) if temperature is None else CalibratedGoal(victim, temperature, **options)


def another(attack: CountingAttack) -> CountingAttack:
    """The same attack for another example, with a goal, caches and counters of its own; the heavy parts are shared."""
    goal, search = copy(attack.goal_function), copy(attack.search_method)
    constraints = [*attack.constraints, *attack.pre_transformation_constraints]
    fresh = type(attack)(goal, constraints, attack.transformation, search)
    fresh.frame, fresh.query_budget = attack.frame, attack.query_budget
    return fresh


def predicted_label(output: Any) -> int:
    """The label with the highest score."""
    return int(torch.as_tensor(output).argmax())
