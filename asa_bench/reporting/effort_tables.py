"""Table of robust accuracy where the attack may spend less."""

from __future__ import annotations

from asa_bench.reporting.formats import percent
from asa_bench.reporting.tables import Cell, Column, Table, words
from asa_bench.reporting.view import NOTHING, View
from asa_bench.stats.effort import robust_within

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
    rows = [_row(view, attack, defence) for attack in view.text_attacks for defence in view.defences]
    if not any(rows):
        return None
    return Table(
        "limits",
        "Robust accuracy within limits",
        "Robust accuracy if only adversarial texts within a limit counted: found with so many queries at most, with "
        "so many words changed at most, with so much similarity (cosine of sentence embeddings) at least. The attacks "
        "did not look for the smallest change: more examples may be breakable by as few words or as similar texts. "
        "Examples and seeds are those of the comparison; the bounds of the 95 % intervals are in the CSV file.",
        [Column("Attack", numeric=False), Column("Defence", numeric=False)]
        + [Column(f"{title}, %", interval=True) for title, _, _ in LIMITS],
        [row for row in rows if row],
    )


def _row(view: View, attack: str, defence: str) -> list[Cell]:
    examples = view.examples
    rows = examples[(examples["attack"] == attack) & (examples["defence"] == defence)]
    if rows.empty:
        return []
    cells = [words(attack), words(defence)]
    for _, measure, limit in LIMITS:
        beyond = measure == "queries" and limit > (view.budget(attack) or limit)
        value, low, high, _ = NOTHING if beyond else robust_within(rows, measure, limit)
        cells.append(Cell(value, percent(value), "", low, high))
    return cells
