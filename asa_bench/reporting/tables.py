"""Tables that hold values, and writers that only format them."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asa_bench.reporting import formats
from asa_bench.reporting.texts import visible
from asa_bench.stats.intervals import Estimate

MANY = 6
"""Columns beyond which a table is set close."""

LINE = 72
"""Characters that a line of LaTeX's own page holds, about."""

LONG = 40
"""Characters beyond which LaTeX breaks a column's texts into lines."""


@dataclass(frozen=True)
class Cell:
    """One cell: the value for machines, the text and a note (interval, counts) for readers."""

    value: float | int | str | None
    text: str
    note: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading; ``interval`` adds its bounds to the CSV."""

    title: str
    numeric: bool = True
    interval: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose caption carries the definitions of its columns. ``name`` is its file's stem."""

    name: str
    title: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    turned_head: str = ""
    """Heads the first column, with the unit of all, where readers see rows as columns; empty where they never do."""

    @property
    def readable(self) -> Table:
        """The table as readers see it: rows and columns exchanged where columns are many and it can be turned."""
        if not (self.turned_head and self.many and len(self.rows) < len(self.columns) - 1):
            return self
        heads = [Column(self.turned_head, numeric=False), *(Column(row[0].text, interval=True) for row in self.rows)]
        names = [column.title.removesuffix(", %") for column in self.columns]
        cells = [[words(name), *(row[at] for row in self.rows)] for at, name in enumerate(names) if at]
        return replace(self, columns=heads, rows=cells)

    @property
    def many(self) -> bool:
        """Whether its columns are so many that it is set close, lest the last be out of sight."""
        return len(self.columns) > MANY


def words(text: str) -> Cell:
    """A cell of text."""
    return Cell(text, text)


def percentage(estimate: Estimate, note: str = "") -> Cell:
    """A fraction in percent, with its interval, or with ``note`` in the interval's place."""
    note = note or formats.percent_interval(estimate.low, estimate.high)
    return Cell(estimate.value, formats.percent(estimate.value), note, estimate.low, estimate.high)


def marked(cell: Cell, letters: str) -> Cell:
    """The cell with letters that stand for remarks behind its text."""
    return replace(cell, text=f"{cell.text} [{letters}]") if letters else cell


def plain(value: float | None, digits: int = 1) -> Cell:
    """A plain number."""
    return Cell(value, formats.number(value, digits))


def duration(value: float | None) -> Cell:
    """Seconds, written in the unit that suits them."""
    return Cell(value, formats.seconds(value))


def to_csv(table: Table) -> str:
    """The values, unrounded, as CSV; a column with intervals is followed by its bounds; null is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    headings: list[str] = []
    for column in table.columns:
        headings += [column.title, f"{column.title} low", f"{column.title} high"] if column.interval else [column.title]
    writer.writerow(headings)
    for row in table.rows:
        values: list[float | int | str | None] = []
        for column, cell in zip(table.columns, row, strict=True):
            values += [cell.value, cell.low, cell.high] if column.interval else [cell.value]
        writer.writerow(values)
    return stream.getvalue()


def to_markdown(table: Table) -> str:
    """A pipe table, with the caption above it."""
    table = table.readable
    lines = [
        [markdown(column.title) for column in table.columns],
        ["--:" if column.numeric else ":--" for column in table.columns],
        *([markdown(_with_note(cell)) for cell in row] for row in table.rows),
    ]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{markdown(table.caption)}\n\n{body}\n"


def to_latex(table: Table) -> str:
    """A ``table`` environment in the style of the package booktabs; what is wider than the line is scaled to it."""
    table = table.readable
    heading = _latex_row([column.title for column in table.columns])
    body = [_latex_row([_with_note(cell) for cell in row]) for row in table.rows]
    columns, wide = _latex_columns(table)
    lines = [
        f"% needs \\usepackage{{booktabs{',graphicx' if wide else ''}}}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(f'{table.title}. {table.caption}')}}}",
        rf"\label{{tab:{table.name}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        heading,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}" if wide else r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_columns(table: Table) -> tuple[str, bool]:
    """How the columns are set, and whether they are wider than the line."""
    kinds, total = [], 0
    for place, column in enumerate(table.columns):
        longest = max([len(column.title), *(len(_with_note(row[place])) for row in table.rows)])
        broken = longest > LONG and not column.numeric
        kinds.append("r" if column.numeric else r"p{0.5\linewidth}" if broken else "l")
        total += (LONG if broken else longest) + 2
    return "".join(kinds), total > LINE


def markdown(text: str) -> str:
    """``text`` as Markdown that shows it letter by letter, on one line: no markup, no HTML, no hidden characters."""
    escaped = re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", " ".join(visible(text).split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\to$",
    "·": r"$\cdot$",
    "…": r"\dots{}",
    "|": r"\textbar{}",
    "<": r"$<$",
    ">": r"$>$",
    "τ": r"$\tau$",
    "‹": r"$\langle$",
    "›": r"$\rangle$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


_ACCENTS = "\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0327"
"""Accents over or under a letter that LaTeX has in its oldest encoding: `´^~¨˚ˇ and the cedilla."""

_LETTERS = "ßæøœÆØŒłŁ“”‘’—"
"""Further characters that it has there."""


def latex(text: str) -> str:
    """``text`` with LaTeX's special characters escaped, and those that it does not know as ``‹U+1F3AC›``."""
    return "".join(map(_latex_character, " ".join(visible(text).split())))


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    parts = unicodedata.normalize("NFD", character)
    known = parts[0].isascii() and character <= "\u017f" and all(accent in _ACCENTS for accent in parts[1:])
    return character if known or character in _LETTERS else latex(f"‹U+{ord(character):04X}›")


def _latex_row(texts: Sequence[str]) -> str:
    """A row of a table; what opens it is kept from being read as an option of the row before."""
    row = " & ".join(map(latex, texts))
    return ("{}" if row.startswith(("[", "*")) else "") + row + r" \\"


def _with_note(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text
