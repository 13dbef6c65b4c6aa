"""Canonical batches: a text gets the same logits, bit for bit, in whatever company it is computed.

A logit depends in its last bits on the shape of its batch, which is enough to change an attack's result. So a text's
own length, rounded up to a multiple of ``STEP`` tokens, decides its batch's shape: texts of one length go together, and
each batch is filled up to a number of rows that changes no bit: always the most, or a part of it where a trial finds
that it makes no difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

STEP = 8
"""Lengths are rounded up to multiples of this many tokens."""

ROWS = {"cpu": 32, "cuda": 256}
"""Most rows of a batch, by kind of device."""

TRIED_LENGTHS = (STEP, 5 * STEP)
"""Lengths in tokens at which it is tried whether fewer rows give the same bits."""

Key = TypeVar("Key")


class Encoded(NamedTuple):
    """A text as a model takes it."""

    length: int
    """What it takes up in a batch: its canonical length in tokens; 0 where length does not matter."""
    inputs: Any


class Batchable(Protocol):
    """A model whose calls can be merged."""

    @property
    def batch_size(self) -> int:
        """Most items per batch."""

    def encode(self, items: Sequence[Any]) -> list[Encoded]:
        """The items, ready to be put into batches."""

    def forward(self, batch: Sequence[Encoded]) -> Sequence[Tensor] | Tensor:
        """One answer for each of at most ``batch_size`` items of one length; it does not depend on the others."""


def canonical_length(tokens: int, limit: int) -> int:
    """``tokens`` rounded up, but not over the most that the model reads."""
    return min(-(-tokens // STEP) * STEP, limit)


def smallest_step(forward: Callable[[Tensor], Tensor], most: int, vocabulary: int, limit: int) -> int:
    """A quarter of ``most``, or a half, if batches of its multiples gave the bits of ``most`` rows; else ``most``.

    Args:
        forward: logits ``(rows, labels)`` of token ids ``(rows, tokens)``.
        most: rows of the largest batch.
        vocabulary: random token ids are below this.
        limit: most tokens that the model reads.
    """
    random = torch.Generator().manual_seed(0)
    lengths = sorted({min(length, limit) for length in TRIED_LENGTHS})
    trials = [torch.randint(vocabulary, (most, length), generator=random) for length in lengths]
    whole = [forward(trial) for trial in trials]
    for step in (max(most // 4, 1), max(most // 2, 1)):
        pairs = (
            (forward(trial[:n]), rows[:n])
            for trial, rows in zip(trials, whole, strict=True)
            for n in range(step, most, step)
        )
        if all(torch.equal(fewer, same) for fewer, same in pairs):
            return step
    return most


class Pool(Generic[Key]):
    """Texts that wait for the model, by their length; each batch taken is the fullest that can be had."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._waiting: dict[int, deque[tuple[Key, Encoded]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, key: Key, encoded: Encoded) -> None:
        """Let a text wait; ``key`` comes back with it."""
        self._waiting.setdefault(encoded.length, deque()).append((key, encoded))

    def take(self) -> list[tuple[Key, Encoded]]:
        """Remove and return one batch, the longest of the fullest; the pool must not be empty."""
        length = max(self._waiting, key=lambda length: (min(len(self._waiting[length]), self._rows), length))
        queue = self._waiting[length]
        taken = [queue.popleft() for _ in range(min(len(queue), self._rows))]
        if not queue:
            del self._waiting[length]
        return taken

    @property
    def fill(self) -> float:
        """How full the next batch is, from 0 to 1."""
        return min(1.0, max(map(len, self._waiting.values()), default=0) / self._rows)


def answers(model: Batchable, items: Sequence[Any]) -> list[Tensor]:
    """The model's answer to each of ``items``, in their order."""
    found: dict[int, Tensor] = {}
    for places, batch in batches(model.encode(items), model.batch_size):
        found.update(zip(places, model.forward(batch), strict=True))
    return [found[place] for place in range(len(items))]


def batches(encoded: Sequence[Encoded], rows: int) -> Iterator[tuple[list[int], list[Encoded]]]:
    """All of ``encoded`` in batches, each with the positions of its texts."""
    pool: Pool[int] = Pool(rows)
    for position, text in enumerate(encoded):
        pool.add(position, text)
    while pool:
        positions, batch = zip(*pool.take(), strict=True)
        yield list(positions), list(batch)
