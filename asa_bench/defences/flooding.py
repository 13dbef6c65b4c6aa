"""Flooding: the loss of a batch is kept from falling under a level. Cost 1F + 1B.

Ishida, Yamane, Sakai, Niu, Sugiyama 2020, arXiv 2002.08709; against text attacks Liu et al. 2022, ACL
2022.acl-long.386. The objective |loss − level| + level descends above the level and ascends under it.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from pydantic import Field
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence, Losses, inputs_of, number


class FloodingSettings(Settings):
    """The level."""

    level: float = Field(default=0.1, ge=0)
    """Nats under which a batch's loss is not to fall; the papers choose it on validation data, 0.01 to 0.2."""


class Flooding(Defence[FloodingSettings]):
    """Fine-tuning that never fits its training data altogether."""

    Settings = FloodingSettings

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        logits = model(**inputs_of(batch)).logits  # (B, labels)
        loss = F.cross_entropy(logits, batch["labels"])
        ((loss - self.settings.level).abs() + self.settings.level).backward()
        return {"loss": number(loss)}
