from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli


def test_bench_memory_sets_ten_times_as_many_examples_beside(cli: Cli, checkpoint: Path, reviews: Path) -> None:
    done = cli(
        "bench", "memory", "--model", checkpoint, "--data", reviews / "test.csv", "--examples", 4, "--query-budget", 20,
        "--threads", 1, "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    [record] = json.loads(done.out)
    assert list(record) == ["attack", "examples", "peak_mib", "more_examples", "more_peak_mib", "ratio"]
    assert (record["attack"], record["examples"], record["more_examples"]) == ("deepwordbug", 4, 40)
    assert record["ratio"] == record["more_peak_mib"] / record["peak_mib"]
    assert record["peak_mib"] > 100


def test_fewer_rows_than_ten_times_as_many_are_refused(cli: Cli, checkpoint: Path, reviews: Path) -> None:
    done = cli("bench", "memory", "--model", checkpoint, "--data", reviews / "test.csv", "--examples", 5)
    assert done.code == 2
    assert "fewer examples than asked: there are 40" in done.err
