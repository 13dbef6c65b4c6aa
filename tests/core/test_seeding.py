from __future__ import annotations

import random

import numpy as np
import torch

from asa_bench.core.seeding import derive_seed, hash_order, seed_everything


def test_every_part_changes_the_seed() -> None:
    assert len({derive_seed("a", 0), derive_seed("a", 1), derive_seed("b", 0), derive_seed("a", 0, 0)}) == 4


def test_all_generators_are_seeded() -> None:
    def draw() -> tuple[float, float, float]:
        seed_everything(7)
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    assert draw() == draw()


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    ids = [f"id{i}" for i in range(50)]
    shrunk = ids[:10] + ids[20:]
    chosen = {ids[i] for i in hash_order(ids, "salt")[:20]}
    still = {shrunk[i] for i in hash_order(shrunk, "salt")[:20]}
    assert chosen - set(ids[10:20]) <= still
