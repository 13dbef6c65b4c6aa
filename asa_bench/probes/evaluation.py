"""Clean predictions of a trained model on every data set of its task, and its calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from asa_bench.core.validation import Settings
from asa_bench.models.classifier import TextClassifier
from asa_bench.probes.calibration import cross_entropy, fit_temperature
from asa_bench.tasks import Example

REVISION = 4
"""Raised whenever a change to evaluation or calibration changes their results: it is part of the cells' keys."""

PIECE = 256
"""Examples between two progress reports."""


class EvaluationSettings(Settings):
    """The ``[evaluation]`` table: how many clean examples each model predicts, drawn by the hash of their ids."""

    validation: int | None = Field(default=None, ge=1)
    """Validation examples, on which the temperature is fitted; all by default."""
    test: int | None = Field(default=None, ge=1)
    """Test examples; all by default."""
    out_of_domain: int | None = Field(default=1000, ge=1)
    """Examples of each out-of-domain set, or all where there are fewer."""


def evaluate(
    classifier: TextClassifier, datasets: Mapping[str, Sequence[Example]], on_progress: Callable[[int, int], None]
) -> tuple[list[dict[str, Any]], dict[str, float | None]]:
    """Rows of ``predictions.parquet`` and of ``calibration.parquet``, without the columns that name the cell.

    Args:
        classifier: the model.
        datasets: *test*, *validation* and out-of-domain sets; without validation, temperature and loss are None.
        on_progress: told the examples done and in all.
    """
    total = sum(map(len, datasets.values()))
    logits: dict[str, Tensor] = {}
    truncated: dict[str, list[bool | None]] = {}
    done = 0
    for name, examples in datasets.items():
        pieces = []
        for start in range(0, len(examples), PIECE):
            texts = [example.fields for example in examples[start : start + PIECE]]
            pieces.append(classifier.logits(texts))
            truncated.setdefault(name, []).extend(classifier.truncated(texts))
            done += len(texts)
            on_progress(done, total)
        logits[name] = torch.cat(pieces)
    calibration = _calibrate(logits.get("validation"), datasets.get("validation", ()))
    rows = [
        {**row, "truncated": long}
        for name in datasets
        for row, long in zip(
            _rows(name, datasets[name], logits[name], calibration["temperature"]), truncated[name], strict=True
        )
    ]
    return rows, calibration


def _calibrate(logits: Tensor | None, examples: Sequence[Example]) -> dict[str, float | None]:
    if logits is None:
        return {"temperature": None, "validation_loss": None}
    labels = torch.tensor([example.label for example in examples])
    loss = cross_entropy(logits.double(), labels)
    return {"temperature": fit_temperature(logits, labels), "validation_loss": loss}


def _rows(dataset: str, examples: Sequence[Example], logits: Tensor, temperature: float | None) -> list[dict[str, Any]]:
    confidence, prediction = logits.double().softmax(dim=1).max(dim=1)
    if temperature is None:
        calibrated: list[float | None] = [None] * len(examples)
    else:
        calibrated = (logits.double() / temperature).softmax(dim=1).amax(dim=1).tolist()
    columns = zip(examples, prediction.tolist(), confidence.tolist(), calibrated, strict=True)
    return [
        {
            "dataset": dataset,
            "example_id": example.id,
            "label": example.label,
            "prediction": label,
            "confidence": raw,
            "calibrated_confidence": fitted,
        }
        for example, label, raw, fitted in columns
    ]
