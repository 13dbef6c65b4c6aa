from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.benching.train import IDLE, bench_training
from asa_bench.models.encoder import EncoderSettings
from tests.defences.shared_training import EXAMPLES


def test_a_record_per_method_with_the_baseline_as_one(tiny_encoder: Path) -> None:
    encoder = EncoderSettings(name=str(tiny_encoder))
    methods = ["freelb", "asa", "random-mask"]
    seen = []
    records = bench_training(
        methods, encoder=encoder, examples=EXAMPLES, batch_size=4, steps=6, precision="fp32", threads=1,
        max_length=16, advance=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(done, 6) for done in range(6)]
    assert [record["defence"] for record in records] == ["baseline", IDLE, *methods]
    assert [record["passes"] for record in records] == [1, 1, 3, 2, 2]
    base, idle, freelb, asa, _ = records
    assert (base["time_ratio"], base["memory_ratio"]) == (1.0, 1.0)
    assert (base["time_low"], base["time_high"]) == (1.0, 1.0)
    assert all(record["time_low"] <= record["time_ratio"] <= record["time_high"] for record in records)
    assert idle["memory_ratio"] == pytest.approx(1.0, rel=1e-3)
    assert asa["memory_ratio"] > freelb["memory_ratio"]
