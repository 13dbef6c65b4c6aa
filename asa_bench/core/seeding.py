"""Seeds derived from names, never taken from a shared stream."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave Python's, NumPy's and torch's global generators (the CPU's) as they were before the block."""
    import torch

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def hash_order(ids: list[str], *salt: object) -> list[int]:
    """Positions of ``ids`` in an order that depends on each id alone: a sample of n is a part of a sample of n + 1."""
    return sorted(range(len(ids)), key=lambda i: (digest_bytes("\x1f".join([*map(str, salt), ids[i]]).encode()), i))
