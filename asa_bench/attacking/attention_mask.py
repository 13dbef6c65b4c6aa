"""The most damaging mask on attention, in eval mode: what share of its units must a model lose until it errs?

A unit is a (query, key) pair of tokens in a layer, for all heads. ASA (arXiv 2206.12608) trains against such masks,
embedding perturbations do not: an attack outside the family of most defences, and inside that of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from asa_bench.attacking.white_box import Ascending, Rows, WhiteBox
from asa_bench.core.errors import InputError
from asa_bench.defences.consistency import MASKED, valid_units, within_window
from asa_bench.models.gradients import margin
from asa_bench.models.score_bias import ScoreBias


class AttentionMask(WhiteBox):
    """Masks units by the gradient of the margin at their scores, in several rounds that look again.

    The gradient at a unit's score is, to first order, what the margin loses when the unit goes: those that hold it back
    most are masked first.
    """

    measure = "share of the attention units that are masked"

    shares: Ascending = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    """Shares of an example's units that may be masked, of all layers together or of the one layer, ascending."""
    layer: int | None = Field(default=None, ge=0)
    """The only layer that is masked, 0 next to the input; all by default."""
    rounds: int = Field(default=4, ge=1)
    """How often the gradient is looked at; an equal part of the share is masked each time."""

    @property
    @override
    def strengths(self) -> tuple[float, ...]:
        return self.shares

    @override
    def attempts(self, model: Any, rows: Rows, strength: float) -> Iterator[Tensor]:
        units = self._units(model, rows)  # (B, layers, L, L)
        number = units.flatten(1).sum(dim=1) * strength
        masked = torch.zeros_like(units, dtype=torch.bool)
        draws = rows.draws(*units.shape[1:])
        for done in range(1, self.rounds + 1):
            if self.guided:
                worth = self._damage(model, rows, masked).masked_fill(masked, torch.inf)
                part = number * done / self.rounds
            else:
                worth, part = next(draws) + 1, number
            masked = most(worth.masked_fill(units == 0, 0.0), part.floor())
            with torch.no_grad():
                logits = _logits(model, rows, self._bias(model, masked.float() * MASKED))
            yield logits

    def _units(self, model: Any, rows: Rows) -> Tensor:
        """1 for each unit that can be masked, ``(B, layers, L, L)``."""
        scores, valid = ScoreBias(model, _untouched), valid_units(rows.inputs["attention_mask"])
        return torch.cat([within_window(valid, scores.window(layer)) for layer in self._layers(scores)], dim=1)

    def _layers(self, scores: ScoreBias) -> list[int]:
        if self.layer is None:
            return list(range(scores.layers))
        if self.layer >= scores.layers:
            raise InputError(f"options: layer: expected 0 to {scores.layers - 1} for this encoder, got {self.layer}")
        return [self.layer]

    def _bias(self, model: Any, values: Tensor) -> ScoreBias:
        """``values`` ``(B, layers, L, L)`` added to the scores of the layers that are masked."""
        layers = self._layers(ScoreBias(model, _untouched))
        by_layer = dict(zip(layers, values.split(1, dim=1), strict=True))  # (B, 1, L, L) each
        return ScoreBias(model, lambda layer, _: by_layer.get(layer))

    def _damage(self, model: Any, rows: Rows, masked: Tensor) -> Tensor:
        """What the margin gains, to first order, when each unit goes: ``(B, layers, L, L)``."""
        bias = (masked.float() * MASKED).requires_grad_()
        with torch.enable_grad():
            gain = margin(_logits(model, rows, self._bias(model, bias)).float(), rows.labels)
            (gradient,) = torch.autograd.grad(gain, bias)
        return -gradient


def most(worth: Tensor, number: Tensor) -> Tensor:
    """The ``number`` ``(B,)`` units of most worth in each row, as far as they have any: bool, shaped as ``worth``."""
    flat = worth.flatten(1)
    rank = flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return ((rank < number[:, None]) & (flat > 0)).view_as(worth)


def _logits(model: Any, rows: Rows, bias: ScoreBias) -> Tensor:
    with bias:
        logits: Tensor = model(**rows.inputs).logits
    return logits


def _untouched(layer: int, hidden: Tensor) -> None:
    """No bias: for what is known of a model before its scores are changed."""
    del layer, hidden
