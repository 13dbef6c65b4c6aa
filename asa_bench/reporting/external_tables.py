"""Table of what was found elsewhere."""

from __future__ import annotations

from asa_bench.reporting.accuracy_tables import interval_note
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain, words
from asa_bench.reporting.view import View
from asa_bench.stats.metrics import EXTERNAL_WORST, WORST


def external(view: View) -> Table | None:
    """Claims by source and defence, and the worst case without and with all of them; None without any."""
    sources = sorted(view.external["name"].unique())
    rows = [row for source in sources for defence in view.defences if (row := _row(view, source, defence))]
    if not rows:
        return None
    return Table(
        "external",
        "Adversarial texts found elsewhere",
        "Texts that others brought, asked of each model here again. Claims: texts and models, over all seeds; "
        "confirmed: the model was right on the original and is wrong on the text. With these: the worst case if the "
        "confirmed texts of all sources count, too. They keep to no constraint and no budget of this run, so the "
        f"number is a bound from above for any such attack, and can only be lower. {interval_note(view)}",
        [
            Column("Source", numeric=False),
            Column("Defence", numeric=False),
            Column("Claims"),
            Column("Confirmed"),
            Column("Worst case, %", interval=True),
            Column("Worst case with these, %", interval=True),
        ],
        rows,
    )


def _row(view: View, source: str, defence: str) -> list[Cell]:
    own = view.external[(view.external["name"] == source) & (view.external["defence"] == defence)]
    if own.empty:
        return []
    counts = (len(own), int(own["confirmed"].sum()))
    worst = (view.estimate(defence, metric) for metric in (WORST, EXTERNAL_WORST))
    return [words(source), words(defence), *(plain(count, 0) for count in counts), *map(percentage, worst)]
