"""PGD on word embeddings, in eval mode: how far must they move until a prediction turns?

Madry et al. 2018, arXiv 1706.06083; L2 norm over a whole example, as FreeLB's and PGD's balls in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from asa_bench.attacking.white_box import Ascending, Rows, WhiteBox
from asa_bench.defences import perturbation
from asa_bench.defences.base import embedded_inputs, perturbed
from asa_bench.models.gradients import margin


class EmbeddingPGD(WhiteBox):
    """Projected gradient ascent on the margin, from several starts; or as many random points of the ball's surface.

    Every point of the way is judged.
    """

    measure = "L2 radius of the perturbation of an example's word embeddings"

    radii: Ascending = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Radii of the ball, L2 norm of an example's perturbation ``(L · H)``, ascending."""
    steps: int = Field(default=10, ge=1)
    """Ascent steps from each start, of 2.5 · radius ÷ steps."""
    restarts: int = Field(default=3, ge=1)
    """Starts: the clean input, then random points of the ball's surface; the first ones are the same however many."""

    @property
    @override
    def strengths(self) -> tuple[float, ...]:
        return self.radii

    @override
    def attempts(self, model: Any, rows: Rows, strength: float) -> Iterator[Tensor]:
        embeddings, _ = embedded_inputs(model, rows.batch)  # (B, L, H)
        mask = rows.inputs["attention_mask"].unsqueeze(-1)
        for number, drawn in enumerate(islice(rows.draws(*embeddings.shape[1:]), self.tries)):
            noise = drawn.to(embeddings.dtype) * mask
            surface = strength * noise / perturbation.row_norms(noise)
            if self.guided:
                yield from self._ascent(model, rows, surface if number else torch.zeros_like(surface), strength)
            else:
                yield _judged(model, rows, surface)

    def _ascent(self, model: Any, rows: Rows, delta: Tensor, radius: float) -> Iterator[Tensor]:
        """Logits at each point of the way from ``delta`` on, its end included."""
        for _ in range(self.steps):
            delta.requires_grad_()
            logits = perturbed(model, rows.batch, delta).logits
            yield logits
            (gradient,) = torch.autograd.grad(margin(logits.float(), rows.labels), delta)
            delta = perturbation.ascend(delta, gradient, 2.5 * radius / self.steps, radius)
        yield _judged(model, rows, delta)

    @property
    def tries(self) -> int:
        """Perturbations of each radius."""
        return self.restarts if self.guided else self.restarts * (self.steps + 1)


@torch.no_grad()
def _judged(model: Any, rows: Rows, delta: Tensor) -> Tensor:
    """Logits at a point from which no step is taken."""
    logits: Tensor = perturbed(model, rows.batch, delta).logits
    return logits
