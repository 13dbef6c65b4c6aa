"""Tables of one row per attack and defence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asa_bench.reporting.tables import Cell, Column, Table, words
from asa_bench.reporting.view import View


def by_attack(
    view: View,
    name: str,
    title: str,
    caption: str,
    columns: Sequence[Column],
    cells: Callable[[str, str], Sequence[Cell]],
    attacks: Sequence[str] | None = None,
) -> Table | None:
    """A table of attacks × defences; None where there is nothing to show.

    Args:
        view: whose attacks and defences.
        name: the table's name.
        title: its title.
        caption: what its columns mean.
        columns: those behind *Attack* and *Defence*.
        cells: gives the cells of ``columns`` for an attack and a defence; none for no row.
        attacks: the attacks; those of kind *text* by default.
    """
    places = [(a, d) for a in (view.text_attacks if attacks is None else attacks) for d in view.defences]
    rows = [[words(attack), words(defence), *found] for attack, defence in places if (found := cells(attack, defence))]
    heads = [Column("Attack", numeric=False), Column("Defence", numeric=False), *columns]
    return Table(name, title, caption, heads, rows) if rows else None
