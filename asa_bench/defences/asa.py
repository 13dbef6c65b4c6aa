"""ASA: adversarial self-attention. Cost 2F + 2B, as one concatenated pass of 2B rows.

Wu et al. 2023, arXiv 2206.12608. An adversary per layer, two linear maps on the layer's input, decides which (query,
key) units of attention to mask. The model minimises task loss and the divergence between its clean and its masked
prediction; the adversary maximises that divergence, and is penalised for masking. A gradient reversal merges both into
one backward pass. After training the adversary is dropped.

Mended against the authors' code: padding neither counts in the penalty nor can be attended to from a fully masked row.
``penalty = "ratio"`` makes the penalty independent of length and depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence, Losses, inputs_of, number
from asa_bench.models.score_bias import ScoreBias

MASKED = -10_000.0
"""What is added to a masked unit's score; the divergence's gradient on the mask scales with it (authors' value)."""


class ASASettings(Settings):
    """Settings of ASA; defaults are the authors'."""

    penalty: Literal["sum", "ratio"] = "sum"
    """*sum*: τ² · kept units per example, summed over layers. *ratio*: weight · kept share, summed over layers."""
    tau: float = Field(default=0.5, gt=0)
    """Temperature τ of the *sum* penalty; the larger, the fewer units are masked."""
    ratio_weight: float = Field(default=30.0, gt=0)
    """Weight of the *ratio* penalty; the larger, the fewer units are masked."""


class Adversary(nn.Module):
    """Scores ``(B, L, L)`` of the attention units of one layer from the hidden states ``(B, L, H)`` that enter it."""

    def __init__(self, width: int, init_std: float) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=init_std)
            nn.init.zeros_(linear.bias)

    @override
    def forward(self, hidden: Tensor) -> Tensor:
        scores: Tensor = self.query(hidden) @ self.key(hidden).transpose(1, 2)  # (B, L, L)
        exact = torch.promote_types(scores.dtype, torch.float32)  # autocast may have made them bf16
        return scores.to(exact) / math.sqrt(hidden.shape[-1])


class ASA(Defence[ASASettings]):
    """Trains with the worst learnt mask on attention."""

    Settings = ASASettings

    @override
    def attach(self, model: nn.Module) -> None:
        config: Any = model.config
        self._bias = ScoreBias(model, self._layer_bias)
        std = getattr(config, "initializer_range", 0.02)
        adversaries = [Adversary(config.hidden_size, std) for _ in range(self._bias.layers)]
        self._adversaries = nn.ModuleList(adversaries).to(next(model.parameters()))
        self._kept: list[Tensor] = []

    @override
    def parameters(self) -> Iterable[nn.Parameter]:
        return self._adversaries.parameters()

    @override
    def detach(self) -> None:
        del self._adversaries, self._bias

    @property
    @override
    def passes(self) -> int:
        return 2

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        self._kept.clear()
        doubled = {name: torch.cat([tensor, tensor]) for name, tensor in inputs_of(batch).items()}
        with self._bias:
            logits = model(**doubled).logits  # (2B, labels): clean rows, then masked rows
        clean, masked = logits.chunk(2)
        task = F.cross_entropy(clean, batch["labels"])
        divergence = symmetric_kl(masked, clean)
        units = valid_units(batch["attention_mask"])
        penalty = self._penalty(units)
        (task + divergence + penalty).backward()
        return {
            "loss": number(task),
            "divergence": number(divergence),
            "penalty": number(penalty),
            **self._masked_ratios(units),
        }

    def _layer_bias(self, layer: int, hidden: Tensor) -> Tensor:
        """The bias ``(2B, 1, L, L)`` of one layer: zero on the clean rows, the adversary's mask on the others."""
        _, masked = hidden.chunk(2)
        keep = reverse_gradient(binarise(self._adversaries[layer](masked.detach())))  # (B, L, L)
        self._kept.append(keep)
        bias = (1 - keep) * MASKED
        return torch.cat([torch.zeros_like(bias), bias]).unsqueeze(1)

    def _penalty(self, units: Tensor) -> Tensor:
        kept = [(keep * units).sum() for keep in self._kept]
        if self.settings.penalty == "sum":
            return self.settings.tau**2 * torch.stack(kept).sum() / len(units)
        return self.settings.ratio_weight * torch.stack(kept).sum() / units.sum()

    @torch.no_grad()
    def _masked_ratios(self, units: Tensor) -> dict[str, float]:
        """Share of the valid units that each layer's adversary masked."""
        total = units.sum()
        return {
            f"masked_ratio_{layer}": number(1 - (keep * units).sum() / total) for layer, keep in enumerate(self._kept)
        }


def binarise(scores: Tensor) -> Tensor:
    """1 where a score is positive, else 0; backward as the sigmoid (straight through)."""
    soft = scores.sigmoid()
    return (scores > 0).to(soft.dtype) + (soft - soft.detach())


def reverse_gradient(tensor: Tensor) -> Tensor:
    """The same values; the gradient is negated on its way back."""
    return _Reverse.apply(tensor)  # type: ignore[no-any-return, no-untyped-call]


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return -gradient


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """½ [KL(p‖q) + KL(q‖p)] of two sets of logits ``(B, labels)``, mean over the batch, in nats."""
    p, q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1).mean()


def valid_units(mask: Tensor) -> Tensor:
    """1 for each (query, key) pair of two tokens, 0 where either is padding: ``(B, L, L)``."""
    valid = mask.float()
    return valid.unsqueeze(2) * valid.unsqueeze(1)
