"""Tables of the paired comparisons: those behind the answer in words, and attack by attack."""

from __future__ import annotations

from asa_bench.reporting.formats import p_value, percent, points
from asa_bench.reporting.summary import Comparison, comparisons, comparisons_by_attack
from asa_bench.reporting.tables import Cell, Column, Table, words
from asa_bench.reporting.view import View
from asa_bench.stats.intervals import MINIMUM_SEEDS
from asa_bench.stats.paired import ALPHA, smallest_difference


def compared(view: View) -> Table | None:
    """Each comparison with its interval, p values and what it could have shown; None where nothing is compared."""
    found = comparisons(view)
    if not found:
        return None
    return Table(
        "paired-comparisons",
        "Comparisons",
        "Difference of the worst case over all text attacks, on the examples that both attacked, in percentage points. "
        "Primary: named before the run, p corrected by Holm's method for their number. Exploratory: all others, not "
        "corrected; a small p there is a reason to look again with new data, no finding. Could show: the smallest "
        "difference that so many examples would have shown with 80 % power, for as many unlike pairs; with three "
        "training seeds or more the test is over seeds, and that is not reckoned.",
        [
            Column("Defence", numeric=False),
            Column("Against", numeric=False),
            Column("Family", numeric=False),
            *_TESTED,
            Column("Could show, points"),
        ],
        [_row(comparison) for comparison in found],
    )


def compared_by_attack(view: View) -> Table | None:
    """Which defence stands up to which attack: each against the baseline; None with fewer than two text attacks."""
    found = comparisons_by_attack(view)
    if not found:
        return None
    return Table(
        "attack-comparisons",
        "Comparisons by attack",
        "Difference of robust accuracy from the baseline under each text attack by itself, on the examples that both "
        "attacked, in percentage points. All of it is exploratory; the last p is corrected by Holm's method for the p "
        "values of this table.",
        [
            Column("Attack", numeric=False),
            Column("Defence", numeric=False),
            Column("Against", numeric=False),
            *_TESTED,
        ],
        [[words(each.attacks[0]), words(each.defence), words(each.against), *_tested(each)] for each in found],
    )


def _row(comparison: Comparison) -> list[Cell]:
    return [
        words(comparison.defence),
        words(comparison.against),
        words("primary" if comparison.family else "exploratory"),
        *_tested(comparison),
        _could_show(comparison),
    ]


_TESTED = (Column("Difference, points", interval=True), Column("p"), Column("p, Holm"), Column("n"))


def _tested(comparison: Comparison) -> list[Cell]:
    """The cells under ``_TESTED``."""
    pair = comparison.pair
    known = pair.low is not None and pair.high is not None
    interval = f"{points(pair.low or 0.0)} to {points(pair.high or 0.0)}" if known else ""
    return [
        Cell(pair.difference, points(pair.difference), interval, pair.low, pair.high),
        _p(pair.p_value),
        _p(comparison.p_adjusted),
        Cell(pair.n, f"{pair.n:,}"),
    ]


def _p(value: float | None) -> Cell:
    return Cell(None, "–") if value is None else Cell(value, p_value(value).removeprefix("p = ").removeprefix("p "))


def _could_show(comparison: Comparison) -> Cell:
    pair = comparison.pair
    if comparison.seeds >= MINIMUM_SEEDS or pair.lost + pair.gained == 0:
        return Cell(None, "–")
    shown = smallest_difference(pair.n, pair.discordant_share, ALPHA / (comparison.family or 1))
    return Cell(None, "none") if shown is None else Cell(shown, percent(shown))
