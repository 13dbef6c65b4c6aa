"""From the columns of a table to examples: texts, label names, label ids."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.core.fingerprint import example_ids
from asa_bench.core.registry import nearest
from asa_bench.tasks.base import Example


def examples_from(
    frame: pd.DataFrame, text: Sequence[str], label: str, labels: Sequence[str], source: str
) -> tuple[Example, ...]:
    """The rows of ``frame`` as examples, in order.

    Args:
        frame: a table, for instance from ``read_rows``.
        text: its text columns, in the order in which a model reads them.
        label: its label column.
        labels: the label names in the order of their ids. A value is one of them, without regard to case if need be; an
            integer is an id unless the names are integers themselves.
        source: named in errors: the file, with the split where there is one.

    Raises:
        InputError: for a missing column, an empty text, an empty or unknown label; names the row.
    """
    texts = [_text_column(frame, name, source) for name in text]
    names = label_values(frame, label, source)
    ids = _label_ids(labels)
    numbers = [ids.get(name, ids.get(name.casefold(), -1)) for name in names]
    if -1 in numbers:
        row = numbers.index(-1)
        known = ", ".join(labels)
        raise InputError(f"{source}: row {row + 1}: field '{label}': unknown label '{names[row]}' (known: {known})")
    fields = list(zip(*texts, strict=True))
    return tuple(map(Example, example_ids(fields), fields, numbers))


def label_names(frame: pd.DataFrame, label: str, source: str) -> tuple[str, ...]:
    """The distinct labels of a column, sorted; by value if all of them are integers, so that 0 … n-1 are the ids.

    Raises:
        InputError: for a missing column or an empty label.
    """
    names = set(label_values(frame, label, source))
    return tuple(sorted(names, key=int) if all(map(_is_integer, names)) else sorted(names))


def label_values(frame: pd.DataFrame, label: str, source: str) -> list[str]:
    """The label of each row, as text: 1, 1.0 and "1" are the same label.

    Raises:
        InputError: for a missing column or an empty label.
    """
    names = [_label_name(value) for value in _column(frame, label, source)]
    for row, name in enumerate(names, start=1):
        if not name:
            raise InputError(f"{source}: row {row}: field '{label}' is empty")
    return names


def _label_ids(labels: Sequence[str]) -> dict[str, int]:
    """Ids by name, by case-folded name, and by the id itself where no name is an integer."""
    exact = {name: position for position, name in enumerate(labels)}
    folded = {name.casefold(): position for name, position in exact.items()}
    if any(map(_is_integer, labels)):
        return {**folded, **exact}
    return {**{str(position): position for position in exact.values()}, **folded, **exact}


def _label_name(value: object) -> str:
    if _is_empty(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _is_integer(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _column(frame: pd.DataFrame, name: str, source: str) -> list[object]:
    if name not in frame.columns:
        known = [str(column) for column in frame.columns]
        raise InputError(f"{source}: no column '{name}'{nearest(name, known)} (columns: {', '.join(known)})")
    return list(frame[name])


def _text_column(frame: pd.DataFrame, name: str, source: str) -> list[str]:
    texts = []
    for row, value in enumerate(_column(frame, name, source), start=1):
        if _is_empty(value):
            raise InputError(f"{source}: row {row}: field '{name}' is empty")
        if not isinstance(value, str):
            raise InputError(f"{source}: row {row}: field '{name}' is not text but {type(value).__name__}")
        texts.append(value)
    return texts


def _is_empty(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or value is pd.NA or (isinstance(value, str) and not value.strip())
