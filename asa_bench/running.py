"""Running a plan: every cell that is not done, then the run's tables and its report."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from asa_bench.core.environment import hardware, versions
from asa_bench.core.errors import one_line
from asa_bench.core.files import DISK_ERRORS, write_text
from asa_bench.model_cells import ROWS, ModelCells
from asa_bench.plan import Cell, Plan
from asa_bench.records.directory import RunDirectory
from asa_bench.stages import Attacker, Progress, Stage
from asa_bench.suite_cells import SuiteCells
from asa_bench.suite_plan import SuitePlan


class CellRunner:
    """Runs the cells of one plan in one directory."""

    def __init__(self, plan: Plan, directory: RunDirectory, progress: Progress, attacks: Attacker) -> None:
        self._plan = plan
        self._directory = directory
        self._progress = progress
        self._models = directory.path / "models"
        of_models = ModelCells(plan, directory, progress, attacks)
        self._stages: dict[str, Stage] = {
            "evaluate": of_models.evaluate,
            "attack": of_models.attack,
            "harvest": of_models.attack,
            "quality": of_models.quality,
            "probe": of_models.probe,
            "transfer": of_models.transfer,
        }
        if isinstance(plan, SuitePlan):
            of_suites = SuiteCells(plan, directory, progress, attacks)
            self._stages |= {"train": of_suites.train, "trial": of_suites.trial, "view": of_suites.view}

    def run_all(self) -> None:
        """Run every cell that is not done, in order; a cell that fails costs those that need it, nothing else."""
        torch.set_num_threads(self._plan.threads)
        todo = self.todo()
        for number, cell in enumerate(todo, start=1):
            self._progress.start(cell, number, len(todo))
            self._run(cell)
            if not self._plan.keeps(cell) and cell is _last_of(todo, cell.model):
                shutil.rmtree(self._checkpoint(cell), ignore_errors=True)

    def todo(self) -> list[Cell]:
        """Cells to run; a model that was dropped but is needed again is trained again."""
        undone = {cell.name for cell in self._plan.cells if self._status(cell) != "done"}
        open_cells = [cell for cell in self._plan.cells if not undone.isdisjoint((cell.name, *cell.uses))]
        wanted = {cell.model for cell in open_cells}
        return [
            cell
            for cell in self._plan.cells
            if cell in open_cells
            or (cell.kind == "train" and cell.model in wanted and not self._checkpoint(cell).is_dir())
        ]

    def _status(self, cell: Cell) -> str:
        return self._directory.status(cell.name, cell.key)

    def _run(self, cell: Cell) -> None:
        folder = self._directory.begin(cell.name, cell.key)
        started = time.perf_counter()
        (folder / "error.txt").unlink(missing_ok=True)
        state: dict[str, Any] = {"key": cell.key, "status": "done", "error": None}
        try:
            self._need(cell)
            state |= self._stages[cell.kind](cell, folder)
        except Exception as error:
            if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in DISK_ERRORS):
                raise  # it would fail every other cell too
            write_text(folder / "error.txt", traceback.format_exc())
            state |= {"status": "failed", "error": one_line(error)}
        state["seconds"] = round(time.perf_counter() - started, 3)
        self._directory.end(cell.name, {**state, "versions": versions(), "hardware": hardware()})
        if state["status"] == "done":
            (folder / ROWS).unlink(missing_ok=True)
        self._progress.finish(cell, state["status"], state["seconds"], state["error"])

    def _need(self, cell: Cell) -> None:
        """Raise when a cell that this one works on is not there."""
        for name in cell.needs:
            status = self._directory.state(name).get("status")
            if status != "done":
                raise RuntimeError(f"needs {name}, which {'failed' if status == 'failed' else 'is not done'}")

    def _checkpoint(self, cell: Cell) -> Path:
        return self._plan.checkpoint(cell, self._models)


def _last_of(cells: Sequence[Cell], model: str) -> Cell:
    return [cell for cell in cells if cell.model == model][-1]
