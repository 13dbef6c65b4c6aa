"""Reading filled sheets into a run: all of them, or nothing where a field is wrong."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_text
from asa_bench.core.registry import nearest
from asa_bench.rating.items import items
from asa_bench.rating.sheet import FILLED, UNCLEAR, label_names, safe
from asa_bench.records.directory import RunDirectory
from asa_bench.records.schema import RATINGS, table
from asa_bench.records.store import Run, concatenate, finished_run, load_run, write_table

NEEDED = ("item", *FILLED, "rater")
"""Columns that are read; the texts are taken from the run."""

DELIMITERS = ",;\t"
"""What spreadsheets put between fields, by country."""

GRADE = re.compile(r"([1-5])(?:[.,]0+)?")
"""A whole number from 1 to 5, as spreadsheets write it."""

RATER = re.compile(r"\w[\w .,'-]{0,59}")
"""A name that is safe in tables, in any script."""

Row = dict[str, Any]


class WrongSheetError(InputError):
    """Fields of sheets are wrong; nothing was imported. ``problems`` has a line for each field."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"nothing imported; wrong fields, told above: {len(problems)}")
        self.problems = problems


def import_sheets(path: str | Path, sheets: Sequence[Path]) -> tuple[Run, list[str]]:
    """Put the ratings of ``sheets`` into the run at ``path``; its report knows of them when it is drawn anew.

    What a rater says of a pair takes the place of what the same rater said of it before; pairs that nobody rated are
    passed over.

    Returns:
        The run, and the names of the raters in these sheets.

    Raises:
        WrongSheetError: where fields are wrong.
        InputError: for a file that is no sheet, and a run that is not finished or in use.
    """
    finished_run(path)
    with RunDirectory(Path(path)).locked():
        run = finished_run(path)
        reader = SheetReader(run)
        for sheet in sheets:
            reader.read(sheet)
        if reader.problems:
            raise WrongSheetError(reader.problems)
        new = table(reader.ratings, RATINGS)
        write_table(run.path / "ratings.parquet", _renewed(run.ratings, new), RATINGS)
        run = load_run(path)
    return run, sorted(new["rater"].unique())


def _renewed(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    rows = concatenate([old, new], RATINGS).drop_duplicates(["rater", "item"], keep="last")
    return rows.sort_values(["rater", "item"], ignore_index=True)


class SheetReader:
    """Reads sheets of one run, and gathers their ratings (schema ``RATINGS``) and all that is wrong with them."""

    def __init__(self, run: Run) -> None:
        known = items(run)
        plain = known.astype(object).where(known.notna(), None)
        self._items = plain.to_dict("index")
        self._labels = {task: label_names(run, task) for task in known["task"].unique()}
        self._places: dict[tuple[str, str], str] = {}
        self.ratings: list[Row] = []
        self.problems: list[str] = []

    def read(self, path: Path) -> None:
        """Take in one sheet. A rater's name that stands alone in it holds for all its rows.

        Raises:
            InputError: when it is no sheet.
        """
        rows = list(_rows(path))
        names = {row["rater"] for _, row in rows if row["rater"]}
        only = names.pop() if len(names) == 1 else ""
        filled = [(line, row) for line, row in rows if any(row[name] for name in FILLED)]
        if not filled:
            raise InputError(f"{path}: no row is filled in")
        for line, row in filled:
            rating, wrong = self._rating({**row, "rater": row["rater"] or only}, f"{path}: line {line}")
            self.problems += [f"{path}: line {line}: {problem}" for problem in wrong]
            self.ratings.append(rating)

    def _rating(self, row: Row, place: str) -> tuple[Row, list[str]]:
        """The rating, as far as it can be read, and what is wrong with it."""
        checks: dict[str, Callable[[str], Any]] = {
            "item": self._item,
            "meaning": _grade,
            "grammar": _grade,
            "rater": _rater,
        }
        item = self._items.get(row["item"])
        if item:  # else its labels are not known
            checks["label_read"] = partial(_label, names=self._labels[item["task"]])
        read: Row = {}
        wrong = []
        for name in (name for name in NEEDED if name in checks):
            try:
                read[name] = checks[name](row[name])
            except ValueError as error:
                wrong.append(f"field '{name}'{error}")
        if not wrong and (before := self._places.setdefault((read["rater"], read["item"]), place)) is not place:
            wrong.append(f"field 'item': '{read['rater']}' rated it in {before.replace(': line', ', line')}, too")
        return {**{name: (item or {}).get(name) for name in RATINGS.names}, **read}, wrong

    def _item(self, text: str) -> str:
        if text not in self._items:
            raise _wrong("no item of this run", text)
        return text


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row's first line and the columns of ``NEEDED``, without spaces round them; empty rows are left out."""
    text = read_text(path)
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=head.count), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in NEEDED if name not in header]:
            raise InputError(f"{path}: line 1: no column '{missing[0]}'{nearest(missing[0], header)}")
        line = reader.line_num + 1
        for row in reader:
            if any(row):
                if len(row) != len(header):
                    raise InputError(f"{path}: line {line}: {len(row)} fields, {len(header)} in the header")
                named = dict(zip(header, row, strict=True))
                yield line, {name: named[name].strip() for name in NEEDED}
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from None


def _label(text: str, names: Sequence[str]) -> int | None:
    """The id of a label's name, in any case where that leaves but one; None for *unclear*."""
    for same in (str, str.casefold):
        found = [place for place, name in enumerate(names) if same(_bare(name)) == same(_bare(text))]
        if len(found) == 1:
            return found[0]
    if text.casefold() == UNCLEAR:
        return None
    raise _wrong(f"expected one of {', '.join([*map(safe, names), UNCLEAR])}", text)


def _bare(text: str) -> str:
    return safe(text).lstrip("'")


def _grade(text: str) -> int:
    found = GRADE.fullmatch(text)
    if not found:
        raise _wrong("expected a whole number from 1 to 5", text)
    return int(found[1])


def _rater(text: str) -> str:
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not RATER.fullmatch(name):
        raise _wrong("expected a name of letters, digits, spaces and . , ' -", text)
    return name


def _wrong(expected: str, text: str) -> ValueError:
    """What was expected and, made harmless, what was there."""
    shown = safe(text)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return ValueError(f": {expected}, got '{shown}'" if text else " is empty")
