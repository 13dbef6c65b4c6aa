"""Control for ASA: random words are hidden from all others. Cost 2F + 2B.

S-Attend masks random key columns of the attention, special tokens spared (Wu 2024 trains on the masked pass alone).
Here the masked pass is the second one, so that the method differs from ASA by its mask only.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.consistency import Masking


class SAttendSettings(Settings):
    """How much is hidden."""

    probability: float = Field(default=0.2, gt=0, lt=1)
    """Chance of a key column to be masked, drawn anew in each layer."""


class SAttend(Masking[SAttendSettings]):
    """Trains for agreement with a pass that does not see some of the words."""

    Settings = SAttendSettings

    @override
    def spares_special(self) -> bool:
        return True

    @override
    def _keep(self, layer: int, hidden: Tensor) -> Tensor:
        batch, length, _ = hidden.shape
        columns = torch.rand(batch, 1, 1, length, device=hidden.device) >= self.settings.probability
        return columns.float().expand(batch, 1, length, length)
