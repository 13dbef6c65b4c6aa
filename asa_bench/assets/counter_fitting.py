"""Counter-fitting (Mrkšić et al. 2016, arXiv 1603.00892): word vectors that know synonyms from antonyms.

Three terms on cosine distances: antonyms are pushed to a distance of 1 (repel), synonyms pulled to 0 (attract), and
neighbours of the original space keep their distance (preserve). The gradient of each term is averaged over the pairs of
a word by itself (the authors' code divides the sum of all three by one count, so that many neighbours outvote a few
antonyms), and vectors keep length 1, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 0.2
"""Cosine distance within which the original space's neighbours are preserved."""

RATE = 0.1
"""Step size of each of the three terms."""

STEPS = 20
"""Steps over all pairs."""

BLOCK = 1024
"""Words whose similarities to all others are held at once."""

Pairs = np.ndarray
"""Indices of words ``(pairs, 2)``."""


class Neighbours(NamedTuple):
    """The nearest words of every word, nearest first, itself not among them."""

    words: np.ndarray
    """Indices ``(words, neighbours)``."""
    similarities: np.ndarray
    """Cosines ``(words, neighbours)``."""


def counter_fitted(
    vectors: np.ndarray, synonyms: Pairs, antonyms: Pairs, preserved: Pairs, steps: int = STEPS
) -> np.ndarray:
    """Counter-fitted vectors of length 1, ``(words, width)``, from ``vectors`` of any length but 0.

    Args:
        vectors: the original space, ``(words, width)``.
        synonyms: pairs to attract.
        antonyms: pairs to repel.
        preserved: pairs that get no farther from each other than they were.
        steps: steps of gradient descent.
    """
    import torch

    space = torch.from_numpy(unit(vectors.astype(np.float64)))
    near, far, kept = (torch.from_numpy(np.asarray(pairs).reshape(-1, 2)) for pairs in (synonyms, antonyms, preserved))
    before = _cosines(space, kept)
    for _ in range(steps):
        together = _mean_gradient(space, near, _cosines(space, near) < 1)
        apart = _mean_gradient(space, far, _cosines(space, far) > 0)
        back = _mean_gradient(space, kept, _cosines(space, kept) < before)
        space = space + RATE * (together - apart + back)
        space = space / space.norm(dim=1, keepdim=True)
    return np.asarray(space)


def neighbours(vectors: np.ndarray, count: int) -> Neighbours:
    """The ``count`` nearest words of every word by the cosine of ``vectors`` of length 1, ``(words, width)``."""
    import torch

    space = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    found = []
    for start in range(0, len(space), BLOCK):
        cosines = space[start : start + BLOCK] @ space.T  # (block, words)
        rows = torch.arange(len(cosines))
        cosines[rows, start + rows] = -2.0
        found.append(cosines.topk(min(count, len(space) - 1), dim=1))
    words = torch.cat([best.indices for best in found]).to(torch.int32)
    return Neighbours(np.asarray(words), np.asarray(torch.cat([best.values for best in found])))


def near_pairs(near: Neighbours, distance: float = NEAR) -> Pairs:
    """Each pair of neighbours within a cosine distance, once."""
    rows, places = np.nonzero(near.similarities >= 1 - distance)
    pairs = np.stack([rows, near.words[rows, places]], axis=1).astype(np.int64)
    return np.unique(np.sort(pairs, axis=1), axis=0)


def unit(vectors: np.ndarray) -> np.ndarray:
    """``vectors`` at length 1; one of length 0 stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
    return scaled


def _cosines(space: Tensor, pairs: Tensor) -> Tensor:
    return (space[pairs[:, 0]] * space[pairs[:, 1]]).sum(dim=1)


def _mean_gradient(space: Tensor, pairs: Tensor, active: Tensor) -> Tensor:
    """Per word the mean gradient of the cosine of its active pairs, ``(words, width)``; 0 for a word without."""
    import torch

    both = torch.cat([pairs[active], pairs[active].flip(1)])
    word, other = space[both[:, 0]], space[both[:, 1]]
    slopes = other - (word * other).sum(dim=1, keepdim=True) * word
    total = torch.zeros_like(space).index_add_(0, both[:, 0], slopes)
    count = torch.bincount(both[:, 0], minlength=len(space)).clamp(min=1)
    return total / count.unsqueeze(1)
