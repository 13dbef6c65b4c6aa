"""The clean accuracy that a model must reach for a comparison with it to mean anything."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from asa_bench.records.schema import CELL
from asa_bench.stats.metrics import TEST


def under_floor(predictions: pd.DataFrame, asked: Mapping[str, float | None]) -> list[str]:
    """A sentence for each model whose clean accuracy does not reach its task's floor.

    Args:
        predictions: clean predictions (schema ``PREDICTIONS``).
        asked: the floor that the user asks for, by task; None, or no entry: :func:`accuracy_floor`.
    """
    found = []
    for (task, _, defence, seed), rows in predictions[predictions["dataset"] == TEST].groupby(CELL):
        value = int((rows["prediction"] == rows["label"]).sum()) / len(rows)
        own = asked.get(str(task))
        floor = accuracy_floor(rows["label"]) if own is None else own
        if floor is not None and value < floor:
            found.append(
                f"{defence} (seed {seed}) has clean accuracy {value:.3f}, "
                f"under the floor of {floor:.3f}: the comparison is not meaningful"
            )
    return found


def accuracy_floor(labels: pd.Series) -> float | None:
    """One right answer more than a constant answer gives; None where all ``labels`` are one."""
    counts = labels.value_counts()
    return (int(counts.max()) + 1) / len(labels) if len(counts) > 1 else None
