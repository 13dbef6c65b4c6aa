"""Reading and writing a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asa_bench.core.errors import DamagedRunError, InputError
from asa_bench.core.files import atomic_path, read_json, write_text
from asa_bench.records import schema


@dataclass(frozen=True)
class Run:
    """A finished or partly finished run, as it lies on disk."""

    path: Path
    info: dict[str, Any]
    """Content of ``run.json``."""
    results: pd.DataFrame
    examples: pd.DataFrame
    training: pd.DataFrame
    predictions: pd.DataFrame
    calibration: pd.DataFrame
    views: pd.DataFrame = field(default_factory=lambda: schema.table([], schema.VIEWS))
    maps: pd.DataFrame = field(default_factory=lambda: schema.table([], schema.MAPS))
    curves: pd.DataFrame = field(default_factory=lambda: schema.table([], schema.CURVES))
    probes: pd.DataFrame = field(default_factory=lambda: schema.table([], schema.PROBES))
    ratings: pd.DataFrame = field(default_factory=lambda: schema.table([], schema.RATINGS))
    external: pd.DataFrame = field(default_factory=lambda: schema.table([], schema.EXTERNAL))

    @property
    def suite(self) -> dict[str, Any]:
        """The resolved suite."""
        suite: dict[str, Any] = self.info["suite"]
        return suite

    @property
    def worded(self) -> pd.DataFrame:
        """Examples that were attacked as texts: not those of attacks inside a model."""
        inside = [entry["name"] for entry in self.suite.get("attack") or [] if entry.get("strengths")]
        worded: pd.DataFrame = self.examples[~self.examples["attack"].isin(inside)]
        return worded


TABLES: dict[str, pa.Schema] = {
    "results": schema.RESULTS,
    "examples": schema.EXAMPLES,
    "training": schema.TRAINING,
    "predictions": schema.PREDICTIONS,
    "calibration": schema.CALIBRATION,
    "views": schema.VIEWS,
    "maps": schema.MAPS,
    "curves": schema.CURVES,
    "probes": schema.PROBES,
    "ratings": schema.RATINGS,
    "external": schema.EXTERNAL,
}


FILLED = {
    "train": "training",
    "view": "views",
    "evaluate": "predictions",
    "attack": "examples",
    "quality": "probes",
    "probe": "probes",
    "transfer": "probes",
}
"""The table that a cell of each kind has rows in when it is done."""

KINDS = {*FILLED, "harvest", "trial"}
"""Kinds of cells; what the others found stays in their folders and in ``run.json``."""


def check_info(info: dict[str, Any], source: Path) -> None:
    """Check that what is known of a run has the shape that readers rely on.

    Raises:
        DamagedRunError: naming the field.
    """
    for name in ("suite", "protocols", "versions", "resolved"):
        if not isinstance(info.get(name), dict) and (name == "suite" or info.get(name) is not None):
            raise DamagedRunError(f"{source}: field '{name}' is missing or damaged")
    listed = [("suite", info["suite"].get(name)) for name in ("task", "defence", "attack")]
    for name, entries in [*listed, ("cells", info.get("cells"))]:
        if not all(isinstance(entry, dict) for entry in _list(entries)):
            raise DamagedRunError(f"{source}: field '{name}' is missing or damaged")
    if not all(cell.get("kind") in KINDS and "status" in cell for cell in info.get("cells") or []):
        raise DamagedRunError(f"{source}: field 'cells' is missing or damaged")


def _list(entries: Any) -> list[Any]:
    """``entries`` as a list; what should be one but is not stays, so that it is found to be no table."""
    return entries if isinstance(entries, list) else [] if entries is None else [None]


def load_run(path: str | Path) -> Run:
    """Load a run directory. Tables that a run does not have are empty.

    Raises:
        InputError: when ``path`` is missing, is no run, or was written by a newer version.
        DamagedRunError: when the run is damaged.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such run directory")
    if not (folder / "run.json").is_file():
        raise InputError(f"{folder}: not a run directory (no run.json in it)")
    try:
        info = read_json(folder / "run.json")
    except InputError as error:
        raise DamagedRunError(str(error)) from None
    if not isinstance(info, dict) or not isinstance(info.get("format"), int):
        raise DamagedRunError(f"{folder / 'run.json'}: field 'format' is missing; not a run of asa-bench")
    if info["format"] > schema.FORMAT:
        raise InputError(f"{folder / 'run.json'}: format {info['format']} is newer than {schema.FORMAT}; upgrade")
    check_info(info, folder / "run.json")
    done = {cell["kind"] for cell in info.get("cells") or [] if cell["status"] == "done"}
    for name in sorted({FILLED[kind] for kind in done if kind in FILLED}):
        if not (folder / f"{name}.parquet").is_file():
            raise DamagedRunError(f"{folder / name}.parquet: missing, though its cells are done")
    tables = {name: read_table(folder / f"{name}.parquet", kind) for name, kind in TABLES.items()}
    return Run(path=folder, info=info, **tables)


def finished_run(path: str | Path) -> Run:
    """A run directory whose run came to its end.

    Raises:
        InputError: when it is none, or not finished.
    """
    run = load_run(path)
    if not run.info.get("end"):
        raise InputError(f"{run.path}: the run is not finished; run the same command to go on")
    return run


def read_table(path: Path, kind: pa.Schema) -> pd.DataFrame:
    """A table of a run; empty when its file does not exist.

    Raises:
        DamagedRunError: when the file is damaged or lacks a column.
    """
    if not path.is_file():
        return schema.table([], kind)
    try:
        frame = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DamagedRunError(f"{path}: damaged Parquet file: {str(error).splitlines()[0]}") from None
    missing = [name for name in kind.names if name not in frame.columns and name not in schema.ADDED]
    if missing:
        raise DamagedRunError(f"{path}: column '{missing[0]}' is missing")
    return schema.table(frame, kind)


def write_table(path: Path, frame: pd.DataFrame, kind: pa.Schema) -> None:
    """Write ``frame`` with the columns of ``kind`` (and its further ones) as Parquet, atomically."""
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pandas(schema.table(frame, kind), preserve_index=False), temporary)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as CSV, atomically; null is an empty cell, floats keep every digit that matters."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def concatenate(frames: Sequence[pd.DataFrame], kind: pa.Schema) -> pd.DataFrame:
    """All rows of ``frames`` in order, with the types of ``kind``."""
    full = [frame for frame in frames if len(frame)]
    return schema.table(pd.concat(full, ignore_index=True) if full else [], kind)
