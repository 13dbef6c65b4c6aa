"""Control for ASA: units are masked with the probability with which ASA masked, at random. Cost 2F + 2B.

The dose is that of an ASA model of the same suite, task, encoder and seed, at the same step in the same layer; so what
ASA does better is its choice of the units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from asa_bench.core.errors import InputError
from asa_bench.core.validation import NAME, Settings
from asa_bench.defences.base import Batch, Defence
from asa_bench.defences.consistency import Masking
from asa_bench.records.schema import masked_ratios


class RandomMaskSettings(Settings):
    """Whose dose."""

    like: str = Field(default="asa", pattern=NAME)
    """Name of the defence of this suite whose masked ratio is used; it must stand before this one."""
    protect_special: bool = False
    """Let [CLS], [SEP] and their like always be attended to: to be set as in the defence that this one is like."""


class RandomMask(Masking[RandomMaskSettings]):
    """Trains for agreement with a pass under a random mask."""

    Settings = RandomMaskSettings

    @property
    @override
    def source(self) -> str:
        return self.settings.like

    @override
    def check_source(self, source: Defence[Any]) -> None:
        like = self.settings.like
        if not isinstance(source, Masking):
            raise InputError(f"like: defence '{like}' masks nothing; name one of method 'asa'")
        if source.spares_special() != self.settings.protect_special:
            wanted = "true" if source.spares_special() else "false"
            raise InputError(f"protect_special: expected {wanted}, as in defence '{like}', else the dose is another")

    @override
    def spares_special(self) -> bool:
        return self.settings.protect_special

    @override
    def learn_from(self, training: pd.DataFrame) -> None:
        columns = masked_ratios(training.columns)
        self._layers = list(columns)
        self._ratios = training[list(columns.values())].to_numpy(dtype=float).tolist()
        self._step = 0

    @override
    def state(self) -> dict[str, Tensor]:
        return {"step": torch.tensor(self._step)}

    @override
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._step = int(state["step"])

    @override
    def _begin(self, batch: Batch) -> None:
        super()._begin(batch)
        self._dose = dict(zip(self._layers, self._ratios[self._step], strict=True))
        self._step += 1

    @override
    def _keep(self, layer: int, hidden: Tensor) -> Tensor | None:
        if layer not in self._dose:
            return None
        batch, length, _ = hidden.shape
        keep: Tensor = torch.rand(batch, 1, length, length, device=hidden.device) >= self._dose[layer]
        return keep.float()
