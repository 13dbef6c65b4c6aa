"""Temperature scaling: Guo et al. 2017, arXiv 1706.04599."""

from __future__ import annotations

import math

import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

BOUNDS = (0.01, 100.0)
"""Temperatures that are searched."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T that minimises the cross-entropy of ``softmax(logits / T)``.

    1 for a model that is right everywhere: its loss has no minimum, and falls to 0 with T.

    Args:
        logits: ``(n, labels)`` of validation examples.
        labels: ``(n,)`` label ids.
    """
    exact = logits.double()
    if bool((exact.argmax(dim=1) == labels).all()):
        return 1.0
    found = minimize_scalar(
        lambda log_t: cross_entropy(exact / math.exp(log_t), labels),
        bounds=(math.log(BOUNDS[0]), math.log(BOUNDS[1])),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(math.exp(found.x))


def cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy in nats."""
    return float(F.cross_entropy(logits, labels))
