"""Label smoothing: cross-entropy against softened labels. Cost 1F + 1B.

Szegedy et al. 2016, arXiv 1512.00567. Each label gets ``smoothing`` / labels of the probability, the gold one the rest.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from pydantic import Field
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence, Losses, inputs_of, number


class LabelSmoothingSettings(Settings):
    """How soft the labels are."""

    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Probability that is spread evenly over all labels."""


class LabelSmoothing(Defence[LabelSmoothingSettings]):
    """Fine-tuning on labels that are less than certain."""

    Settings = LabelSmoothingSettings

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        logits = model(**inputs_of(batch)).logits  # (B, labels)
        smoothed = F.cross_entropy(logits, batch["labels"], label_smoothing=self.settings.smoothing)
        smoothed.backward()
        return {"loss": number(F.cross_entropy(logits, batch["labels"])), "smoothed_loss": number(smoothed)}
