"""Fine-tuning without a defence: cross-entropy on the clean input. Cost 1F + 1B."""

from __future__ import annotations

from typing import Any, TypeVar

import torch.nn.functional as F
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence, Losses, NoSettings, inputs_of, number

S = TypeVar("S", bound=Settings)


class FineTuning(Defence[S]):
    """Cross-entropy on the batch as it is."""

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        logits = model(**inputs_of(batch)).logits  # (B, labels)
        loss = F.cross_entropy(logits, batch["labels"])
        loss.backward()
        return {"loss": number(loss)}


class Baseline(FineTuning[NoSettings]):
    """The undefended model that every defence is compared with."""

    Settings = NoSettings
