"""A training that can be killed: put on disk now and then, and gone on with to the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from asa_bench.core.files import atomic_path
from asa_bench.defences.base import Defence


class Unfinished:
    """An unfinished training on disk: weights, optimizer, schedule, random state and records so far."""

    def __init__(
        self,
        path: Path | None,
        model: nn.Module,
        defence: Defence[Any],
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LambdaLR,
    ) -> None:
        self.records: list[dict[str, float]] = []
        self._path = path
        self._model, self._defence = model, defence
        self._optimizer, self._schedule = optimizer, schedule

    def save(self) -> None:
        """Write it, in place of what was there."""
        if self._path is None:
            return
        state = {
            "model": self._model.state_dict(),
            "defence": self._defence.state(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "random": torch.get_rng_state(),
            "devices": torch.cuda.get_rng_state_all(),
            "records": self.records,
        }
        with atomic_path(self._path) as temporary:
            torch.save(state, temporary)

    def load(self) -> int:
        """Take it back, if there is one; the step to go on with."""
        if self._path is None or not self._path.is_file():
            return 0
        state = torch.load(self._path, map_location="cpu", weights_only=True)
        self._model.load_state_dict(state["model"])
        self._defence.load_state(state["defence"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["devices"])
        self.records = state["records"]
        return len(self.records)
