"""Control for ASA: the second pass spreads its attention more evenly, by no learnt choice. Cost 2F + 2B.

The bias −(1 − s) · score, that is attention at a higher temperature: every row moves towards the uniform distribution.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.consistency import Consistency
from asa_bench.models.score_bias import Adjustment


class SmoothingBiasSettings(Settings):
    """How far attention is smoothed."""

    sharpness: float = Field(default=0.5, gt=0, lt=1)
    """s: what the scores are multiplied by; near 0 attention is uniform. (At 0 it would reach padding.)"""


class SmoothingBias(Consistency[SmoothingBiasSettings]):
    """Trains for agreement with a pass of smoothed attention."""

    Settings = SmoothingBiasSettings

    @override
    def _disturbance(self, layer: int, hidden: Tensor) -> Adjustment:
        return Adjustment(factor=hidden.new_full((len(hidden), 1, 1, 1), self.settings.sharpness))
