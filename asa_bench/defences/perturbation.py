"""Perturbations of word embeddings in an L2 ball per example: start, ascent step, projection.

The rule common to FGM, PGD and FreeLB. A perturbation δ has shape ``(B, L, H)``; its norm is that of the whole row,
``(L · H)``; it is zero on padding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Ascent = Callable[[Tensor, Tensor], Tensor]
"""One step: the next δ from the last one and the objective's gradient there."""


def start(embeddings: Tensor, mask: Tensor, magnitude: float) -> Tensor:
    """δ₀ = U(−1, 1) · magnitude / √(length · H), zero on padding.

    Args:
        embeddings: ``(B, L, H)``; gives shape, device and dtype.
        mask: ``(B, L)``, 1 on tokens and 0 on padding.
        magnitude: scale; √(length · H) keeps the norm of δ₀ near magnitude / √3 for any length. 0 gives zeros.
    """
    if magnitude == 0:
        return torch.zeros_like(embeddings)
    size = mask.sum(dim=1) * embeddings.shape[-1]  # (B,)
    scale = magnitude / size.to(embeddings.dtype).sqrt()
    return torch.empty_like(embeddings).uniform_(-1, 1) * mask.unsqueeze(-1) * scale[:, None, None]


def noise(embeddings: Tensor, mask: Tensor, deviation: float) -> Tensor:
    """Gaussian noise of a standard ``deviation`` on word embeddings ``(B, L, H)``, zero on padding."""
    return torch.randn_like(embeddings) * deviation * mask.unsqueeze(-1)


def ascend(delta: Tensor, gradient: Tensor, step_size: float, max_norm: float | None) -> Tensor:
    """One normalised step up the gradient, then back into the ball of radius ``max_norm`` (None: no ball)."""
    norm = row_norms(gradient).clamp_min(1e-8)
    moved = delta.detach() + step_size * gradient / norm
    return moved if max_norm is None else project(moved, max_norm)


def climb(objective: Callable[[Tensor], Tensor], delta: Tensor, steps: int, ascend: Ascent) -> Tensor:
    """``delta`` after so many steps up a scalar objective.

    Gradients reach nothing but δ, which spares the backward pass the weights' share: about half of it.
    """
    for _ in range(steps):
        delta.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(delta), delta)
        delta = ascend(delta.detach(), gradient)
    return delta


def project(delta: Tensor, max_norm: float) -> Tensor:
    """The nearest δ with every row's norm at most ``max_norm``."""
    return delta * (max_norm / row_norms(delta).clamp_min(1e-12)).clamp_max(1.0)


def row_norms(delta: Tensor) -> Tensor:
    """L2 norm of each row, ``(B, 1, 1)``."""
    norms: Tensor = delta.flatten(1).norm(dim=1)
    return norms[:, None, None]
