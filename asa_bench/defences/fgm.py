"""FGM, the fast gradient method on word embeddings. Cost 2F + 2B.

Miyato, Dai, Goodfellow 2017, arXiv 1605.07725. One normalised step of length ε up the loss, found in the clean pass
itself; the clean and the adversarial loss are both learnt. The paper normalises the embeddings and carries ε through
training; here, as in later work on pre-trained encoders, they stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences import perturbation
from asa_bench.defences.base import Batch, Defence, Losses, looked_up_once, number, perturbed


class FGMSettings(Settings):
    """The step, in units of the word embeddings, L2 norm over a whole example."""

    epsilon: float = Field(default=1.0, ge=0)
    """Length of the one step."""
    weight: float = Field(default=1.0, ge=0)
    """Weight of the adversarial loss beside the clean one."""


class FGM(Defence[FGMSettings]):
    """Trains on each batch clean and perturbed."""

    Settings = FGMSettings

    @property
    @override
    def passes(self) -> int:
        return 2

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        with looked_up_once(model, batch) as embeddings:  # (B, L, H)
            delta = torch.zeros_like(embeddings).requires_grad_()
            loss = F.cross_entropy(perturbed(model, batch, delta, embeddings).logits, batch["labels"])
            loss.backward()
            assert delta.grad is not None
            step = perturbation.ascend(delta, delta.grad, self.settings.epsilon, None)
            adversarial = F.cross_entropy(perturbed(model, batch, step, embeddings).logits, batch["labels"])
            (self.settings.weight * adversarial).backward()
        return {"loss": number(loss), "adversarial_loss": number(adversarial)}
