"""Cells of any model, trained here or given: clean predictions, attacks and their quality, checks, transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asa_bench.assets import MANIFEST, asset_path
from asa_bench.attacking.job import Adversary, AttackJob, Guide
from asa_bench.attacking.rows import Row, split
from asa_bench.models.sentences import JUDGE
from asa_bench.plan import Cell, Plan
from asa_bench.probes.checks import checks
from asa_bench.probes.evaluation import evaluate
from asa_bench.probes.quality import LEXICON, quality
from asa_bench.probes.similarity import similarities
from asa_bench.probes.transfer import transfer
from asa_bench.records import schema
from asa_bench.records.directory import RowLog
from asa_bench.records.store import concatenate, read_table
from asa_bench.stages import DEFENCE, Stages, write_rows

PROBES = "probes.parquet"
"""What was measured of a model besides attacks, inside its cell's folder."""

ROWS = "rows.jsonl"
"""The rows of an attack under way, inside its cell's folder."""


class ModelCells(Stages[Plan]):
    """Carries out the cells that every plan has."""

    def evaluate(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Predict the clean data sets, and fit the temperature."""
        classifier = self._plan.classifier(cell, self._models)
        rows, calibration = evaluate(classifier, self._plan.clean_datasets(cell.task), self._progress.advance)
        write_rows(folder / "predictions.parquet", cell, rows, schema.PREDICTIONS)
        write_rows(folder / "calibration.parquet", cell, [calibration], schema.CALIBRATION)
        return {**calibration, "weights": self._weights(cell)}

    def attack(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Attack the cell's examples that are not done yet."""
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
        write_rows(folder / "examples.parquet", cell, [{**row, "protocol": frame} for row in rows], schema.EXAMPLES)
        return {"examples": total}

    def quality(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Measure what an attack did to the texts."""
        (attack,) = cell.needs
        rows = read_table(self._directory.cell(attack) / "examples.parquet", schema.EXAMPLES)
        found = quality(rows, self._fields(cell), asset_path(LEXICON) / MANIFEST[LEXICON].layout)
        return self._keep(found, cell, folder)

    def probe(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Look for signs that the model's numbers flatter it."""
        plan = self._plan
        classifier = plan.classifier(cell, self._models)
        found = checks(classifier, plan.probed_examples(cell.task), plan.seen_examples(cell.task))
        return self._keep(found, cell, folder)

    def transfer(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Ask the model about the texts that misled others."""
        classifier = self._plan.classifier(cell, self._models)
        done = [name for name in cell.uses if self._directory.state(name).get("status") == "done"]
        tables = [read_table(self._directory.cell(name) / "examples.parquet", schema.EXAMPLES) for name in done]
        found = transfer(classifier, concatenate(tables, schema.EXAMPLES), self._fields(cell))
        return self._keep(found, cell, folder)

    def _fields(self, cell: Cell) -> int:
        return len(self._plan.tasks[cell.task].text_columns)

    def _keep(self, found: Iterable[Mapping[str, Any]], cell: Cell, folder: Path) -> dict[str, Any]:
        """Write what a probe found; there is nothing to tell of it in the cell's state."""
        write_rows(folder / PROBES, cell, list(found), schema.PROBES)
        return {}

    def _job(self, cell: Cell) -> AttackJob:
        attack = self._plan.attack(cell)
        calibrated = attack.settings.temperature == "calibrated"
        temperature = self._temperature(cell) * attack.settings.temperature_factor if calibrated else None
        job = self._plan.job(cell, attack, self._plan.checkpoint(cell, self._models), temperature)
        guide = attack.settings.adversary
        return job if guide == "off" else job.model_copy(update={"adversary": self._adversary(cell, guide)})

    def _adversary(self, cell: Cell, guide: Guide) -> Adversary:
        train = f"train/{cell.model}"
        method, settings = self._plan.adversary(cell, self._directory.state(train).get("tuned", {}))
        return Adversary(method=method, settings=settings, weights=self._directory.cell(train) / DEFENCE, guide=guide)

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


def _add_similarity(rows: Sequence[Row], fields: int) -> None:
    """Judge the successes."""
    judged = [row for row in rows if row["adversarial_text"] is not None]
    pairs = [
        tuple(" ".join(split(row[column], fields)) for column in ("original_text", "adversarial_text"))
        for row in judged
    ]
    for row, value in zip(judged, similarities(asset_path(JUDGE), pairs), strict=True):
        row["similarity"] = value
