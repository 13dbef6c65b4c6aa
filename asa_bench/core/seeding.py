"""Seeds derived from names, never taken from a shared stream."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from asa_bench.core.fingerprint import digest_bytes


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2³²) that depends on every part and on nothing else."""
    return int(digest_bytes("\x1f".join(str(part) for part in parts).encode())[:8], 16)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (all devices)."""
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


RandomState = tuple[Any, Any, Any]
"""States of Python's, NumPy's and torch's global generators (the CPU's)."""


def random_state() -> RandomState:
    """The global generators' states now."""
    import torch

    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def set_random_state(state: RandomState) -> None:
    """Put the global generators where they were."""
    import torch

    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave the global generators as they were before the block."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)


def hash_order(ids: list[str], *salt: object) -> list[int]:
    """Positions of ``ids`` in an order that depends on each id alone: a sample of n is a part of a sample of n + 1."""
    return sorted(range(len(ids)), key=lambda i: (digest_bytes("\x1f".join([*map(str, salt), ids[i]]).encode()), i))
