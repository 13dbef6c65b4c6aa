"""One name of a run exchanged for another, in its tables and in what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from asa_bench.records.store import TABLES, Run
from asa_bench.reporting.view import entry_name

Kind = Literal["task", "encoder", "defence", "attack"]

KEYED: dict[Kind, tuple[str, ...]] = {
    "task": ("tasks", "labels"),
    "encoder": ("encoders",),
    "defence": (),
    "attack": ("protocols",),
}
"""Entries of ``run.json`` whose keys are names of a kind."""

COLUMNS: dict[Kind, tuple[str, ...]] = {
    "task": ("task",),
    "encoder": ("encoder",),
    "defence": ("defence", "against"),
    "attack": ("attack",),
}
"""Columns that hold names of a kind."""


def renamed(run: Run, kind: Kind, names: Mapping[str, str]) -> Run:
    """``run`` with the names of a kind exchanged as ``names`` says; the others stay."""
    if not names:
        return run
    frames = {}
    for table in TABLES:
        frame = getattr(run, table)
        columns = [column for column in COLUMNS[kind] if column in frame]
        frames[table] = frame.assign(**{column: frame[column].replace(dict(names)) for column in columns})
    info = run.info | {key: _keys(run.info.get(key), names) for key in KEYED[kind]}
    info |= {key: _rows(run.info.get(key), kind, names) for key in ("cells", "invalid", "exclusions")}
    entries = [{**entry, "name": _new(entry_name(entry), names)} for entry in run.suite.get(kind) or []]
    return replace(run, info=info | {"suite": {**run.suite, kind: entries}}, **frames)


def _new(name: Any, names: Mapping[str, str]) -> Any:
    return names.get(name, name) if isinstance(name, str) else name


def _keys(value: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): inner for key, inner in (value or {}).items()}


def _rows(rows: Iterable[Mapping[str, Any]] | None, kind: Kind, names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{**row, **({kind: _new(row[kind], names)} if kind in row else {})} for row in rows or []]
