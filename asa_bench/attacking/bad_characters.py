"""Bad Characters (Boucher et al. 2021, arXiv 2106.09898), untargeted: text that looks the same to a reader.

TextAttack's transformations and its differential evolution, with another goal: its recipe is targeted, and attacks
texts that the model gets wrong already. Imports TextAttack.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np
from scipy.optimize import differential_evolution
from textattack import Attack
from textattack.attack_recipes import AttackRecipe
from textattack.goal_function_results import GoalFunctionResultStatus
from textattack.goal_functions import UntargetedClassification
from textattack.search_methods import DifferentialEvolution
from textattack.shared import AttackedText
from textattack.transformations import (
    WordSwapDeletions,
    WordSwapHomoglyphSwap,
    WordSwapInvisibleCharacters,
    WordSwapReorderings,
)
from textattack.transformations.word_swaps.word_swap_differential_evolution import WordSwapDifferentialEvolution

from asa_bench.assets import asset_path

TABLE = "confusables"
"""The asset with Unicode's look-alikes."""

SCRIPTS = ("GREEK", "CYRILLIC")
"""Scripts whose letters common fonts draw as Latin ones."""

AHEAD = 16
"""Texts of a generation that are computed at once; those behind the first success were computed in vain."""

Mode = Literal["invisible", "deletions", "reorderings", "homoglyphs"]


class BadCharacters(AttackRecipe):  # type: ignore[misc]
    """Untargeted, in one of four modes."""

    @staticmethod
    def build(model_wrapper: Any, mode: Mode, perturbs: int = 5, popsize: int = 32, maxiter: int = 10) -> Attack:
        """The attack.

        Args:
            model_wrapper: the victim.
            mode: which characters.
            perturbs: how many perturbations a text gets; the paper tries 1 to 5.
            popsize: differential evolution's population, per dimension of the search.
            maxiter: generations.
        """
        transformation = {
            "invisible": WordSwapInvisibleCharacters,
            "deletions": WordSwapDeletions,
            "reorderings": WordSwapReorderings,
            "homoglyphs": Homoglyphs,
        }[mode]()
        search = BudgetedEvolution(popsize=popsize, maxiter=maxiter, max_perturbs=perturbs)
        return Attack(UntargetedClassification(model_wrapper), [], transformation, search)


class BudgetedEvolution(DifferentialEvolution):  # type: ignore[misc]
    """TextAttack's search, which ends at its first success and with its budget, a generation at a time.

    Stock goes on after a success, and runs into an ``IndexError`` when the budget is spent. It also makes one text of a
    pair; here a pair stays one. And it takes over each better vector at once, so that it can ask about one text only
    at a time; here a generation is replaced as a whole (scipy's *deferred* updating).
    """

    get_goal_results: Any
    apply_perturbation: Any
    constrained = False
    """Whether constraints may refuse texts, which are then never asked about."""

    def foresee(self, texts: Sequence[AttackedText]) -> None:
        """Told of texts that will probably be asked about, one after the other; whoever can computes them at once."""

    def perform_search(self, initial_result: Any) -> Any:
        """The first success, else the best text within the budget."""
        original, best = initial_result.attacked_text, initial_result
        bounds, precomputed = self.get_bounds_and_precomputed(original, self.max_perturbs)

        def energy(text: AttackedText) -> float:
            nonlocal best
            if not self.filter_transformations([text], original, original):
                return float("inf")
            results, over = self.get_goal_results([text])
            best = max([best, *results], key=lambda result: (_succeeded(result), result.score))
            if over or not results or _succeeded(best):
                raise _Finished
            return -float(results[0].score)

        def perturbed(vector: Any) -> AttackedText:
            text: AttackedText = self.apply_perturbation(original, vector, precomputed)
            return text

        def energies(_: Any, vectors: Iterable[Any]) -> Iterator[float]:
            texts = list(map(perturbed, vectors))
            for start in range(0, len(texts), AHEAD):
                chunk = texts[start : start + AHEAD]
                if not self.constrained:
                    self.foresee(chunk)
                yield from map(energy, chunk)

        options = {"maxiter": self.maxiter, "popsize": self.popsize, "updating": "deferred", "workers": energies}
        try:
            with np.errstate(invalid="ignore"):  # scipy subtracts infinities where all are refused
                differential_evolution(lambda vector: energy(perturbed(vector)), bounds, **options)
        except _Finished:
            pass
        except RuntimeError as error:  # scipy hides what went wrong in ``energies`` behind a message of its own
            raise error.__cause__ or error from None
        return best

    def check_transformation_compatibility(self, transformation: Any) -> bool:
        """Takes the transformation's ways to perturb a text."""
        fits: bool = super().check_transformation_compatibility(transformation)
        if fits:
            self.apply_perturbation = _marked(self.apply_perturbation, transformation)
        return fits


class _Finished(Exception):  # noqa: N818 - it is no error
    """Ends the evolution from inside its objective."""


def _succeeded(result: Any) -> bool:
    return bool(result.goal_status == GoalFunctionResultStatus.SUCCEEDED)


def _marked(perturb: Callable[..., AttackedText], transformation: Any) -> Callable[..., AttackedText]:
    """``perturb`` whose texts have the original's fields and, as constraints want it, say where they come from."""

    def apply(text: AttackedText, vector: Any, precomputed: Any) -> AttackedText:
        if np.isnan(vector).any():
            return text  # scipy's last step, where constraints refused everything
        perturbed = with_fields(text, perturb(text, vector, precomputed))
        perturbed.attack_attrs["last_transformation"] = transformation
        return perturbed

    return apply


def with_fields(original: AttackedText, perturbed: AttackedText) -> AttackedText:
    """The one string of ``perturbed`` in the fields of ``original``: no perturbation adds or takes a line break."""
    names, lines = original.column_labels, perturbed.text.split("\n")
    if len(names) == 1:
        return AttackedText(OrderedDict([(names[0], perturbed.text)]))
    fields: OrderedDict[str, str] = OrderedDict()
    for name, field in zip(names, original.tokenizer_input, strict=True):
        count = field.count("\n") + 1
        fields[name], lines = "\n".join(lines[:count]), lines[count:]
    return AttackedText(fields)


class Homoglyphs(WordSwapHomoglyphSwap):  # type: ignore[misc]
    """TextAttack's swap, with look-alikes from Unicode's table of confusables: its wheel lacks the file it reads."""

    def __init__(self) -> None:
        WordSwapDifferentialEvolution.__init__(self)
        self.random_one = False
        self.homos_intentional = look_alikes()

    def apply_perturbation(self, current_text: AttackedText, vector: Any, precomputed: Any) -> AttackedText:
        """The perturbed text; the text itself where no character has a look-alike."""
        if not precomputed[0]:
            return current_text
        return super().apply_perturbation(current_text, vector, precomputed)

    def _get_replacement_words(self, word: str) -> list[str]:
        return [
            word[:i] + other + word[i + 1 :]
            for i, letter in enumerate(word)
            for other in self.homos_intentional.get(letter, ())
        ]


@cache
def look_alikes() -> dict[str, list[str]]:
    """Greek and Cyrillic letters by the ASCII letter of the same case that they look like."""
    table: dict[str, list[str]] = {}
    for other, letter in _confusables():
        if letter.isascii() and letter.isalpha() and _same_kind(letter, other):
            table.setdefault(letter, []).append(other)
    return table


def _confusables() -> Iterator[tuple[str, str]]:
    """Pairs of single characters: one, and what it can be taken for."""
    lines = (asset_path(TABLE) / "confusables.txt").read_text(encoding="utf-8-sig").splitlines()
    for line in lines:
        source, *rest = (part.strip() for part in line.partition("#")[0].split(";"))
        if rest and " " not in source and " " not in rest[0]:
            yield chr(int(source, 16)), chr(int(rest[0], 16))


def _same_kind(letter: str, other: str) -> bool:
    """Whether ``other`` is a letter of the same case and of a look-alike script that no normalisation folds away."""
    return (
        unicodedata.category(letter) == unicodedata.category(other)
        and unicodedata.name(other, "").split(" ")[0] in SCRIPTS
        and unicodedata.normalize("NFKC", other) == other
    )
