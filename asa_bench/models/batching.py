"""Canonical batches: a text gets the same logits, bit for bit, in whatever company it is computed.

A logit depends in its last bits on the shape of its batch, which is enough to change an attack's result. So a text's
own length, rounded up to a multiple of ``STEP`` tokens, decides its batch's shape: texts of one length go together, and
each batch is filled up to the number of rows that goes with that length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

STEP = 8
"""Lengths are rounded up to multiples of this many tokens."""

ROWS = {"cpu": 16, "cuda": 256}
"""Rows of a batch, by kind of device: as few as keep it busy, since those of a batch that is not full are wasted."""

LONG = 512
"""Texts longer than this many tokens go in batches of fewer rows, so that a batch's tokens are bounded."""

FEWEST = 16
"""Rows of the smallest of those batches; texts longer still go alone.

In a batch of 3 to 15 rows a text's bits can depend on its row: matrix products of narrow heads, fp32, AVX-512.
"""

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
        """Most items per batch; those longer than ``LONG`` go in fewer, see :func:`rows_of`."""

    def encode(self, items: Sequence[Any]) -> list[Encoded]:
        """The items, ready to be put into batches."""

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """An answer for each of at most :func:`rows_of` items of one length; it does not depend on the others.

        A sequence of answers, or a tensor whose rows they are.
        """


def canonical_length(tokens: int, limit: int) -> int:
    """``tokens`` rounded up, but not over the most that the model reads."""
    return min(-(-tokens // STEP) * STEP, limit)


def rows_of(length: int, most: int) -> int:
    """Rows of a batch of texts of canonical ``length`` tokens, where short ones go in batches of ``most``."""
    if length <= LONG:
        return most
    rows = most * LONG // length
    return rows if rows >= FEWEST else 1


class Pool(Generic[Key]):
    """Texts that wait for the model, by their length; each batch taken is the fullest that can be had."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[int, deque[tuple[Key, Encoded]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, key: Key, encoded: Encoded) -> None:
        """Let a text wait; ``key`` comes back with it."""
        self._waiting.setdefault(encoded.length, deque()).append((key, encoded))

    def take(self) -> list[tuple[Key, Encoded]]:
        """Remove and return one batch, the longest of the fullest; the pool must not be empty."""
        length = max(self._waiting, key=lambda length: (self._fill(length), length))
        queue = self._waiting[length]
        taken = [queue.popleft() for _ in range(min(len(queue), rows_of(length, self._most)))]
        if not queue:
            del self._waiting[length]
        return taken

    @property
    def fill(self) -> float:
        """How full the next batch is, from 0 to 1."""
        return max(map(self._fill, self._waiting), default=0.0)

    def _fill(self, length: int) -> float:
        return min(1.0, len(self._waiting[length]) / rows_of(length, self._most))


def answers(model: Batchable, items: Sequence[Any]) -> list[Any]:
    """The model's answer to each of ``items``, in their order."""
    found: dict[int, Any] = {}
    for places, batch in batches(model.encode(items), model.batch_size):
        found.update(zip(places, model.forward(batch), strict=True))
    return [found[place] for place in range(len(items))]


def batches(encoded: Sequence[Encoded], most: int) -> Iterator[tuple[list[int], list[Encoded]]]:
    """All of ``encoded`` in batches, each with the positions of its texts."""
    pool: Pool[int] = Pool(most)
    for position, text in enumerate(encoded):
        pool.add(position, text)
    while pool:
        positions, batch = zip(*pool.take(), strict=True)
        yield list(positions), list(batch)
