"""FreeLB: free large-batch adversarial training. Cost K(F + B).

Zhu et al. 2020, arXiv 1909.11764. K ascent steps on the word embeddings, each of which adds a K-th of its gradient to
the parameters. As in the authors' code for transformers, dropout is drawn anew in each step (their paper fixes it).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences import perturbation
from asa_bench.defences.base import Batch, Defence, Losses, backward_at, looked_up_once


class FreeLBSettings(Settings):
    """Radii and steps in units of the word embeddings, L2 norm over a whole example."""

    steps: int = Field(default=3, ge=1)
    """K, the number of ascent steps, each a forward and a backward pass."""
    step_size: float = Field(default=0.1, gt=0)
    """Length of a step."""
    init_magnitude: float = Field(default=0.05, ge=0)
    """Scale of the random start; the papers use 0.05 to 0.6 by task."""
    max_norm: float | None = Field(default=None, gt=0)
    """Radius of the ball; none by default. The papers use 0 (no ball) to 0.6 by task."""


class FreeLB(Defence[FreeLBSettings]):
    """Trains on the mean loss over the path of K ascending perturbations."""

    Settings = FreeLBSettings

    @property
    @override
    def passes(self) -> int:
        return self.settings.steps

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        settings = self.settings
        total = 0.0
        with looked_up_once(model, batch) as embeddings:  # (B, L, H)
            delta = perturbation.start(embeddings.detach(), batch["attention_mask"], settings.init_magnitude)
            for step in range(settings.steps):
                loss, gradient = backward_at(model, batch, delta, embeddings, settings.steps)
                total += loss
                if step + 1 < settings.steps:
                    delta = perturbation.ascend(delta, gradient, settings.step_size, settings.max_norm)
        return {"loss": total}
