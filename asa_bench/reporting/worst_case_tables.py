"""Table of the attacks that decide the worst case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from asa_bench.reporting.accuracy_tables import interval_note
from asa_bench.reporting.by_attack import by_attack
from asa_bench.reporting.formats import listed, percent
from asa_bench.reporting.tables import Cell, Column, Table, percentage
from asa_bench.reporting.view import View
from asa_bench.stats.deciding import Share, deciding

Found = Mapping[tuple[str, str], Share | None]
"""What is known, by attack and defence."""


def decided(view: View) -> Table | None:
    """What each text attack and each attack that knows the adversary takes; None with one text attack alone."""
    aware = [name for name in view.attacks if view.kind(name) == "aware" and name not in view.invalid]
    attacks = [*view.text_attacks, *aware]
    if len(attacks) < 2:
        return None
    found = {(attack, defence): _share(view, attack, defence) for attack in attacks for defence in view.defences}
    return by_attack(
        view,
        "decided",
        "Which attack decides the worst case",
        f"{_first(attacks, found)} Over the examples that all these attacks share, seeds pooled. Lost to it: right "
        "before, not shown robust under it (errors and time-outs count; in brackets, of how many that were right "
        "before). To it alone: and still right under every other attack of the worst case. Without it, with it: the "
        "worst case of the others, and of the others and it; an attack can lower it and never raise it. An attack that "
        "knows ASA's adversary enters no other table's worst case, since it suits some defences only: here it is set "
        f"against that of all the text attacks. {interval_note(view)}",
        [
            Column("Lost to it, %"),
            Column("To it alone, %"),
            Column("Worst case without it, %", interval=True),
            Column("Worst case with it, %", interval=True),
        ],
        lambda attack, defence: _cells(found[attack, defence]),
        attacks,
    )


def _share(view: View, attack: str, defence: str) -> Share | None:
    others = [name for name in view.text_attacks if name != attack]
    return deciding(view.examples[view.examples["defence"] == defence], attack, others)


def _first(attacks: list[str], found: Found) -> str:
    """Which attack took most by itself, over all defences."""
    alone: Counter[str] = Counter()
    for (attack, _), share in found.items():
        alone[attack] += share.to_it_alone if share else 0
    most = max(alone.values())
    if most == 0:
        return "No attack decides by itself: whatever fell, fell to two or more."
    first = [attack for attack in attacks if alone[attack] == most]
    verb, whom = ("decides", "it") if len(first) == 1 else ("decide", "each of them")
    return f"{listed(first)} {verb} most: lost to {whom} alone, over all defences: {most:,}."


def _cells(share: Share | None) -> list[Cell]:
    if share is None:
        return []
    lost, alone = share.to_it / share.n, share.to_it_alone / share.n
    return [
        Cell(lost, percent(lost), f"{share.to_it:,} of {share.right:,}; n = {share.n:,}"),
        Cell(alone, percent(alone), f"{share.to_it_alone:,}"),
        percentage(share.without),
        percentage(share.with_it),
    ]
