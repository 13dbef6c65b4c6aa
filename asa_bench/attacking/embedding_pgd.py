"""PGD on word embeddings, in eval mode: how far must they move until a prediction turns?

Madry et al. 2018, arXiv 1706.06083; L2 norm over a whole example, as FreeLB's and PGD's balls in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
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
    """Projected gradient ascent on the margin, from several starts; or as many random points of the ball's surface."""

    measure = "L2 radius of the perturbation of an example's word embeddings"

    radii: Ascending = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Radii of the ball, L2 norm of an example's perturbation ``(L · H)``, ascending."""
    steps: int = Field(default=10, ge=1)
    """Ascent steps from each start, of 2.5 · radius ÷ steps."""
    restarts: int = Field(default=3, ge=1)
    """Starts: the clean input, then random points of the ball."""

    @property
    @override
    def strengths(self) -> tuple[float, ...]:
        return self.radii

    @override
    def attempts(self, model: Any, rows: Rows, strength: float) -> Iterator[Tensor]:
        embeddings, _ = embedded_inputs(model, rows.batch)  # (B, L, H)
        mask = rows.inputs["attention_mask"].unsqueeze(-1)

        def logits(delta: Tensor) -> Tensor:
            answer: Tensor = perturbed(model, rows.batch, delta * mask).logits
            return answer

        def objective(delta: Tensor) -> Tensor:
            return margin(logits(delta).float(), rows.labels)

        noise = rows.uniform(self.tries, *embeddings.shape[1:]).to(embeddings.dtype)  # (B, tries, L, H)
        noise = noise * mask.unsqueeze(1)
        ascend = partial(perturbation.ascend, step_size=2.5 * strength / self.steps, max_norm=strength)
        for number in range(self.tries):
            surface = strength * noise[:, number] / perturbation.row_norms(noise[:, number])
            if self.guided:
                start = perturbation.project(surface * number / self.restarts, strength)
                delta = perturbation.climb(objective, start, self.steps, ascend)
            else:
                delta = surface
            with torch.no_grad():
                yield logits(delta.detach())

    @property
    def tries(self) -> int:
        """Perturbations of each radius."""
        return self.restarts if self.guided else self.restarts * (self.steps + 1)
