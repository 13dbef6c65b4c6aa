"""TAVAT: token-aware virtual adversarial training. Cost K(F + B).

Li, Qiu 2020, arXiv 2004.14543; the authors' code (LinyangLee/Token-Aware-VAT) was read, nothing is copied. FreeLB
with two perturbations: one of the example, and one of each token, which starts where a table of the whole vocabulary
left it the last time that the token was seen. Defaults are the authors' for SST-2.

As in the paper, a token's entry in the table is replaced (by the mean over its places in the batch); their code adds
to it without end, and scales what it reads by the norm over the whole batch. Here the sum of both perturbations is
brought into the ball before the first step instead, so that a long text starts no farther out than a short one.
Several processes each keep a table of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences import perturbation
from asa_bench.defences.base import Batch, Defence, Losses, backward_at, looked_up_once


class TAVATSettings(Settings):
    """Radii and steps in units of the word embeddings, L2 norm over a whole example, or over a token."""

    steps: int = Field(default=2, ge=1)
    """K, the number of ascent steps, each a forward and a backward pass."""
    step_size: float = Field(default=0.05, ge=0)
    """Length of a step, of the example's perturbation and of each token's."""
    init_magnitude: float = Field(default=0.2, ge=0)
    """Scale of the random start of both."""
    max_norm: float = Field(default=0.5, gt=0)
    """Radius of the ball in which the sum of both stays."""


class TAVAT(Defence[TAVATSettings]):
    """FreeLB whose perturbations remember each token of the vocabulary."""

    Settings = TAVATSettings

    @property
    @override
    def revision(self) -> int:
        return 2

    @override
    def attach(self, model: nn.Module) -> None:
        weight = model.get_input_embeddings().weight  # type: ignore[operator]
        scale = self.settings.init_magnitude / weight.shape[1] ** 0.5
        self._table = torch.empty_like(weight.detach()).uniform_(-1, 1) * scale  # (vocabulary, H)

    @override
    def state(self) -> dict[str, Tensor]:
        return {"table": self._table}

    @override
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._table.copy_(state["table"])

    @property
    @override
    def passes(self) -> int:
        return self.settings.steps

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        settings, ids, mask = self.settings, batch["input_ids"], batch["attention_mask"]
        total = 0.0
        with looked_up_once(model, batch) as embeddings:  # (B, L, H)
            example = perturbation.start(embeddings.detach(), mask, settings.init_magnitude)
            example, token = self._within(example, self._table[ids] * mask.unsqueeze(-1))
            for step in range(settings.steps):
                loss, gradient = backward_at(model, batch, example + token, embeddings, settings.steps)
                total += loss
                if step + 1 < settings.steps:
                    example, token = self._ascend(example, token, gradient)
        self._remember(ids, mask, token)
        return {"loss": total}

    def _ascend(self, example: Tensor, token: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """One step of both up the gradient at their sum, then back into the ball."""
        settings = self.settings
        example = perturbation.ascend(example, gradient, settings.step_size, None)
        token = token + settings.step_size * gradient / lengths(gradient)
        token = token * (lengths(token) / lengths(token).amax(dim=1, keepdim=True))  # less where there is little
        return self._within(example, token)

    def _within(self, example: Tensor, token: Tensor) -> tuple[Tensor, Tensor]:
        """Both, made smaller so that their sum lies in the ball."""
        shrink = (self.settings.max_norm / perturbation.row_norms(example + token).clamp_min(1e-12)).clamp_max(1.0)
        return example * shrink, token * shrink

    def _remember(self, ids: Tensor, mask: Tensor, token: Tensor) -> None:
        """Put each token's perturbation, mean over its places, into the table."""
        seen = mask.bool()
        words, place, counts = ids[seen].unique(return_inverse=True, return_counts=True)
        sums = token.new_zeros(len(words), token.shape[-1]).index_put_((place,), token[seen], accumulate=True)
        self._table[words] = sums / counts.unsqueeze(-1)


def lengths(vectors: Tensor) -> Tensor:
    """L2 norm of each token's vector, ``(B, L, 1)``."""
    norms: Tensor = vectors.norm(dim=-1, keepdim=True)
    return norms.clamp_min(1e-8)
