"""What the stages of a run share: who is told, who attacks, how rows are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.rows import Row
from asa_bench.plan import Cell, Plan
from asa_bench.records.directory import RunDirectory
from asa_bench.records.store import write_table

AnyPlan = TypeVar("AnyPlan", bound=Plan)

DEFENCE = "defence.safetensors"
"""The weights that a defence trained beside the model, inside its training cell's folder."""

Stage = Callable[[Cell, Path], dict[str, Any]]
"""Carries out a cell in its folder; what it returns is kept in the cell's state."""


class Progress(Protocol):
    """Who is told how the work goes."""

    def start(self, cell: Cell, number: int, of: int) -> None:
        """A cell begins: the ``number``-th ``of`` all that are to be done."""

    def advance(self, done: int, total: int) -> None:
        """Steps or examples of the current cell."""

    def finish(self, cell: Cell, status: str, seconds: float, error: str | None) -> None:
        """The cell ended."""


class Attacker(Protocol):
    """Who attacks: a watched process, or this one."""

    def run(self, job: AttackJob, on_row: Callable[[Row], None]) -> None:
        """Attack every example of ``job``; ``on_row`` gets each row as it comes."""


class Stages(Generic[AnyPlan]):
    """Carries out cells of ``plan`` in a run's ``directory``; each method is a :data:`Stage`."""

    def __init__(self, plan: AnyPlan, directory: RunDirectory, progress: Progress, attacks: Attacker) -> None:
        self._plan = plan
        self._directory = directory
        self._progress = progress
        self._attacks = attacks
        self._models = directory.path / "models"


def write_rows(path: Path, cell: Cell, rows: Sequence[Mapping[str, Any]], kind: Any) -> None:
    """Write a cell's rows as a table of ``kind``, opened by the cell's columns."""
    write_table(path, pd.DataFrame([{**cell.columns, **row} for row in rows]), kind)
