"""What attacks inside a model found: accuracy by the strength of the perturbation."""

from __future__ import annotations

from collections.abc import Iterator

from asa_bench.reporting.accuracy_tables import interval_note
from asa_bench.reporting.tables import Cell, Column, Table, percentage, words
from asa_bench.reporting.view import View
from asa_bench.stats.effort import robust_within


def strength_tables(view: View) -> Iterator[Table]:
    """A table for each attack of kind *model*: defences × strengths, the random control's behind them."""
    for attack in view.attacks:
        if view.kind(attack) == "model":
            yield _strengths(view, attack)


def _strengths(view: View, attack: str) -> Table:
    strengths, control = view.strengths(attack), view.control_of(attack)
    rows = [
        row for name in (attack, control) if name for defence in view.defences if (row := _row(view, name, defence))
    ]
    return Table(
        f"strengths-{attack}",
        f"Accuracy under {attack} by strength",
        f"Share of the attacked examples still right. Columns: {view.measure(attack)}, at most. "
        "What falls to one strength counts as fallen to all larger ones. No text belongs to these perturbations: this "
        "is no robust accuracy, and enters no worst case. Rows named random: as many random perturbations of full "
        f"strength, on fewer examples. {interval_note(view)}",
        [Column("Attack", numeric=False), Column("Defence", numeric=False)]
        + [
            Column(f"{title}, %", interval=True) for title in ("Clean", *(f"At {strength:g}" for strength in strengths))
        ],
        rows,
    )


def _row(view: View, attack: str, defence: str) -> list[Cell]:
    rows = view.attacked(attack, defence)
    if rows.empty:
        return []
    limits = (0.0, *view.strengths(attack))
    return [words(attack), words(defence), *(percentage(robust_within(rows, "strength", limit)) for limit in limits)]
