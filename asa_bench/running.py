"""Running a plan: every cell that is not done, then the run's tables and its report."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd
import torch

from asa_bench.assets import asset_path
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.planned import PlannedAttack
from asa_bench.attacking.rows import Row, split
from asa_bench.core.environment import versions
from asa_bench.core.errors import one_line
from asa_bench.core.files import DISK_ERRORS, write_text
from asa_bench.core.seeding import derive_seed
from asa_bench.defences.asa import ASA
from asa_bench.defences.base import Defence
from asa_bench.defences.training import TrainingFailedError, TrainSettings, train
from asa_bench.models.card import model_card
from asa_bench.models.checkpoint import read_weights, save_checkpoint, weights_digest, write_weights
from asa_bench.models.classifier import load_classifier, new_classifier
from asa_bench.models.sentences import JUDGE
from asa_bench.plan import Cell, Plan
from asa_bench.probes.attention import attention_views
from asa_bench.probes.evaluation import evaluate
from asa_bench.probes.similarity import similarities
from asa_bench.records import schema
from asa_bench.records.directory import RowLog, RunDirectory
from asa_bench.records.store import read_table, write_table
from asa_bench.suite import DefenceEntry
from asa_bench.suite_plan import SuitePlan
from asa_bench.tasks import Example

ROWS = "rows.jsonl"
"""The rows of an attack under way, inside its cell's folder."""

UNFINISHED = "training.pt"
"""A training under way, inside its cell's folder."""

DEFENCE = "defence.safetensors"
"""The weights that a defence trained beside the model, inside its training cell's folder."""


class Trained(NamedTuple):
    """A model, and what its training was like."""

    model: Any
    tokenizer: Any
    defence: Defence[Any]
    records: list[dict[str, float]]
    examples: int

    def cost(self) -> dict[str, int]:
        """What it took: optimizer steps, passes of a step, trained parameters (the defence's own too), examples."""
        own = sum(parameter.numel() for parameter in self.defence.parameters())
        parameters = sum(parameter.numel() for parameter in self.model.parameters()) + own
        steps = {"steps": len(self.records), "passes": self.defence.passes}
        return {**steps, "parameters": parameters, "examples": self.examples}


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


class CellRunner:
    """Runs the cells of one plan in one directory."""

    def __init__(self, plan: Plan, directory: RunDirectory, progress: Progress, attacks: Attacker) -> None:
        self._plan = plan
        self._directory = directory
        self._progress = progress
        self._attacks = attacks
        self._models = directory.path / "models"
        self._stages: dict[str, Callable[[Cell, Path], dict[str, Any]]] = {
            "train": self._train,
            "view": self._view,
            "evaluate": self._evaluate,
            "attack": self._attack,
            "harvest": self._attack,
            "trial": self._trial,
        }

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
        open_cells = [cell for cell in self._plan.cells if self._status(cell) != "done"]
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
        self._directory.end(cell.name, {**state, "versions": versions()})
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

    def _train(self, cell: Cell, folder: Path) -> dict[str, Any]:
        plan = self._suite_plan
        checkpoint, tuned = self._checkpoint(cell), self._tuned(cell)
        entry = plan.defence(cell.defence).varied(tuned)
        settings = plan.train_settings(cell.task, entry, cell.portion, tuned)
        shutil.rmtree(checkpoint, ignore_errors=True)
        trained = self._fit(cell, entry, settings, folder / UNFINISHED)
        card = model_card(cell.task, cell.encoder, entry.name, entry.method, cell.seed, trained.examples)
        save_checkpoint(trained.model, trained.tokenizer, checkpoint, card)
        _write(folder / "training.parquet", cell, trained.records, schema.TRAINING)
        if any(True for _ in trained.defence.parameters()):  # TAVAT's table is of no use after training
            write_weights(folder / DEFENCE, trained.defence.state())
        (folder / UNFINISHED).unlink(missing_ok=True)
        found = {"weights": weights_digest(trained.model), **trained.cost()}
        return {**found, "tuned": tuned} if tuned else found

    def _trial(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Train with the values to try, and judge the model on validation examples; it is not kept."""
        plan, values = self._suite_plan, self._suite_plan.trial_values(cell)
        entry, checkpoint = plan.defence(cell.defence).varied(values), folder / "model"
        settings = plan.train_settings(cell.task, entry, cell.portion, values)
        try:
            trained = self._fit(cell, entry, settings, folder / UNFINISHED)
        except TrainingFailedError:  # which is a finding, too
            return {"values": values, "validation_loss": None, "robust_accuracy": None}
        save_checkpoint(trained.model, trained.tokenizer, checkpoint, "")
        classifier = load_classifier(checkpoint, plan.precision, plan.device, plan.attention(cell.encoder))
        validation = {"validation": plan.clean_datasets(cell.task)["validation"]}
        _, calibration = evaluate(classifier, validation, self._progress.advance)
        found: dict[str, Any] = {"values": values, "validation_loss": calibration["validation_loss"]}
        if plan.loaded.tuning is not None:
            job = self._job_on(cell, plan.loaded.tuning, checkpoint, calibration["temperature"])
            rows: list[Row] = []
            self._attacks.run(job, rows.append)
            found["robust_accuracy"] = sum(row["outcome"] == "failed" for row in rows) / len(rows)
        shutil.rmtree(checkpoint)
        (folder / UNFINISHED).unlink(missing_ok=True)
        return found

    def _tuned(self, cell: Cell) -> dict[str, Any]:
        """The values of the best trial; the first of equals, none where nothing was tried."""
        trials = [self._directory.state(name) for name in cell.needs if name.startswith("trial/")]
        if not trials:
            return {}
        told = [trial for trial in trials if trial["validation_loss"] is not None]
        if not told:
            raise TrainingFailedError("the loss was not finite in any trial; lower train.learning_rate")
        if self._suite_plan.loaded.tuning is not None:
            best = max(told, key=lambda trial: float(trial["robust_accuracy"]))
        else:
            best = min(told, key=lambda trial: float(trial["validation_loss"]))
        return dict(best["values"])

    def _fit(self, cell: Cell, entry: DefenceEntry, settings: TrainSettings, unfinished: Path) -> Trained:
        """Train the cell's model, going on with what a killed training left."""
        plan, data = self._suite_plan, self._plan.tasks[cell.task]
        examples = plan.training_examples(cell.task, cell.portion)
        model, tokenizer = new_classifier(
            plan.encoders[cell.encoder].folder,
            data.labels,
            derive_seed("model", cell.seed),
            plan.attention(cell.encoder),
            settings.max_length,
        )
        defence = plan.method(entry)
        if defence.harvest is not None:
            examples += self._successes(cell.needs[0], len(data.text_columns))
        elif defence.source is not None:
            learnt = self._directory.cell(cell.needs[0]) / "training.parquet"
            defence.learn_from(read_table(learnt, schema.TRAINING))
        records = train(
            model,
            tokenizer,
            examples,
            defence,
            settings,
            seed=cell.seed,
            precision=plan.precision,
            on_step=self._progress.advance,
            resume=unfinished,
        )
        return Trained(model, tokenizer, defence, records, len(examples))

    @property
    def _suite_plan(self) -> SuitePlan:
        assert isinstance(self._plan, SuitePlan)  # no other plan has cells that train
        return self._plan

    def _successes(self, harvest: str, fields: int) -> tuple[Example, ...]:
        """What misled the model in a harvest, as training examples with their gold labels."""
        rows = read_table(self._directory.cell(harvest) / "examples.parquet", schema.EXAMPLES)
        misled = rows[rows["outcome"] == "succeeded"]
        if misled.empty:
            raise RuntimeError(f"{harvest}: no attack succeeded, so that there is nothing to learn from")
        columns = zip(misled["example_id"], misled["adversarial_text"], misled["label"], strict=True)
        return tuple(
            Example(f"{name}-adversarial", tuple(split(text, fields)), int(label)) for name, text, label in columns
        )

    def _view(self, cell: Cell, folder: Path) -> dict[str, Any]:
        plan = self._suite_plan
        assert plan.suite.views is not None
        tuned = self._directory.state(f"train/{cell.model}").get("tuned", {})
        entry = plan.defence(cell.defence).varied(tuned)
        classifier = load_classifier(self._checkpoint(cell), "fp32", plan.device, "eager")
        defence = plan.method(entry)
        if isinstance(defence, ASA):
            defence.attach(classifier.model)
            defence.load_state(read_weights(self._directory.cell(f"train/{cell.model}") / DEFENCE))
        rows, maps = attention_views(
            classifier,
            plan.viewed_examples(cell.task),
            defence if isinstance(defence, ASA) else None,
            plan.suite.views,
            self._progress.advance,
        )
        _write(folder / "views.parquet", cell, rows, schema.VIEWS)
        _write(folder / "maps.parquet", cell, maps, schema.MAPS)
        return {}

    def _evaluate(self, cell: Cell, folder: Path) -> dict[str, Any]:
        classifier = self._plan.classifier(cell, self._models)
        rows, calibration = evaluate(classifier, self._plan.clean_datasets(cell.task), self._progress.advance)
        _write(folder / "predictions.parquet", cell, rows, schema.PREDICTIONS)
        _write(folder / "calibration.parquet", cell, [calibration], schema.CALIBRATION)
        return {**calibration, "weights": self._weights(cell)}

    def _attack(self, cell: Cell, folder: Path) -> dict[str, Any]:
        job, frame = self._job(cell), cell.ingredients["protocol"]["fingerprint"]
        log = RowLog(folder / ROWS)
        finished = {row["example_id"] for row in log.rows}
        total = len(job.examples)

        def keep(row: Row) -> None:
            log.append(row)
            self._progress.advance(len(log.rows), total)

        open_examples = tuple(example for example in job.examples if example.id not in finished)
        self._attacks.run(job.model_copy(update={"examples": open_examples}), keep)
        order = {example.id: position for position, example in enumerate(job.examples)}
        rows = sorted(log.rows, key=lambda row: order[row["example_id"]])
        _add_similarity(rows, len(job.columns))
        _write(folder / "examples.parquet", cell, [{**row, "protocol": frame} for row in rows], schema.EXAMPLES)
        return {"examples": total}

    def _job(self, cell: Cell) -> AttackJob:
        attack = self._plan.attack(cell)
        calibrated = attack.settings.temperature == "calibrated"
        return self._job_on(cell, attack, self._checkpoint(cell), self._temperature(cell) if calibrated else None)

    def _job_on(self, cell: Cell, attack: PlannedAttack, checkpoint: Path, temperature: float | None) -> AttackJob:
        plan = self._plan
        return AttackJob(
            recipe=attack.recipe,
            frame=attack.frame,
            search=attack.settings.search,
            checkpoint=checkpoint,
            columns=plan.tasks[cell.task].text_columns,
            examples=plan.targets(cell),
            query_budget=attack.budget,
            temperature=temperature,
            seed=cell.seed,
            precision=plan.precision,
            attention=plan.attention(cell.encoder),
            threads=plan.threads,
            device=str(plan.device),
        )

    def _temperature(self, cell: Cell) -> float:
        """The temperature fitted for these very weights.

        Raises:
            RuntimeError: when a dropped model was trained again and came out different (another machine or torch).
        """
        evaluated = self._directory.state(f"evaluate/{cell.model}")
        if evaluated["weights"] != self._weights(cell):
            raise RuntimeError("the model was trained again and differs from the evaluated one; run with --fresh")
        return float(evaluated["temperature"])

    def _weights(self, cell: Cell) -> str | None:
        """Digest of the weights that were trained here; None for a model that the user gave."""
        return self._directory.state(f"train/{cell.model}").get("weights")


def _last_of(cells: Sequence[Cell], model: str) -> Cell:
    return [cell for cell in cells if cell.model == model][-1]


def _write(path: Path, cell: Cell, rows: Sequence[Mapping[str, Any]], kind: Any) -> None:
    write_table(path, pd.DataFrame([{**cell.columns, **row} for row in rows]), kind)


def _add_similarity(rows: Sequence[Row], fields: int) -> None:
    """Judge the successes."""
    judged = [row for row in rows if row["adversarial_text"] is not None]
    pairs = [
        tuple(" ".join(split(row[column], fields)) for column in ("original_text", "adversarial_text"))
        for row in judged
    ]
    for row, value in zip(judged, similarities(asset_path(JUDGE), pairs), strict=True):
        row["similarity"] = value
