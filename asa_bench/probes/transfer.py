"""Whether texts that mislead one model mislead another: no attack on the other, and never counted as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch

from asa_bench.attacking.rows import split
from asa_bench.models.classifier import TextClassifier

REVISION = 1
"""Raised whenever a change to the measurement changes its results: it is part of the cells' keys."""

TRANSFER = "transfer"
"""Name of what is measured."""


def transfer(classifier: TextClassifier, rows: pd.DataFrame, fields: int) -> Iterator[dict[str, Any]]:
    """Rows of ``probes.parquet``, without the columns that name the cell: one per attack and attacked defence.

    ``value`` is the share of the adversarial texts that mislead ``classifier`` too, over those whose original it has
    right (their number is ``n``).

    Args:
        classifier: the model that is asked.
        rows: attacked examples of other models (schema ``EXAMPLES``).
        fields: how many text fields an example has.
    """
    for (attack, defence), successes in rows[rows["outcome"] == "succeeded"].groupby(["attack", "defence"], sort=False):
        labels = torch.tensor(successes["label"].to_numpy(dtype=int))
        right, still_right = (
            classifier.logits([tuple(split(text, fields)) for text in successes[column]]).argmax(dim=1) == labels
            for column in ("original_text", "adversarial_text")
        )
        if asked := int(right.sum()):
            misled = float((right & ~still_right).sum()) / asked
            yield {"attack": attack, "against": defence, "probe": TRANSFER, "value": misled, "n": asked}
