"""Table of what was found elsewhere."""

from __future__ import annotations

import pandas as pd

from asa_bench.reporting.accuracy_tables import interval_note
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain, words
from asa_bench.reporting.view import View
from asa_bench.stats.external import CONFIRMED, REASONS, verdicts, worst_case_with
from asa_bench.stats.metrics import WORST

TOGETHER = "all sources"
"""What the row of a defence's texts from several sources is called."""


def external(view: View) -> Table | None:
    """Texts by source and defence, and the worst case without and with them; None without any."""
    rows = [row for defence in view.defences for row in _rows(view, defence)]
    if not rows:
        return None
    return Table(
        "external",
        "External results: adversarial texts found elsewhere",
        "Texts that others brought, asked of each model here again (a text for several models counts for each). "
        "Confirmed: the model was right on the original and is wrong on the text; no other text counts. Worst case "
        "with these: an example that a confirmed text misleads is lost, too. External texts obey no constraint and no "
        f"budget of the protocol, and they can only lower: no defence gains by them. {interval_note(view)}",
        [
            Column("Source", numeric=False),
            Column("Defence", numeric=False),
            Column("Texts"),
            Column("Confirmed"),
            Column("Not confirmed"),
            Column("Worst case, %", interval=True),
            Column("Worst case with these, %", interval=True),
        ],
        rows,
    )


def _rows(view: View, defence: str) -> list[list[Cell]]:
    own = view.external[view.external["defence"] == defence]
    sources = {str(source): rows for source, rows in own.groupby("name")}
    together = {TOGETHER: own} if len(sources) > 1 else {}
    return [_row(view, source, defence, rows) for source, rows in {**sources, **together}.items()]


def _row(view: View, source: str, defence: str, brought: pd.DataFrame) -> list[Cell]:
    counts = verdicts(brought).value_counts()
    confirmed = int(counts.get(CONFIRMED, 0))
    refused = len(brought) - confirmed
    why = "; ".join(f"{counts[reason]:,}: {reason}" for reason in REASONS if reason in counts)
    examples = view.examples[view.examples["defence"] == defence]
    return [
        words(source),
        words(defence),
        plain(len(brought), 0),
        plain(confirmed, 0),
        Cell(refused, f"{refused:,}", why),
        percentage(view.estimate(defence, WORST)),
        percentage(worst_case_with(examples, view.text_attacks, brought)),
    ]
