"""CreAT: adversarial training on the contextual representation. Cost (K + 2)(F + B).

Wu et al. 2023, ICLR, OpenReview xZD10GhCvM, by ASA's authors; their code (gingasan/CreAT) was read, nothing is
copied. The ascent seeks a perturbation of the word embeddings that raises the loss *and* turns the encoder's sentence
representation away from the clean one; clean and perturbed loss are then learnt in equal parts.

Their code sums the cosines over the batch and takes the mean of the losses, so that the cosine counts as many times
more as there are rows; here both are means (``weight`` 32 is their proportion in batches of 32). Padding stays
unperturbed.
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


class CreATSettings(Settings):
    """Radii and steps in units of the word embeddings, L2 norm over a whole example."""

    steps: int = Field(default=1, ge=1)
    """K, the number of ascent steps."""
    step_size: float = Field(default=0.1, ge=0)
    """Length of a step."""
    noise: float = Field(default=0.01, ge=0)
    """Standard deviation of the random start."""
    max_norm: float | None = Field(default=0.1, gt=0)
    """Radius of the ball."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the cosine in the ascent's objective."""


class CreAT(Defence[CreATSettings]):
    """Trains against perturbations that mislead the encoder, not the head alone."""

    Settings = CreATSettings

    @property
    @override
    def passes(self) -> int:
        return self.settings.steps + 2

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        settings, labels = self.settings, batch["labels"]
        clean = model(**inputs_of(batch), output_hidden_states=True)
        representation = first_token(clean).detach()
        loss = F.cross_entropy(clean.logits, labels)
        (0.5 * loss).backward()

        def objective(delta: Tensor) -> Tensor:
            output = perturbed(model, batch, delta, output_hidden_states=True)
            cosine = F.cosine_similarity(first_token(output), representation, dim=-1).mean()
            return F.cross_entropy(output.logits, labels) - settings.weight * cosine

        embeddings, _ = embedded_inputs(model, batch)  # (B, L, H)
        start = perturbation.noise(embeddings, batch["attention_mask"], settings.noise)
        step = partial(perturbation.ascend, step_size=settings.step_size, max_norm=settings.max_norm)
        delta = perturbation.climb(objective, start, settings.steps, step)
        adversarial = F.cross_entropy(perturbed(model, batch, delta).logits, labels)
        (0.5 * adversarial).backward()
        return {"loss": number(loss), "adversarial_loss": number(adversarial)}


def first_token(output: Any) -> Tensor:
    """The last layer's state of the first token, ``(B, H)``: the sentence's representation."""
    state: Tensor = output.hidden_states[-1][:, 0]
    return state
