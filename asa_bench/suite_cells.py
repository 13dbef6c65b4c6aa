"""Cells that only a suite has: trainings, trials of what is tuned, and views of a trained model's attention."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from asa_bench.attacking.rows import Row, split
from asa_bench.core.seeding import derive_seed
from asa_bench.defences.asa import ASA
from asa_bench.defences.base import Defence
from asa_bench.defences.training import TrainingFailedError, TrainSettings, train
from asa_bench.models.card import model_card
from asa_bench.models.checkpoint import read_weights, save_checkpoint, weights_digest, write_weights
from asa_bench.models.classifier import load_classifier, new_classifier
from asa_bench.plan import Cell
from asa_bench.probes.attention import attention_views
from asa_bench.probes.evaluation import evaluate
from asa_bench.records import schema
from asa_bench.records.store import read_table
from asa_bench.stages import DEFENCE, Stages, write_rows
from asa_bench.suite import DefenceEntry
from asa_bench.suite_plan import SuitePlan
from asa_bench.tasks import Example

UNFINISHED = "training.pt"
"""A training under way, inside its cell's folder."""


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


class SuiteCells(Stages[SuitePlan]):
    """Carries out the cells of a suite that no other plan has."""

    def train(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Train the cell's model, with the values of the best trial where some were tried."""
        plan = self._plan
        checkpoint, tuned = plan.checkpoint(cell, self._models), self._tuned(cell)
        entry = plan.defence(cell.defence).varied(tuned)
        settings = plan.train_settings(cell.task, entry, cell.portion, tuned)
        shutil.rmtree(checkpoint, ignore_errors=True)
        trained = self._fit(cell, entry, settings, folder / UNFINISHED)
        card = model_card(cell.task, cell.encoder, entry.name, entry.method, cell.seed, trained.examples)
        save_checkpoint(trained.model, trained.tokenizer, checkpoint, card)
        write_rows(folder / "training.parquet", cell, trained.records, schema.TRAINING)
        if any(True for _ in trained.defence.parameters()):  # TAVAT's table is of no use after training
            write_weights(folder / DEFENCE, trained.defence.state())
        (folder / UNFINISHED).unlink(missing_ok=True)
        found = {"weights": weights_digest(trained.model), **trained.cost()}
        return {**found, "tuned": tuned} if tuned else found

    def trial(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Train with the values to try, and judge the model on validation examples; it is not kept."""
        plan = self._plan
        values = plan.trial_values(cell)
        entry, checkpoint = plan.defence(cell.defence).varied(values), folder / "model"
        settings = plan.train_settings(cell.task, entry, cell.portion, values)
        try:
            trained = self._fit(cell, entry, settings, folder / UNFINISHED)
        except TrainingFailedError:  # which is a finding, too
            (folder / UNFINISHED).unlink(missing_ok=True)
            return {"values": values, "validation_loss": None, "robust_accuracy": None}
        save_checkpoint(trained.model, trained.tokenizer, checkpoint, "")
        classifier = load_classifier(checkpoint, plan.precision, plan.device, plan.attention(cell.encoder))
        validation = {"validation": plan.clean_datasets(cell.task)["validation"]}
        _, calibration = evaluate(classifier, validation, self._progress.advance)
        found: dict[str, Any] = {"values": values, "validation_loss": calibration["validation_loss"]}
        if plan.loaded.tuning is not None:
            job = plan.job(cell, plan.loaded.tuning, checkpoint, calibration["temperature"])
            rows: list[Row] = []
            self._attacks.run(job, rows.append)
            found["robust_accuracy"] = sum(row["outcome"] == "failed" for row in rows) / len(rows)
        shutil.rmtree(checkpoint)
        (folder / UNFINISHED).unlink(missing_ok=True)
        return found

    def _tuned(self, cell: Cell) -> dict[str, Any]:
        """The values of the best trial, none where nothing was tried.

        Of trials that are equally robust the one of the lowest validation loss; then the first of equals.
        """
        trials = [self._directory.state(name) for name in cell.needs if name.startswith("trial/")]
        if not trials:
            return {}
        told = [trial for trial in trials if trial["validation_loss"] is not None]
        if not told:
            raise TrainingFailedError("the loss was not finite in any trial; lower train.learning_rate")
        if self._plan.loaded.tuning is not None:
            told.sort(key=lambda trial: -float(trial["robust_accuracy"]))
            told = [trial for trial in told if trial["robust_accuracy"] == told[0]["robust_accuracy"]]
        best = min(told, key=lambda trial: float(trial["validation_loss"]))
        return dict(best["values"])

    def _fit(self, cell: Cell, entry: DefenceEntry, settings: TrainSettings, unfinished: Path) -> Trained:
        """Train the cell's model, going on with what a killed training left."""
        plan = self._plan
        data = plan.tasks[cell.task]
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

    def _successes(self, harvest: str, fields: int) -> tuple[Example, ...]:
        """What misled the model in a harvest, as training examples with their gold labels."""
        rows = read_table(self._directory.cell(harvest) / "examples.parquet", schema.EXAMPLES)
        misled = rows[rows["outcome"] == "succeeded"]
        if misled.empty:
            raise TrainingFailedError(f"{harvest}: no attack succeeded, so that there is nothing to learn from")
        columns = zip(misled["example_id"], misled["adversarial_text"], misled["label"], strict=True)
        return tuple(
            Example(f"{name}-adversarial", tuple(split(text, fields)), int(label)) for name, text, label in columns
        )

    def view(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Look at the trained model's attention."""
        plan = self._plan
        assert plan.suite.views is not None
        tuned = self._directory.state(f"train/{cell.model}").get("tuned", {})
        entry = plan.defence(cell.defence).varied(tuned)
        classifier = load_classifier(plan.checkpoint(cell, self._models), "fp32", plan.device, "eager")
        defence = plan.method(entry)
        if isinstance(defence, ASA):
            defence = plan.method(entry.varied({"binarisation": "deterministic"}))  # a view draws no noise
            defence.attach(classifier.model)
            defence.load_state(read_weights(self._directory.cell(f"train/{cell.model}") / DEFENCE))
        rows, maps = attention_views(
            classifier,
            plan.viewed_examples(cell.task),
            defence if isinstance(defence, ASA) else None,
            plan.suite.views,
            self._progress.advance,
        )
        write_rows(folder / "views.parquet", cell, rows, schema.VIEWS)
        write_rows(folder / "maps.parquet", cell, maps, schema.MAPS)
        return {}
