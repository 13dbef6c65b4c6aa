"""Control for ASA: the second pass is clean, too, and differs by its dropout alone. Cost 2F + 2B.

What is left of ASA without any mask; also R-Drop (Liang et al. 2021, arXiv 2106.14448) without its second task loss.
"""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from asa_bench.defences.base import NoSettings
from asa_bench.defences.consistency import Consistency
from asa_bench.models.score_bias import Adjustment


class TwoPass(Consistency[NoSettings]):
    """Trains for agreement of two dropout passes."""

    Settings = NoSettings

    @override
    def _disturbance(self, layer: int, hidden: Tensor) -> Adjustment | None:
        return None
