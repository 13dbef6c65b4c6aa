"""References: a run reduced to what a later comparison needs, in one small file that a diff can show.

JSON; the rows of the tables stand one a line, sorted, so that a change of one example is a change of one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.core.errors import DamagedRunError, InputError
from asa_bench.core.files import read_json, write_text
from asa_bench.core.registry import nearest
from asa_bench.core.validation import NAME
from asa_bench.records import schema
from asa_bench.records.store import TABLES, Run, check_info, load_run

FORMAT = 1
"""Version of the file's layout. History: 1 – first."""

FOLDER = Path("reports") / "references"
"""Where references lie that are named without a path, seen from the current directory."""

KEPT = ("format", "suite", "protocol_fingerprint", "protocols", "resolved", "assets", "encoders", "tasks",
        "versions", "git", "hardware", "start", "end", "warnings", "cells")  # fmt: skip
"""What is kept of ``run.json``."""

TEXTS = ("original_text", "adversarial_text")

GROUPS: dict[str, list[str]] = {
    "examples": [*schema.CELL, "attack"],
    "predictions": [*schema.CELL, "dataset"],
    "calibration": [],
    "results": [],
    "external": [*schema.CELL, "name"],
}
"""Columns that name a group of rows; they stand once a group."""

COLUMNS: dict[str, list[str]] = {
    "examples": [
        *("example_id", "label", "outcome", "original_prediction", "adversarial_prediction"),
        *("queries", "words_changed", "similarity", "candidates", "moved"),
    ],
    "predictions": ["example_id", "label", "prediction"],
    "calibration": schema.CALIBRATION.names,
    "results": schema.RESULTS.names,
    "external": ["example_id", "label", "prediction", "confirmed"],
}
"""Columns that are kept of each row."""

LATER: dict[str, list[Any]] = {"external": []}
"""Tables that references of earlier versions do not have."""

DIGITS = 6
"""Decimals of kept numbers."""


def save_reference(run: Run, path: Path, *, texts: bool = False) -> Path:
    """Write the reference of ``run`` to ``path``, with the texts of its attacked examples if ``texts``.

    Raises:
        InputError: when the run is not finished.
    """
    if unfinished(run):
        raise InputError(f"{run.path}: the run is not finished; a reference must be")
    header = {"reference_format": FORMAT, **{key: run.info.get(key) for key in KEPT}}
    head = json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
    tables = [f' "{name}": [\n{_groups(run, name, texts=texts)}\n ]' for name in COLUMNS]
    write_text(path, ",\n".join([head, *tables]) + "\n}\n")
    return path


def unfinished(run: Run) -> str | None:
    """Why a run cannot be relied on as a whole; None when it is finished and every cell is done."""
    if not run.info.get("end"):
        return "the run is not finished"
    for cell in run.info.get("cells") or []:
        if cell["status"] != "done":
            place = " ".join(
                str(cell[key]) for key in ("kind", "defence", "seed", "attack") if cell.get(key) is not None
            )
            return f"cell {place} is not done but {cell['status']}"
    return None


def _groups(run: Run, name: str, *, texts: bool) -> str:
    """The kept rows of a table, group by group."""
    frame, keys = getattr(run, name), GROUPS[name]
    if name == "predictions":
        frame = frame[frame["dataset"] != "validation"]  # of no use to a comparison
    columns = [*COLUMNS[name], *(column for column in TEXTS if texts and column in frame)]
    groups = frame.groupby(keys, sort=True) if keys else [((), frame)] * bool(len(frame))
    return ",\n".join(_group(dict(zip(keys, key, strict=True)), rows, columns) for key, rows in groups)


def _group(key: Mapping[str, Any], frame: pd.DataFrame, columns: list[str]) -> str:
    """One group as JSON: what names it, its columns, and a line for each row, sorted."""
    head = json.dumps({**key, "columns": columns}, ensure_ascii=False, default=int).removesuffix("}")
    rows = sorted(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in _rows(frame, columns))
    return f'  {head}, "rows": [\n' + ",\n".join(f"   {row}" for row in rows) + "\n  ]}"


def _rows(frame: pd.DataFrame, columns: list[str]) -> Iterator[list[Any]]:
    plain = frame[columns].astype(object).where(frame[columns].notna(), None)
    for row in plain.itertuples(index=False):
        yield [round(value, DIGITS) if isinstance(value, float) else value for value in row]


def load_reference(path: Path) -> Run:
    """A reference as a run; what was not kept is null.

    Raises:
        InputError: when the file is no reference, or of a newer format.
        DamagedRunError: when it is one but lacks something.
    """
    data = _read(path)
    if not isinstance(data["reference_format"], int):
        raise DamagedRunError(f"{path}: damaged reference: reference_format: {data['reference_format']!r}")
    if data["reference_format"] > FORMAT:
        raise InputError(f"{path}: reference format {data['reference_format']} is newer than {FORMAT}; upgrade")
    data = {**LATER, **data}
    try:
        frames = {name: _frame(data[name]) if name in COLUMNS else pd.DataFrame() for name in TABLES}
        info = {key: data[key] for key in KEPT}
        tables = {name: schema.table(frame, TABLES[name]) for name, frame in frames.items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedRunError(f"{path}: damaged reference: {error}") from None
    check_info(info, path)
    return Run(path=path, info=info, **tables)


def _read(path: Path) -> dict[str, Any]:
    """The content of a reference's file; one that is cut short, or torn by a merge, is still known for a reference."""
    try:
        data = read_json(path)
    except InputError as error:
        if b'"reference_format"' in path.read_bytes():
            raise DamagedRunError(f"damaged reference: {error}") from None
        data = None
    if not isinstance(data, dict) or "reference_format" not in data:
        raise InputError(f"{path}: neither a run directory nor a reference")
    return data


def _frame(groups: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [
        {**{key: value for key, value in group.items() if key not in ("columns", "rows")}, **named}
        for group in groups
        for named in (dict(zip(group["columns"], row, strict=True)) for row in group["rows"])
    ]
    return pd.DataFrame(rows, dtype=object)


def find_run(name: str) -> Path:
    """The run directory or reference that a user means: a path, or the name of a reference under ``FOLDER``.

    Raises:
        InputError: when there is neither.
    """
    path = Path(name)
    if path.exists():
        return path
    if path.name != name:
        raise InputError(f"{name}: no such run directory")
    named = FOLDER / f"{name}.json"
    if named.is_file():
        return named
    hint = nearest(name, [file.stem for file in FOLDER.glob("*.json")])
    raise InputError(f"{name}: no such run directory, and no reference of that name in {FOLDER}{hint}")


def reference_path(name: str) -> Path:
    """Where the reference called ``name`` lies; a path ending in ``.json`` stays as it is.

    Raises:
        InputError: when the name cannot be a file's.
    """
    if name.endswith(".json"):
        return Path(name)
    if not re.fullmatch(NAME, name):
        raise InputError(f"reference '{name}': expected letters, digits and . _ + - only, or a path ending in .json")
    return FOLDER / f"{name}.json"


def open_run(name: str | Path) -> Run:
    """A run directory or a reference, by path or by name.

    Raises:
        InputError: when there is no such thing, or it is no run.
        DamagedRunError: when it cannot be read.
    """
    path = find_run(str(name))
    return load_reference(path) if path.is_file() else load_run(path)
