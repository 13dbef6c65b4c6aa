from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli

KEYS = ["attack", "precision", "examples", "stock_examples", "stock_length", "stock_examples_per_second",
        "examples_per_second", "speedup", "forward_share", "identical"]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "compared", "padded_to"),
    [((), 6, 40), (("--stock-length", 64), 6, 64), (("--stock-examples", 2), 2, 40)],
)
def test_bench_attack_says_how_it_compares_with_stock(
    cli: Cli, checkpoint: Path, reviews: Path, options: tuple[object, ...], compared: int, padded_to: int
) -> None:
    done = cli(
        "bench", "attack", "--attack", "deepwordbug", "--model", checkpoint, "--data", reviews / "test.csv",
        "--examples", 6, "--query-budget", 60, "--precision", "fp32", "--threads", 1, "--format", "json",
        *options,
    )  # fmt: skip
    assert done.code == 0, done.err
    [record] = json.loads(done.out)
    assert list(record) == KEYS
    assert (record["attack"], record["precision"], record["examples"]) == ("deepwordbug", "fp32", 6)
    assert (record["stock_examples"], record["stock_length"], record["identical"]) == (compared, padded_to, 1)
    ratio = record["examples_per_second"] / record["stock_examples_per_second"]
    assert record["speedup"] == pytest.approx(ratio)
    assert record["forward_share"] > 0


def test_stock_answers_in_bf16_too(cli: Cli, checkpoint: Path, reviews: Path) -> None:
    """Unlike shapes give unlike last bits, so that not every example has to end alike."""
    done = cli(
        "bench", "attack", "--attack", "deepwordbug", "--model", checkpoint, "--data", reviews / "test.csv",
        "--examples", 6, "--query-budget", 60, "--precision", "bf16", "--threads", 1, "--format", "json",
    )  # fmt: skip
    [record] = json.loads(done.out)
    assert (record["precision"], record["identical"] > 0.5) == ("bf16", True)


def test_the_table_has_a_line_for_each_attack(cli: Cli, checkpoint: Path, reviews: Path) -> None:
    done = cli(
        "bench", "attack", "--attack", "leap", "--attack", "bad-characters-homoglyphs", "--model", checkpoint,
        "--data", reviews / "test.csv", "--examples", 4, "--query-budget", 20, "--precision", "fp32", "--threads", 1,
    )  # fmt: skip
    head, *rows = done.out.splitlines()
    assert head.split("  ")[-1] == "identical"
    assert [row.split()[:3] for row in rows] == [["leap", "fp32", "4"], ["bad-characters-homoglyphs", "fp32", "4"]]
    assert {len(row) for row in rows} == {len(head)}


def test_an_unknown_attack_is_named(cli: Cli, checkpoint: Path, reviews: Path) -> None:
    done = cli("bench", "attack", "--attack", "deepwordbag", "--model", checkpoint, "--data", reviews / "test.csv")
    assert done.code == 2
    assert "deepwordbug" in done.err


def test_stock_cannot_pad_to_more_than_the_model_reads(cli: Cli, checkpoint: Path, reviews: Path) -> None:
    done = cli("bench", "attack", "--model", checkpoint, "--data", reviews / "test.csv", "--stock-length", 4096,
               "--examples", 4)  # fmt: skip
    assert done.code == 2
    assert "--stock-length: expected <= 64 for this model, got 4096" in done.err
