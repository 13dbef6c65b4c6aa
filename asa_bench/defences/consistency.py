"""Training for agreement with a second pass whose attention is disturbed: what ASA and its controls have in common.

Cross-entropy on the clean input plus the symmetric divergence between the clean and the disturbed prediction. Both
passes are one concatenated pass of 2B rows – the clean half first – which costs 2F + 2B and less than two passes.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence, Losses, doubled, number
from asa_bench.models.score_bias import Adjustment, ScoreBias, attention_layers
from asa_bench.records.schema import masked_ratio

S = TypeVar("S", bound=Settings)

MASKED = -10_000.0
"""What is added to a masked unit's score; the divergence's gradient on the mask scales with it (ASA's authors)."""


class Consistency(Defence[S]):
    """Cross-entropy of the clean half plus the divergence of the disturbed half from it."""

    @override
    def check_encoder(self, folder: Path) -> None:
        attention_layers(folder)

    @override
    def attach(self, model: nn.Module) -> None:
        self._scores = ScoreBias(model, self._change)

    @override
    def detach(self) -> None:
        del self._scores

    @property
    @override
    def passes(self) -> int:
        return 2

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        self._begin(batch)
        with self._scores:  # to the end: a checkpointed layer is computed again in the backward pass
            logits = model(**self._inputs(batch)).logits  # (2B, labels): clean rows, then disturbed rows
            clean, disturbed = logits.chunk(2)
            task = F.cross_entropy(clean, batch["labels"])
            divergence = self._divergence(disturbed, clean)
            penalty = self._penalty()
            (task + divergence + penalty).backward()
        return {"loss": number(task), "divergence": number(divergence), **self._columns(penalty)}

    def disturbing(self, model: nn.Module, batch: Batch) -> ScoreBias:
        """A block in which every forward pass of ``model`` on ``batch`` is a disturbed one, for views of it."""
        self._begin(batch)
        return ScoreBias(model, self._disturbance)

    def _begin(self, batch: Batch) -> None:
        """Prepare for one batch."""
        self._batch = batch

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        """What the model is called with: each row twice."""
        return doubled(batch)

    def _divergence(self, disturbed: Tensor, clean: Tensor) -> Tensor:
        return symmetric_kl(disturbed, clean)

    def _penalty(self) -> Tensor:
        """A further term of the loss, in nats. Default: none."""
        return self._batch["labels"].new_zeros((), dtype=torch.float32)

    def _columns(self, penalty: Tensor) -> Losses:
        """Columns of the training record besides the losses. Default: none."""
        del penalty
        return {}

    def _change(self, layer: int, hidden: Tensor) -> Adjustment | None:
        """The change of one layer's scores; ``hidden`` ``(2B, L, H)`` enters the layer."""
        change = self._disturbance(layer, hidden.chunk(2)[1])
        if change is None:
            return None
        bias, factor = change.bias, change.factor
        return Adjustment(
            bias=None if bias is None else torch.cat([torch.zeros_like(bias), bias]),
            factor=None if factor is None else torch.cat([torch.ones_like(factor), factor]),
        )

    @abstractmethod
    def _disturbance(self, layer: int, hidden: Tensor) -> Adjustment | None:
        """What disturbs the second half, ``hidden`` ``(B, L, H)``, in a layer; None: dropout alone."""


class Masking(Consistency[S]):
    """Disturbs by masking attention units: (query, key) pairs."""

    @override
    def _begin(self, batch: Batch) -> None:
        super()._begin(batch)
        self._kept: dict[int, Tensor] = {}
        self._valid = valid_units(batch["attention_mask"])
        self._special = batch["special_tokens_mask"].bool()[:, None, None, :] if self.spares_special() else None

    def spares_special(self) -> bool:
        """Whether [CLS], [SEP] and their like can always be attended to. Default: no."""
        return False

    def _units(self, layer: int) -> Tensor:
        """1 for each unit that can be masked, else 0 – padding, out of the layer's window, spared: ``(B, 1, L, L)``."""
        units = within_window(self._valid, self._scores.window(layer))
        return units if self._special is None else units * ~self._special

    @override
    def _disturbance(self, layer: int, hidden: Tensor) -> Adjustment | None:
        keep = self._keep(layer, hidden)
        if keep is None:
            return None
        if self._special is not None:
            keep = keep.masked_fill(self._special, 1.0)
        self._kept[layer] = keep
        return Adjustment((1 - keep) * MASKED)

    @abstractmethod
    def _keep(self, layer: int, hidden: Tensor) -> Tensor | None:
        """1 for kept units and 0 for masked ones, ``(B, 1 or heads, L, L)``; None leaves the layer alone."""

    @override
    @torch.no_grad()
    def _columns(self, penalty: Tensor) -> Losses:
        """Share of the units that were masked, per layer."""
        return {
            masked_ratio(layer): number(1 - kept_shares(keep, self._units(layer)).mean())
            for layer, keep in sorted(self._kept.items())
        }


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """½ [KL(p‖q) + KL(q‖p)] of two sets of logits ``(B, labels)``, mean over the batch, in nats."""
    p, q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1).mean()


def valid_units(mask: Tensor) -> Tensor:
    """1 for each (query, key) pair of two tokens, 0 where either is padding: ``(B, 1, L, L)`` from ``(B, L)``."""
    valid = mask.float()
    return (valid.unsqueeze(2) * valid.unsqueeze(1)).unsqueeze(1)


def within_window(units: Tensor, window: int | None) -> Tensor:
    """``units`` ``(B, 1, L, L)`` without the pairs further apart than ``window`` tokens; None: all of them."""
    if window is None:
        return units
    place = torch.arange(units.shape[-1], device=units.device)
    return units * ((place[:, None] - place).abs() <= window)


def kept_shares(keep: Tensor, units: Tensor) -> Tensor:
    """Share of each example's ``units`` that ``keep`` keeps, mean over heads: ``(B,)``; 1 where there are none."""
    there = units.sum(dim=(1, 2, 3))
    kept = (keep * units).sum(dim=(2, 3)).mean(dim=1) / there.clamp_min(1)
    return torch.where(there > 0, kept, 1.0)
