"""Reading the user's own files into tables. Every error names the file, and the row or line where there is one.

Rows are counted from 1 and the header is not counted; lines are counted as an editor does.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_text

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")


def read_rows(path: Path) -> pd.DataFrame:
    """The rows of a CSV, TSV, JSONL or Parquet file, told apart by its suffix; values as Python objects.

    CSV and TSV are UTF-8 with a header and quotes as in RFC 4180. A key that a JSONL line lacks is null.

    Raises:
        InputError: when the file is missing, unreadable, in another encoding, malformed, empty or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown file type '{suffix}' (known: {', '.join(SUFFIXES)})")
    if suffix == ".parquet":
        frame = _read_parquet(path)
    elif suffix == ".jsonl":
        frame = _read_jsonl(path)
    else:
        frame = _read_delimited(path, DELIMITERS[suffix])
    if frame.empty:
        raise InputError(f"{path}: no rows")
    return frame


def _read_delimited(path: Path, delimiter: str) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row and rows and len(row) != len(rows[0]):
                raise InputError(f"{path}: line {reader.line_num}: {len(row)} fields, {len(rows[0])} in the header")
            rows += [row] if row else []
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from None
    header = rows[0] if rows else []
    if repeated := [name for position, name in enumerate(header) if name in header[:position]]:
        raise InputError(f"{path}: column '{repeated[0]}' is there twice")
    return pd.DataFrame(rows[1:], columns=header, dtype=object)


def _read_jsonl(path: Path) -> pd.DataFrame:
    rows = []
    # Not splitlines(): U+2028 and its like may stand unescaped in a JSON string.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: line {number}: not JSON: {error.msg}") from None
        except (ValueError, RecursionError):
            raise InputError(f"{path}: line {number}: JSON of too many levels or digits") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number}: not a JSON object")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return _frame({name: [row.get(name) for row in rows] for name in names})


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return _frame(pq.read_table(path).to_pydict())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None


def _frame(columns: dict[str, list[object]]) -> pd.DataFrame:
    """A table whose values stay what they are: no integer becomes a float because another row has none."""
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
