"""Signs that a number under attack may flatter a model, each with the measure that says so.

Carlini et al. 2019 (arXiv 1902.06705) and Croce & Hein 2020 (arXiv 2003.01690) look for the same in images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Literal, NamedTuple

import pandas as pd

from asa_bench.stats.effort import first_success, ran_out
from asa_bench.stats.paired import ALPHA, paired
from asa_bench.stats.selftest import FEWEST

SURE = 0.9999
"""Confidence, at temperature 1, from which on an answer counts as saturated."""

MOST = {
    "unlike_answers": 0.0,
    "zero_gradient": 0.05,
    "saturated_share": 0.5,
    "truncated_share": 0.05,
    "ece_calibrated": 0.1,
    "gap": 0.1,
}
"""The most of each measure that is no sign; *gap* is how far training accuracy lies above validation accuracy."""

Why = Literal[
    "unlike_answers",
    "zero_gradient",
    "saturated_share",
    "truncated_share",
    "ece_calibrated",
    "gap",
    "stalled",
    "outdone",
    "learnt",
    "tuned",
]


class Flag(NamedTuple):
    """A sign, and the measure behind it."""

    why: Why
    value: float
    n: int
    """Examples behind the measure."""


class Known(NamedTuple):
    """An attack that a defence was trained on (*learnt*) or its settings were chosen by (*tuned*)."""

    why: Literal["learnt", "tuned"]
    recipe: str
    n: int
    """Most examples that it attacked then."""


def model_flags(measures: Mapping[str, tuple[float | None, int]]) -> Iterator[Flag]:
    """The signs that a model's own measures give.

    Args:
        measures: value and number of examples of each that is known: the keys of ``MOST`` but for *gap*, and
            *training_accuracy* and *validation_accuracy*.
    """
    known = {name: (value, n) for name, (value, n) in measures.items() if value is not None}
    if "training_accuracy" in known and "validation_accuracy" in known:
        (seen, n), (unseen, others) = known["training_accuracy"], known["validation_accuracy"]
        known["gap"] = (seen - unseen, min(n, others))
    for name, most in MOST.items():
        if name in known and known[name][0] > most + 1e-12:
            yield Flag(name, *known[name])  # type: ignore[arg-type]


def stalled(rows: pd.DataFrame, budget: int) -> Flag | None:
    """The sign that more queries bring an attack no further: nothing fell in the second half of its budget.

    None where something did, and where fewer than ``FEWEST`` examples used up the budget or fell in its first half.

    Args:
        rows: one attack's examples on one defence (schema ``EXAMPLES``).
        budget: its queries per example.
    """
    fell = rows[rows["outcome"] == "succeeded"]
    queries = first_success(fell)
    late = int((queries > budget / 2).sum())
    went_on = int(ran_out(rows, budget).sum())
    if late or went_on < FEWEST or len(fell) < FEWEST:
        return None
    return Flag("stalled", 0.0, went_on)


def outdone(sighted: pd.DataFrame, blinder: pd.DataFrame) -> Flag | None:
    """The sign that an attack that sees more of a model does less: its gradients mislead, or are masked.

    Significantly fewer successes (exact McNemar, seeds pooled) than an attack of the same candidates and constraints
    has on the same examples; the value is by how much, as a fraction.

    Args:
        sighted: rows of the attack that sees more, on one defence (schema ``EXAMPLES``).
        blinder: rows of the other there.
    """
    sides = [rows.set_index(["seed", "example_id"])["outcome"] == "failed" for rows in (sighted, blinder)]
    pair = paired(*sides)
    if pair is None or pair.p_value is None or pair.difference >= 0 or pair.p_value >= ALPHA:
        return None
    return Flag("outdone", -pair.difference, pair.n)


def met_before(recipe: str, known: Iterable[Known]) -> Iterator[Flag]:
    """The signs that a defence met an attack before the comparison.

    Args:
        recipe: the attack's recipe.
        known: what the defence was trained or tuned on.
    """
    for attack in known:
        if _stem(attack.recipe) == _stem(recipe):
            yield Flag(attack.why, 1.0, attack.n)


def _stem(recipe: str) -> str:
    """A recipe's name, of a file without its folder: a copy of a recipe is the same attack."""
    return PurePath(recipe).name.removesuffix(".toml")
