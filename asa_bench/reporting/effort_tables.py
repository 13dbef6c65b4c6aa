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
    """Robust accuracy by text attack and defence, if the attack had to keep to less; None without successes."""
    rows = [_row(view, attack, defence) for attack in view.text_attacks for defence in view.defences]
    if not any(rows):
        return None
    return Table(
        "limits",
        "Robust accuracy within limits",
        "Robust accuracy in percent if only adversarial texts within a limit counted: found with so many queries, with "
        "so many words changed at most, with so much similarity (cosine of sentence embeddings) at least. The attacks "
        "did not look for the smallest change: more examples may be breakable by as few words or as similar texts.",
        [Column("Attack", numeric=False), Column("Defence", numeric=False)]
        + [Column(title, interval=True) for title, _, _ in LIMITS],
        [row for row in rows if row],
    )


def _row(view: View, attack: str, defence: str) -> list[Cell]:
    examples = view.examples
    rows = examples[(examples["attack"] == attack) & (examples["defence"] == defence)]
    if not (rows["outcome"] == "succeeded").any():
        return []
    cells = [words(attack), words(defence)]
    unknown = rows["similarity"].isna().all()
    for _, measure, limit in LIMITS:
        missing = measure == "similarity" and unknown
        value, low, high, _ = NOTHING if missing else robust_within(rows, measure, limit)
        cells.append(Cell(value, percent(value), "", low, high))
    return cells
