"""R-Drop: two dropout passes that both learn the task and agree with each other. Cost 2F + 2B.

Liang et al. 2021, arXiv 2106.14448. The paper's loss, halved: the task's loss is the mean over the two passes, not
their sum, so that it is of the baseline's size when the gradient is clipped. Both passes are one concatenated pass of
2B rows.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence, Losses, doubled, number
from asa_bench.defences.consistency import symmetric_kl


class RDropSettings(Settings):
    """How much agreement counts."""

    weight: float = Field(default=0.5, ge=0)
    """Weight of ½ [KL(p‖q) + KL(q‖p)]: half of the paper's α, which is 1 for classification."""


class RDrop(Defence[RDropSettings]):
    """Trains two dropout passes at once."""

    Settings = RDropSettings

    @property
    @override
    def passes(self) -> int:
        return 2

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        logits = model(**doubled(batch)).logits  # (2B, labels): each row twice, each time with its own dropout
        task = F.cross_entropy(logits, torch.cat([batch["labels"], batch["labels"]]))
        divergence = symmetric_kl(*logits.chunk(2))
        (task + self.settings.weight * divergence).backward()
        return {"loss": number(task), "divergence": number(divergence)}
