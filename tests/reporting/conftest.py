"""Small runs made of tables: the inputs of pure functions, with known accuracies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.core.seeding import derive_seed
from asa_bench.records.schema import (
    CALIBRATION,
    CURVES,
    EXAMPLES,
    MAPS,
    PREDICTIONS,
    PROBES,
    RESULTS,
    TRAINING,
    VIEWS,
    table,
)
from asa_bench.records.store import Run
from asa_bench.stats.metrics import results

Rows = list[dict[str, Any]]
MakeRun = Callable[..., Run]

TEXT = "a quietly moving film whose jokes land softly and whose ending never feels cheap or hurried at all"
METHODS = {"baseline": "baseline", "freelb": "freelb", "asa": "asa", "asa-ratio": "asa"}
ROBUST = {"baseline": 0.20, "freelb": 0.27, "asa": 0.36, "asa-ratio": 0.33}
EFFORT = ["accuracy-over-queries", "accuracy-over-words", "accuracy-over-similarity"]
HARDER = {"deepwordbug": 0.0, "pwws": 0.06}


def _chance(*parts: object) -> float:
    return derive_seed(*parts) / 2**32


def example_rows(cell: dict[str, Any], attack: str, n: int) -> Rows:
    """``n`` attacked examples: 15 % are skipped, every 50th ends in an error."""
    limit = ROBUST.get(cell["defence"], 0.3) + HARDER.get(attack, 0.0)
    rows: Rows = []
    for i in range(n):
        robust = _chance(i, "robust") * 0.7 + _chance(i, cell["defence"], cell["seed"], attack) * 0.3
        outcome = "skipped" if i % 7 == 3 else "error" if i % 50 == 49 else "failed" if robust < limit else "succeeded"
        rows.append({**cell, "attack": attack, **_example(i, outcome, attack)})
    return rows


def _example(i: int, outcome: str, attack: str) -> dict[str, Any]:
    label, words = i % 2, TEXT.split()
    words = words[i % 9 :] + words[: i % 9]
    original = " ".join(words)
    words[2] = f"{words[2][1:]}{words[2][0]}" if attack == "deepwordbug" else "synonym"
    succeeded = outcome == "succeeded"
    return {
        "example_id": f"{derive_seed('id', i):016x}",
        "label": label,
        "outcome": outcome,
        "original_text": original,
        "adversarial_text": " ".join(words) if succeeded else None,
        "original_prediction": 1 - label if outcome == "skipped" else None if outcome == "error" else label,
        "adversarial_prediction": 1 - label if succeeded else None,
        "queries": 1 if outcome == "skipped" else 30 + i % 40,
        "words_changed": 1 if succeeded else None,
        "similarity": 0.9 if succeeded else None,
        "seconds": 0.1,
        "message": "the victim gave no scores" if outcome == "error" else None,
        "protocol": "abc",
    }


def prediction_rows(cell: dict[str, Any]) -> Rows:
    """A test set of 400 at 85 % and an out-of-domain one of 200 at 70 %, over-confident."""
    rows: Rows = []
    for dataset, n, accuracy in (("test", 400, 0.85), ("tweets", 200, 0.7)):
        for i in range(n):
            right = _chance(dataset, i, cell["defence"], cell["seed"]) < accuracy
            clean = {"label": i % 2, "prediction": i % 2 if right else 1 - i % 2}
            confidence = {"confidence": 0.97, "calibrated_confidence": 0.86}
            rows.append({**cell, "dataset": dataset, "example_id": f"{dataset}{i}", **clean, **confidence})
    return rows


def training_rows(cell: dict[str, Any], steps: int = 60) -> Rows:
    """A falling loss; ASA's rows have a masked ratio for each of three layers."""
    slow = {"baseline": 0.3, "freelb": 0.93}.get(cell["defence"], 0.66)
    rows: Rows = []
    for step in range(steps):
        loss = 0.2 + 0.5 * math.exp(-step / 20) + 0.1 * _chance(cell["defence"], cell["seed"], step)
        row = {**cell, "step": step, "loss": loss, "seconds": slow}
        if cell["defence"].startswith("asa"):
            row |= {f"masked_ratio_{layer}": 0.05 * (layer + 1) * (1 - math.exp(-step / 15)) for layer in range(3)}
        rows.append(row)
    return rows


def view_rows(cell: dict[str, Any]) -> Rows:
    """Three layers: attention on keywords and its divergence; ASA's models also under their mask."""
    conditions = ["clean", "radius 0.1", "radius 3", *(["mask"] if cell["defence"].startswith("asa") else [])]
    rows: Rows = []
    for place, condition in enumerate(conditions):
        bounds = {"low": 0.01, "high": 2.0, "n": 100}
        for layer in range(3):
            moved = {**cell, "condition": condition, "layer": layer, **bounds}
            if condition in ("clean", "mask"):
                rows.append({**moved, "view": "keywords", "value": 1.2 - 0.1 * place - 0.05 * layer})
                rows.append({**moved, "view": "other-words", "value": 0.8 + 0.05 * place})
            if condition != "clean":
                rows.append({**moved, "view": "divergence", "value": 0.01 * (place + layer)})
        if condition != "clean":
            changed = {"view": "prediction", "condition": condition, "layer": None, "value": 0.1 * place}
            rows.append({**cell, **changed, **bounds})
    return rows


def map_rows(cell: dict[str, Any]) -> Rows:
    """One sentence of four tokens in three layers."""
    tokens, even = ["[CLS]", "fine", "film", "[SEP]"], [[0.25] * 4] * 4
    conditions = ["clean", *(["mask"] if cell["defence"].startswith("asa") else [])]
    return [
        {
            **cell, "example_id": "0123456789abcdef", "condition": condition, "layer": layer,
            "tokens": json.dumps(tokens), "attention": json.dumps(even),
            "keywords": json.dumps([False, True, False, False]),
        }
        for condition in conditions
        for layer in range(3)
    ]  # fmt: skip


def curve_rows(cell: dict[str, Any]) -> Rows:
    """Three sizes of the training data."""
    row = {**cell, "attack": None, "n": 200}
    return [
        {**row, "train_examples": size, "metric": metric, "value": value, "low": value - 0.05, "high": value + 0.05}
        for size in (250, 1000, 4000)
        for metric, value in (("clean_accuracy", 0.6 + size / 20000), ("worst_case_accuracy", 0.1))
    ]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A function that builds a run; its arguments say what the run has."""

    def make(
        *,
        defences: Sequence[str] = tuple(METHODS),
        attacks: Sequence[str] = tuple(HARDER),
        seeds: Sequence[int] = (0,),
        tasks: Sequence[str] = ("movie-sentiment",),
        n: int = 200,
        views: bool = False,
        probes: Sequence[dict[str, Any]] = (),
        missing: Callable[[dict[str, Any], str], bool] = lambda cell, attack: False,
        **info: Any,
    ) -> Run:
        cells: Rows = [
            {"task": task, "encoder": "minilm", "defence": defence, "seed": seed}
            for task in tasks
            for defence in defences
            for seed in seeds
        ]
        examples = table(
            [row for c in cells for a in attacks if not missing(c, a) for row in example_rows(c, a, n)], EXAMPLES
        )
        predictions = table([row for cell in cells for row in prediction_rows(cell)], PREDICTIONS)
        calibration = table([{**c, "temperature": 1.7, "validation_loss": 0.4} for c in cells], CALIBRATION)
        training = table([row for cell in cells for row in training_rows(cell)], TRAINING)
        metrics = results(examples, predictions, calibration)
        return Run(
            tmp_path,
            _info(defences, attacks, seeds, tasks) | info,
            metrics,
            examples,
            training,
            predictions,
            calibration,
            views=table([row for cell in cells for row in view_rows(cell)] if views else [], VIEWS),
            maps=table([row for cell in cells for row in map_rows(cell)] if views else [], MAPS),
            probes=table([{**cell, **row} for cell in cells for row in probes], PROBES),
            curves=table([row for cell in cells for row in curve_rows(cell)] if views else [], CURVES),
        )

    return make


@pytest.fixture
def empty_run(tmp_path: Path) -> Run:
    """A run of which nothing has been done."""
    schemas = (RESULTS, EXAMPLES, TRAINING, PREDICTIONS, CALIBRATION)
    frames: list[pd.DataFrame] = [table([], schema) for schema in schemas]
    return Run(tmp_path, {"format": 1, "suite": {"name": "nothing"}}, *frames)


def _info(
    defences: Sequence[str], attacks: Sequence[str], seeds: Sequence[int], tasks: Sequence[str]
) -> dict[str, Any]:
    suite = {
        "name": "quickstart",
        "seeds": list(seeds),
        "task": [{"name": task} for task in tasks],
        "encoder": [{"name": "minilm"}],
        "train": {"examples": 2500, "epochs": 2, "batch_size": 32, "precision": "bf16"},
        "defence": [{"name": name, "method": METHODS.get(name, name)} for name in defences],
        "attack": [{"name": a, "recipe": a, "kind": "text", "examples": 200, "query_budget": 500} for a in attacks],
    }
    return {
        "format": 1,
        "suite": suite,
        "protocol_fingerprint": "f" * 64,
        "protocols": {attack: {"fingerprint": "a" * 64, "max_words_changed": None} for attack in attacks},
        "assets": {"minilm": "b" * 64},
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "git": {"commit": "0123abcd", "dirty": True},
        "hardware": {"processor": "Two calm cores", "cores": 2, "memory_gib": 8.0, "gpu": None},
        "start": "2026-01-01T10:00:00+00:00",
        "end": "2026-01-01T10:12:00+00:00",
        "command": "asa-bench run quickstart --out runs/q",
    }
