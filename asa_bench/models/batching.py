"""Canonical batches: a text gets the same logits, bit for bit, in whatever company it is computed.

A logit depends in its last bits on the shape of its batch, which is enough to change an attack's result. So a text's
own length, rounded up to a multiple of ``STEP`` tokens, decides its batch's shape: texts of one length go together, and
each batch is filled up to a fixed number of rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

STEP = 8
"""Lengths are rounded up to multiples of this many tokens."""

ROWS = {"cpu": 32, "cuda": 256}
"""Rows of every batch, by kind of device."""

Key = TypeVar("Key")


class Encoded(NamedTuple):
    """A text as a model takes it."""

    length: int
    """What it takes up in a batch: its canonical length in tokens; 0 where length does not matter."""
    inputs: Any


def canonical_length(tokens: int, limit: int) -> int:
    """``tokens`` rounded up, but not over the most that the model reads."""
    return min(-(-tokens // STEP) * STEP, limit)


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


def batches(encoded: Sequence[Encoded], rows: int) -> Iterator[tuple[list[int], list[Encoded]]]:
    """All of ``encoded`` in batches, each with the positions of its texts."""
    pool: Pool[int] = Pool(rows)
    for position, text in enumerate(encoded):
        pool.add(position, text)
    while pool:
        positions, batch = zip(*pool.take(), strict=True)
        yield list(positions), list(batch)
