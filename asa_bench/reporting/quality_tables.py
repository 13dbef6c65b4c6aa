"""Table of what the attacks did to the texts."""

from __future__ import annotations

from functools import partial

import pandas as pd

from asa_bench.reporting.accuracy_tables import ROBUST, own_constraint
from asa_bench.reporting.by_attack import by_attack
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain
from asa_bench.reporting.view import View
from asa_bench.stats.quality import SIMILAR, strict_robust_accuracy

MEASURES = (("chrf", 2), ("antonyms", 2), ("unknown_words", 1))
"""Measures whose mean is shown, with their digits."""


def quality(view: View) -> Table | None:
    """Quality of the adversarial texts by attack and defence; None where it was not measured."""
    return by_attack(
        view,
        "quality",
        "Quality of the adversarial texts",
        "Means over the successes. chrF: likeness of the letters, 1 = the same text (Popović 2015). Antonyms: words "
        "that became their opposite by WordNet, per text. Negation changed: texts with more or fewer negating words "
        "than the original. Unknown words: new words that WordNet does not know, per text – misspellings, mostly. No "
        "attack has these for a constraint. Robust, strict: counting only successes without an antonym, with the "
        f"negations unchanged and a similarity of {SIMILAR:.2f} or more. What holds against attacks that keep to "
        "such texts lies between the two: they might have found others. Measured by rules: no person has read the "
        "texts for it."
        f"{own_constraint(view, view.text_attacks)}",
        [
            Column("Texts"),
            Column("chrF"),
            Column("Similarity"),
            Column("Antonyms"),
            Column("Negation changed, %"),
            Column("Unknown words"),
            Column("Robust, %", interval=True),
            Column("Robust, strict, %", interval=True),
        ],
        partial(_cells, view),
    )


def _cells(view: View, attack: str, defence: str) -> list[Cell]:
    own = view.probes[(view.probes["attack"] == attack) & (view.probes["defence"] == defence)]
    values = {
        name: own.loc[own["probe"] == name, "value"] for name in ("chrf", "antonyms", "negations", "unknown_words")
    }
    texts = len(values["chrf"])
    rows = view.attacked(attack, defence)
    if not texts or rows.empty:
        return []
    likeness, opposites, new = (plain(float(values[name].mean()), digits) for name, digits in MEASURES)
    return [
        plain(texts, 0),
        likeness,
        plain(_mean(rows["similarity"]), 2),
        opposites,
        plain(100 * float(values["negations"].mean()), 1),
        new,
        percentage(view.estimate(defence, ROBUST, attack)),
        percentage(strict_robust_accuracy(rows, own)),
    ]


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None
