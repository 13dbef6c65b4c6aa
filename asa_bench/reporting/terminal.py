"""The comparison as a table for the terminal."""

from __future__ import annotations

from rich.table import Table as RichTable
from rich.text import Text

from asa_bench.records.store import Run
from asa_bench.reporting.accuracy_tables import comparison as comparison_table
from asa_bench.reporting.tables import Cell, Table
from asa_bench.reporting.texts import visible
from asa_bench.reporting.view import views


def comparison(run: Run) -> RichTable:
    """Clean and robust accuracy of all defences; task and encoder get columns when there are several.

    Names are shown as they are: rich's markup in them has no effect.
    """
    parts = [(view, comparison_table(view).readable) for view in views(run)]
    several = len(parts) > 1
    titles = {column.title: column.numeric for _, table in parts for column in table.columns}
    places = dict.fromkeys(["Task", "Encoder"] if several else [], False)
    shown = RichTable(title="Clean and robust accuracy", title_justify="left")
    for title, numeric in (places | titles).items():
        shown.add_column(Text(visible(title)), justify="right" if numeric else "left", overflow="fold")
    for view, table in parts:
        for row in table.rows:
            cells = {column.title: _text(cell) for column, cell in zip(table.columns, row, strict=True)}
            place = [Text(view.task), Text(view.encoder)] if several else []
            shown.add_row(*place, *(cells.get(title, Text("–")) for title in titles))
    return shown


def rich_table(table: Table) -> RichTable:
    """A table for the terminal, without its caption."""
    shown = RichTable(title=table.title, title_justify="left")
    for column in table.columns:
        shown.add_column(Text(visible(column.title)), justify="right" if column.numeric else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(_text, row))
    return shown


def _text(cell: Cell) -> Text:
    text = Text(visible(cell.text))
    return text.append(f" ({cell.note})", style="dim") if cell.note else text
