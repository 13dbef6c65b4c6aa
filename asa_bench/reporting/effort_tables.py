"""Table of robust accuracy where the attack may spend less."""

from __future__ import annotations

from functools import partial

import pandas as pd

from asa_bench.reporting.by_attack import by_attack
from asa_bench.reporting.formats import percent
from asa_bench.reporting.tables import Cell, Column, Table, plain
from asa_bench.reporting.view import NOTHING, View
from asa_bench.stats.effort import area, ran_out, robust_within, shared, without_limit

LIMITS = (
    ("25 queries", "queries", 25.0),
    ("50 queries", "queries", 50.0),
    ("100 queries", "queries", 100.0),
    ("1 word", "words", 1.0),
    ("2 words", "words", 2.0),
    ("4 words", "words", 4.0),
    ("Similarity 0.9", "similarity", 0.9),
    ("Similarity 0.8", "similarity", 0.8),
)
"""Heading, measure and limit of each column."""


def limits(view: View) -> Table | None:
    """Robust accuracy by text attack and defence, if the attack had to keep to less; None without attacked examples."""
    return by_attack(
        view,
        "limits",
        "Robust accuracy within limits",
        "Robust accuracy if only adversarial texts within a limit counted: found with so many queries at most, with "
        "so many words changed at most, with so much similarity (cosine of sentence embeddings) at least. The attacks "
        "did not look for the smallest change: more examples may be breakable by as few words or as similar texts. "
        "Mean over budgets: averaged over all budgets from none to the attack's own (the area under the curve). "
        "Examples and seeds are those of the comparison; the bounds of the 95 % intervals are in the CSV file.",
        [*(Column(f"{title}, %", interval=True) for title, _, _ in LIMITS), Column("Mean over budgets, %")],
        partial(_limit_cells, view),
    )


SHARES = (("A quarter", 4), ("Half", 2), ("All", 1))
"""Parts of the query budget: their name and the divisor."""


def budgets(view: View) -> Table | None:
    """Robust accuracy with a limited and with an unlimited number of queries; None without a budget."""
    return by_attack(
        view,
        "budgets",
        "Limited and unlimited budgets",
        "Robust accuracy with a part of the attack's query budget, and without limit. An example that still stands "
        "when its search ended by itself stands whatever the budget; one whose search ran into the budget (counts: "
        "over all seeds) may fall to more queries. So without limit it is at least the share of the former, and at "
        "most what it is with the whole budget.",
        [
            *(Column(f"{title} of the budget, %", interval=True) for title, _ in SHARES),
            Column("Ran into it"),
            Column("Without limit, at least, %"),
            Column("Without limit, at most, %"),
        ],
        partial(_budget_cells, view),
    )


def _budget_cells(view: View, attack: str, defence: str) -> list[Cell]:
    rows, budget = view.attacked(attack, defence), view.budget(attack)
    if rows.empty or budget is None:
        return []
    parts = [robust_within(rows, "queries", budget // divisor) for _, divisor in SHARES]
    bounds = without_limit(rows, budget)
    return [
        *(Cell(value, percent(value), "", low, high) for value, low, high, _ in parts),
        plain(int(ran_out(rows, budget).sum()), 0),
        *(Cell(bound.value, percent(bound.value)) for bound in bounds),
    ]


def common(view: View) -> Table | None:
    """The attacks on the same examples for every defence; None where there are none, or one defence alone."""
    if len(view.defences) < 2:
        return None
    return by_attack(
        view,
        "common-examples",
        "On the same examples",
        "Success rate: over the examples that every defence had right before the attack. Medians: over those that the "
        "attack then turned wrong for every defence. Both of the same seed, pooled over seeds; the same examples for "
        "all, where the rates and means of the table of attacks are over each defence's own.",
        [
            Column("Success rate, %"),
            Column("All lost"),
            Column("Queries, median"),
            Column("Words changed, median"),
            Column("Similarity, median"),
        ],
        partial(_common_cells, view),
    )


def _common_cells(view: View, attack: str, defence: str) -> list[Cell]:
    rows = view.examples[view.examples["attack"] == attack]
    attacked, lost = shared(rows, ("succeeded", "failed")), shared(rows, ("succeeded",))
    own, changed = attacked[attacked["defence"] == defence], lost[lost["defence"] == defence]
    if own.empty:
        return []
    rate = float((own["outcome"] == "succeeded").mean())
    medians = [_median(changed[name]) for name in ("queries", "words_changed", "similarity")]
    return [
        Cell(rate, percent(rate), f"n = {len(own):,}"),
        plain(len(changed), 0),
        *(plain(value, digits) for value, digits in zip(medians, (1, 1, 2), strict=True)),
    ]


def _median(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.median()) if len(known) else None


def _limit_cells(view: View, attack: str, defence: str) -> list[Cell]:
    rows = view.attacked(attack, defence)
    if rows.empty:
        return []
    cells = []
    for _, measure, limit in LIMITS:
        beyond = measure == "queries" and limit > (view.budget(attack) or limit)
        value, low, high, _ = NOTHING if beyond else robust_within(rows, measure, limit)
        cells.append(Cell(value, percent(value), "", low, high))
    budget = view.budget(attack)
    mean = area(rows, budget).value if budget else None
    return [*cells, Cell(mean, percent(mean))]
