"""Table of the attacks that decide the worst case."""

from __future__ import annotations

from functools import partial

from asa_bench.reporting.by_attack import by_attack
from asa_bench.reporting.formats import percent
from asa_bench.reporting.tables import Cell, Column, Table
from asa_bench.reporting.view import View
from asa_bench.stats.deciding import deciding


def decided(view: View) -> Table | None:
    """What each text attack and each attack that knows the adversary takes; None with one text attack alone."""
    aware = [name for name in view.attacks if view.kind(name) == "aware" and name not in view.invalid]
    attacks = [*view.text_attacks, *aware]
    if len(attacks) < 2:
        return None
    return by_attack(
        view,
        "decided",
        "Which attack decides the worst case",
        "Over the examples that all these attacks share, seeds pooled. Lost to it: right before, not shown robust "
        "under it (errors and time-outs count). To it alone: and still right under every other attack of the worst "
        "case. Without it, with it: the worst case of the others, and of the others and it; an attack can lower it "
        "and never raise it. An attack that knows ASA's adversary enters no other table's worst case, since it suits "
        "some defences only: here it is set against that of all the text attacks.",
        [
            Column("Lost to it, %"),
            Column("To it alone, %"),
            Column("Worst case without it, %"),
            Column("Worst case with it, %"),
        ],
        partial(_cells, view),
        attacks,
    )


def _cells(view: View, attack: str, defence: str) -> list[Cell]:
    others = [name for name in view.text_attacks if name != attack]
    found = deciding(view.examples[view.examples["defence"] == defence], attack, others)
    if found is None:
        return []
    first, *rest = found[:4]
    return [Cell(first, percent(first), f"n = {found.n:,}"), *(Cell(share, percent(share)) for share in rest)]
