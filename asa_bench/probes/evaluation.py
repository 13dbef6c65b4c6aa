"""Clean predictions of a trained model on every data set of its task, and its calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from asa_bench.core.validation import Settings
from asa_bench.models.classifier import Classifier
from asa_bench.probes.calibration import cross_entropy, fit_temperature
from asa_bench.tasks import Example

REVISION = 1
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
    classifier: Classifier, datasets: Mapping[str, Sequence[Example]], on_progress: Callable[[int, int], None]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Rows of ``predictions.parquet`` and of ``calibration.parquet``, without the columns that name the cell.

    Args:
        classifier: the trained model.
        datasets: *validation*, *test* and out-of-domain sets.
        on_progress: told the examples done and in all.
    """
    total = sum(map(len, datasets.values()))
    logits: dict[str, Tensor] = {}
    done = 0
    for name, examples in datasets.items():
        pieces = []
        for start in range(0, len(examples), PIECE):
            piece = examples[start : start + PIECE]
            pieces.append(classifier.logits([example.fields for example in piece]))
            done += len(piece)
            on_progress(done, total)
        logits[name] = torch.cat(pieces)
    labels = torch.tensor([example.label for example in datasets["validation"]])
    temperature = fit_temperature(logits["validation"], labels)
    rows = [row for name in datasets for row in _rows(name, datasets[name], logits[name], temperature)]
    loss = cross_entropy(logits["validation"].double(), labels)
    return rows, {"temperature": temperature, "validation_loss": loss}


def _rows(dataset: str, examples: Sequence[Example], logits: Tensor, temperature: float) -> list[dict[str, Any]]:
    confidence, prediction = logits.double().softmax(dim=1).max(dim=1)
    calibrated = (logits.double() / temperature).softmax(dim=1).amax(dim=1)
    columns = zip(examples, prediction.tolist(), confidence.tolist(), calibrated.tolist(), strict=True)
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
