"""The model as TextAttack sees it, and the goal that an attack on it pursues.

Imports TextAttack: import it only after :func:`asa_bench.assets.textattack_environment`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from typing import Any, NamedTuple

import torch
from textattack import Attack
from textattack.attack_results import AttackResult
from textattack.constraints.grammaticality import PartOfSpeech
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder
from textattack.goal_function_results import GoalFunctionResultStatus
from textattack.goal_functions import ClassificationGoalFunction, GoalFunction, InputReduction, UntargetedClassification
from textattack.models.wrappers import ModelWrapper
from textattack.shared import AttackedText
from torch import Tensor

from asa_bench.attacking.aware import AwareGoal
from asa_bench.attacking.controls import control_search
from asa_bench.attacking.framing import frame_constraints, within
from asa_bench.attacking.job import Guide
from asa_bench.attacking.language_models import merge_language_models
from asa_bench.attacking.protocols import RECIPE, Frame
from asa_bench.attacking.recipe import Recipe
from asa_bench.attacking.scheduler import Ask
from asa_bench.core.errors import InputError
from asa_bench.models.batching import answers
from asa_bench.models.classifier import TextClassifier

AT_ONCE = 1_000_000
"""Texts of one call of a goal function: all that it has, since the scheduler makes the batches."""


class Victim(ModelWrapper):  # type: ignore[misc]
    """A classifier behind TextAttack's interface: canonical batches, training length, eval mode asserted per call.

    Its calls go through ``ask``, as those of every other model of the attack do: a scheduler merges them.
    """

    def __init__(self, classifier: TextClassifier, ask: Ask = answers) -> None:
        self.classifier = classifier
        self.model = classifier  # TextAttack names its class in a notice
        self.ask = ask

    def __call__(self, text_input_list: Sequence[str | Sequence[str]], **_: Any) -> Tensor:
        """Logits ``(texts, labels)``; a text is a string, or a tuple of strings for several fields."""
        texts = [(text,) if isinstance(text, str) else tuple(text) for text in text_input_list]
        return torch.stack([*self.ask(self.classifier, texts)]) if texts else self.classifier.logits([])


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


class Step(NamedTuple):
    """A text that was better than those before it; the first is the original."""

    query: int
    """The query that asked about it; the original text is query 1."""
    score: float
    """Of the goal function: higher is nearer to the goal."""
    words_changed: int
    succeeded: bool


class TracedAttack(Attack):  # type: ignore[misc]
    """TextAttack's attack, which also counts the candidate texts that its constraints let through and traces the best.

    An attack without candidates (missing data, constraints that refuse everything) looks like a robust model. What a
    search asks about only to rank words is not in the trace: it does not act on what it learns there.
    """

    candidates = 0
    trace: Sequence[Step] = ()
    """The best text after each query, where it changed: the original, then candidates."""
    moved: bool | None = None
    """Whether a candidate, ranking or not, had another score than the original; None where none was asked about."""
    frame = Frame(name=RECIPE)
    query_budget: int | None = None
    """What bounds the frame's rule per word."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.search_method.get_goal_results = self._asked
        self._ranking = False
        if hasattr(self.search_method, "_get_index_order"):
            self.search_method._get_index_order = self._rank
        if hasattr(self.search_method, "foresee"):
            self.search_method.foresee = self._foresee
            self.search_method.constrained = bool(self.constraints)
        if hasattr(self.search_method, "propose"):
            self.search_method.propose = self._propose

    def attack(self, example: AttackedText, ground_truth_output: int) -> AttackResult:
        """Attack one example, whose length may decide its budget."""
        self._original, self._allowed = example, set[str]()
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
        self._allowed.update(text.text for text in found)
        return found

    def _rank(self, *arguments: Any, **options: Any) -> Any:
        """The order in which a greedy search takes the words, as it finds it."""
        self._ranking = True
        try:
            return type(self.search_method)._get_index_order(self.search_method, *arguments, **options)
        finally:
            self._ranking = False

    def _propose(self, current: AttackedText, original: AttackedText, word: int) -> list[AttackedText]:
        """Candidates for one word, on which no constraint was asked."""
        return list(self._get_transformations_uncached(current, original, indices_to_modify=(word,)))

    def _foresee(self, texts: Sequence[AttackedText]) -> None:
        """Have the model's answers to ``texts`` ready; they count as queries only when they are asked for."""
        with suppress(Exception):  # of a text that may never be asked for; if it is, it is raised then
            self.goal_function._call_model(list(texts))

    def _asked(self, texts: Sequence[AttackedText]) -> tuple[list[Any], bool]:
        """The goal function's answers, each of which may be a step of the trace."""
        before = self.goal_function.num_queries
        results, over = self.goal_function.get_results(texts)
        for query, result in enumerate(results, start=before + 1):
            if result.attacked_text.text in self._allowed:
                self.moved = bool(self.moved) or float(result.score) != self.trace[0].score
                if not self._ranking:
                    self._consider(query, result)
        return results, over

    def _consider(self, query: int, result: Any) -> None:
        if (_succeeded(result), float(result.score)) > (self.trace[-1].succeeded, self.trace[-1].score):
            self.trace = [*self.trace, self._step(query, result)]

    def _step(self, query: int, result: Any) -> Step:
        changed = int(self._original.words_diff_num(result.attacked_text))
        return Step(query, float(result.score), changed, _succeeded(result))

    def _settle(self, chosen: Any) -> None:
        """End the trace with the success that the search chose, from the first one on.

        With a sentence encoder among the constraints a greedy search takes the most similar success of a batch, not the
        one of the highest score.
        """
        first = next((step.query for step in self.trace if step.succeeded), None)
        if first is not None and self._step(self.trace[-1].query, chosen) != self.trace[-1]:
            before = [step for step in self.trace if not step.succeeded]
            self.trace = [*before, self._step(first, chosen)]

    def _attack(self, initial_result: Any) -> AttackResult:
        """The search, from the original on, which is the first step of the trace."""
        self.trace = [Step(self.goal_function.num_queries, float(initial_result.score), 0, succeeded=False)]
        result = super()._attack(initial_result)
        self._settle(result.perturbed_result)
        return result


def build_attack(
    recipe: Recipe,
    victim: Victim,
    query_budget: int | None,
    temperature: float | None,
    frame: Frame = TracedAttack.frame,
    search: str = "recipe",
    aware: Guide | None = None,
) -> TracedAttack:
    """TextAttack's recipe on ``victim`` with our goal function; its search and constraints are unmodified.

    But the constraints that cost a pass of a sentence encoder come last: what passes all is the same in any order.

    Args:
        recipe: what to build.
        victim: the model.
        query_budget: most queries per example; None where only the frame's rule per word holds.
        temperature: the fitted one, or None for TextAttack's raw probabilities.
        frame: what a protocol demands besides.
        search: *random* for a random search in the place of the recipe's.
        aware: for a victim with an :class:`~asa_bench.attacking.aware.AwareClassifier`, what guides the search.

    Raises:
        InputError: when the recipe is none for a text classifier.
    """
    stock = recipe.made(victim)
    budget = float("inf") if query_budget is None else query_budget
    options: Mapping[str, Any] = {"query_budget": budget, "model_batch_size": AT_ONCE}
    goal = _goal(stock.goal_function, victim, temperature, options, aware)
    guide, transformation = stock.search_method, stock.transformation
    if search == "random":
        guide = control_search(guide)
    if hasattr(guide, "unk_token"):
        guide.unk_token = victim.classifier.unknown_token  # TextAttack has a literal [UNK]
    if hasattr(guide, "per_word"):
        guide.per_word = frame.candidates_per_word
    constraints = [*stock.constraints, *stock.pre_transformation_constraints, *frame_constraints(frame, victim.ask)]
    merge_language_models(transformation, victim.ask)
    constraints.sort(key=_cost)
    attack = TracedAttack(goal, constraints, transformation, guide)
    attack.frame, attack.query_budget = frame, query_budget
    return attack


def _cost(constraint: Any) -> int:
    """What asks a model comes after what does not, so that it is asked about fewer texts; encoders come last."""
    return 2 if isinstance(constraint, SentenceEncoder) else int(isinstance(constraint, PartOfSpeech))


def _goal(
    stock: GoalFunction,
    victim: Victim,
    temperature: float | None,
    options: Mapping[str, Any],
    aware: Guide | None,
) -> ClassificationGoalFunction:
    """Our goal function in the place of the recipe's."""
    if isinstance(stock, InputReduction):
        return Reduction(victim, temperature or 1.0, **options)
    if not isinstance(stock, UntargetedClassification):
        raise InputError(f"goal function '{type(stock).__name__}': expected UntargetedClassification or InputReduction")
    if aware is not None:
        return AwareGoal(victim, temperature or 1.0, aware, **options)
    return RawGoal(victim, **options) if temperature is None else CalibratedGoal(victim, temperature, **options)


def another(attack: TracedAttack) -> TracedAttack:
    """The same attack for another example, with a goal, caches and counters of its own; the heavy parts are shared."""
    goal, search = copy(attack.goal_function), copy(attack.search_method)
    constraints = [*attack.constraints, *attack.pre_transformation_constraints]
    fresh = type(attack)(goal, constraints, attack.transformation, search)
    fresh.frame, fresh.query_budget = attack.frame, attack.query_budget
    return fresh


def _succeeded(result: Any) -> bool:
    return bool(result.goal_status == GoalFunctionResultStatus.SUCCEEDED)
