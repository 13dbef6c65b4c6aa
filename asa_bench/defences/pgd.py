"""PGD: projected gradient ascent on the word embeddings, then descent on what it found. Cost (K + 1)(F + B).

Madry et al. 2018, arXiv 1706.06083; for text as in TextDefender (Li et al. 2021, arXiv 2108.12777), whose defaults
these are. Only the perturbed input is learnt. The ascent's backward passes end at the embeddings and leave out the
weights.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences import perturbation
from asa_bench.defences.base import Batch, Defence, Losses, embedded_inputs, number, perturbed


class PGDSettings(Settings):
    """Radii and steps in units of the word embeddings, L2 norm over a whole example."""

    steps: int = Field(default=5, ge=1)
    """K, the number of ascent steps."""
    step_size: float = Field(default=0.03, ge=0)
    """Length of a step."""
    init_magnitude: float = Field(default=0.05, ge=0)
    """Scale of the random start."""
    max_norm: float | None = Field(default=None, gt=0)
    """Radius of the ball; none by default, as in TextDefender: the steps bound it."""


class PGD(Defence[PGDSettings]):
    """Trains on the loss at the end of K ascent steps."""

    Settings = PGDSettings

    @property
    @override
    def passes(self) -> int:
        return self.settings.steps + 1

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        settings = self.settings
        embeddings, _ = embedded_inputs(model, batch)  # (B, L, H)
        start = perturbation.start(embeddings.detach(), batch["attention_mask"], settings.init_magnitude)

        def objective(delta: Tensor) -> Tensor:
            return F.cross_entropy(perturbed(model, batch, delta).logits, batch["labels"])

        ascend = partial(perturbation.ascend, step_size=settings.step_size, max_norm=settings.max_norm)
        loss = objective(perturbation.climb(objective, start, settings.steps, ascend))
        loss.backward()
        return {"loss": number(loss)}
