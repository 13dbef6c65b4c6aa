"""The working side of a run directory: whose it is, who writes to it, and what each cell has come to."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json, write_json, write_text
from asa_bench.core.fingerprint import fingerprint
from asa_bench.records import schema

Status = Literal["done", "failed", "changed", "todo"]


class RunDirectory:
    """A run directory that a suite writes to.

    Each cell has a folder under ``cells/`` with ``cell.json`` (its key and how it ended) and its own tables; the run's
    tables are put together from them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, suite: str) -> None:
        """Check, without touching anything, that the directory is this suite's or nobody's.

        Raises:
            InputError: when it holds another suite's run, something else, or a newer format.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"--out {self.path}: not a directory")
        record = self.path / "run.json"
        if record.is_file():
            self._check_owner(read_json(record), suite)
        elif self.path.is_dir() and any(entry.name != ".lock" for entry in self.path.iterdir()):
            raise InputError(f"--out {self.path}: not empty and not a run directory")

    def claim(self, suite: str) -> None:
        """Make the directory, or check that it is this suite's.

        Raises:
            InputError: as :meth:`check`, and when it cannot be made.
        """
        self.check(suite)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {self.path}: {error.strerror}") from None

    def _check_owner(self, info: Any, suite: str) -> None:
        owner = info.get("suite", {}).get("name") if isinstance(info, dict) else None
        if owner != suite:
            raise InputError(f"--out {self.path}: holds a run of suite '{owner}', not '{suite}'")
        if info.get("format", 0) > schema.FORMAT:
            raise InputError(f"--out {self.path}: written by a newer asa-bench (format {info['format']})")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against a second writer; the lock ends with the process.

        Raises:
            InputError: when another process holds it.
        """
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{self.path}: another asa-bench is writing there") from None
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what a killed process left half written."""
        for stale in list(self.path.rglob(".*.tmp")):
            if stale.is_dir():
                shutil.rmtree(stale)
            else:
                stale.unlink()

    def cell(self, name: str) -> Path:
        """The folder of the cell called ``name``, such as ``attack/movie-sentiment/minilm/asa/0/pwws``."""
        return self.path / "cells" / name

    def state(self, name: str) -> dict[str, Any]:
        """What ``cell.json`` says; empty for a cell that was never begun, or whose file is damaged."""
        try:
            state = read_json(self.cell(name) / "cell.json")
        except InputError:
            return {}
        return state if isinstance(state, dict) else {}

    def evaluated(self, model: str) -> str:
        """Fingerprint of a model as it was last evaluated: its weights, and all that its evaluation depends on.

        ``model`` is its path inside ``models/``, such as ``movie-sentiment/minilm/asa/0``.
        """
        state = self.state(f"evaluate/{model}")
        return fingerprint([state.get("key"), state.get("weights")])

    def status(self, name: str, key: str) -> Status:
        """Where the cell stands: *changed* means that it was done with another key."""
        state = self.state(name)
        if state.get("status") == "done" and state.get("key") != key:
            return "changed"
        if state.get("key") != key or state.get("status") not in ("done", "failed"):
            return "todo"
        return "done" if state["status"] == "done" else "failed"

    def begin(self, name: str, key: str) -> Path:
        """The cell's folder, ready to work in: kept when it was begun with this key, emptied otherwise."""
        folder = self.cell(name)
        if self.state(name).get("key") != key:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "cell.json", {"key": key, "status": "begun"})
        return folder

    def end(self, name: str, state: Mapping[str, Any]) -> None:
        """Record how a cell ended: ``key``, ``status`` (*done* or *failed*), ``seconds``, ``error`` and more."""
        write_json(self.cell(name) / "cell.json", dict(state))


class RowLog:
    """Rows appended to a file of JSON lines as they come; a torn last line (a killed process) is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = list(_read_lines(path))
        write_text(path, "".join(json.dumps(row) + "\n" for row in self.rows))

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row and put it on disk."""
        self.rows.append(dict(row))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            yield json.loads(line)
