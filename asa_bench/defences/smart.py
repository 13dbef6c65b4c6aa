"""SMART: smoothness-inducing regularisation by the worst small perturbation. Cost (K + 2)(F + B).

Jiang et al. 2020, arXiv 1911.03437, without its second half (Bregman proximal point steps). From Gaussian noise, K
steps up the divergence from the clean prediction; the symmetric divergence at their end is added to the clean loss.

The steps climb KL(clean ‖ perturbed), where the paper climbs the symmetric divergence. They are the paper's otherwise:
the gradient, scaled to infinity norm 1 within each token, times ``step_size``. The paper's ball of 10⁻⁵ lies inside a
single step of 10⁻³, so there is none by default. Public code (gingasan/CreAT's was read) scales δ itself to infinity
norm 1 after a step: on word embeddings, whose coordinates are near 0.05, that drowns the text.
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
from asa_bench.defences.base import Batch, Defence, Losses, embedded_inputs, inputs_of, number, perturbed
from asa_bench.defences.consistency import symmetric_kl


class SMARTSettings(Settings):
    """Steps in units of the word embeddings, infinity norm of each token."""

    steps: int = Field(default=1, ge=1)
    """K, the number of ascent steps."""
    step_size: float = Field(default=1e-3, ge=0)
    """Largest change of a coordinate in a step."""
    noise: float = Field(default=1e-5, ge=0)
    """Standard deviation of the random start. At 0 the divergence has no gradient to climb."""
    max_norm: float | None = Field(default=None, gt=0)
    """Largest coordinate of δ; none by default."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of KL(p‖q) + KL(q‖p) between the clean and the perturbed prediction."""


class SMART(Defence[SMARTSettings]):
    """Trains for agreement with the prediction at the worst point nearby."""

    Settings = SMARTSettings

    @property
    @override
    def passes(self) -> int:
        return self.settings.steps + 2

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        settings = self.settings
        clean = model(**inputs_of(batch)).logits  # (B, labels)
        loss = F.cross_entropy(clean, batch["labels"])
        target = clean.detach().log_softmax(dim=-1)

        def objective(delta: Tensor) -> Tensor:
            prediction = perturbed(model, batch, delta).logits.log_softmax(dim=-1)
            return F.kl_div(prediction, target, reduction="batchmean", log_target=True)

        embeddings, _ = embedded_inputs(model, batch)  # (B, L, H)
        start = perturbation.noise(embeddings, batch["attention_mask"], settings.noise)
        step = partial(ascend, step_size=settings.step_size, max_norm=settings.max_norm)
        delta = perturbation.climb(objective, start, settings.steps, step)
        divergence = 2 * symmetric_kl(perturbed(model, batch, delta).logits, clean)
        (loss + settings.weight * divergence).backward()
        return {"loss": number(loss), "divergence": number(divergence)}


def ascend(delta: Tensor, gradient: Tensor, step_size: float, max_norm: float | None) -> Tensor:
    """One step up the gradient, normalised by its largest coordinate within each token, then back into the ball."""
    largest = gradient.abs().amax(dim=-1, keepdim=True).clamp_min(1e-12)
    moved = delta + step_size * gradient / largest
    return moved if max_norm is None else moved.clamp(-max_norm, max_norm)
