"""A run with attacks inside the model and attacks that know the adversary: rows, metrics, tables, figures."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.benchmark import run
from asa_bench.core.errors import InputError
from asa_bench.records.store import Run

from .conftest import Cli
from .tomls import write_suite

ATTACKS: list[dict[str, Any]] = [
    {"recipe": "embedding-pgd", "examples": 8},
    {"recipe": "attention-mask", "examples": 8, "options": {"shares": [0.1, 0.3]}},
    {"recipe": "deepwordbug", "examples": 8, "query_budget": 40},
    {"recipe": "deepwordbug", "name": "masks-on", "examples": 8, "query_budget": 40, "adversary": "on"},
]


@pytest.fixture(scope="module")
def suite(tiny_suite: dict[str, Any]) -> dict[str, Any]:
    return {**copy.deepcopy(tiny_suite), "name": "inside", "attack": ATTACKS, "control_examples": 4}


@pytest.fixture(scope="module")
def finished(suite: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(suite, tmp_path_factory.mktemp("runs") / "inside")


def test_models_with_an_adversary_alone_are_attacked_by_one_that_knows_it(finished: Run) -> None:
    pairs = {(row.defence, row.attack) for row in finished.examples.itertuples()}
    assert {defence for defence, attack in pairs if attack == "masks-on"} == {"asa-ratio"}
    for attack in ("embedding-pgd", "attention-mask", "embedding-pgd-random", "attention-mask-random"):
        assert {defence for defence, name in pairs if name == attack} == {"baseline", "asa-ratio"}
    assert {entry["status"] for entry in finished.info["cells"]} == {"done"}


def test_numbers_inside_the_model_enter_no_worst_case(finished: Run) -> None:
    worst = finished.results[finished.results["metric"] == "worst_case_accuracy"]
    robust = finished.results[finished.results["metric"] == "robust_accuracy"]
    words = robust[robust["attack"] == "deepwordbug"].set_index(["defence", "seed"], drop=False)
    assert not worst.empty
    assert list(worst["value"]) == list(words["value"].reindex(pd.MultiIndex.from_frame(worst[["defence", "seed"]])))


def test_accuracy_by_strength_falls_from_the_clean_one(finished: Run) -> None:
    table = pd.read_csv(finished.path / "report" / "tables" / "strengths-attention-mask.csv")
    names = ["attention-mask", "attention-mask-random"]
    assert list(table["Attack"]) == [name for name in names for _ in range(2)]
    assert (table["Clean, %"] >= table["At 0.1, %"]).all()
    assert (table["At 0.1, %"] >= table["At 0.3, %"]).all()
    assert (finished.path / "report" / "figures" / "strengths-embedding-pgd.svg").is_file()
    assert "masks-on" in (finished.path / "report" / "tables" / "aware-attacks.csv").read_text()


def test_what_decides_is_told_of_text_attacks_alone(finished: Run) -> None:
    """An attack that knows the adversary can only lower what the text attacks leave; those inside a model stay out."""
    table = pd.read_csv(finished.path / "report" / "tables" / "decided.csv").set_index(["Attack", "Defence"])
    plain = [("deepwordbug", "baseline"), ("deepwordbug", "asa-ratio")]
    assert list(table.index) == [*plain, ("masks-on", "asa-ratio")]
    worst = finished.results.query("metric == 'worst_case_accuracy' and seed == 0").set_index("defence")["value"]
    below, above = table["Worst case with it, %"], table["Worst case without it, %"]
    assert [below[place] for place in plain] == [worst[defence] for _, defence in plain]
    assert below["masks-on", "asa-ratio"] <= above["masks-on", "asa-ratio"] == worst["asa-ratio"]


def test_a_suite_without_an_adversary_is_refused(suite: dict[str, Any], tmp_path: Path, cli: Cli) -> None:
    path = write_suite(tmp_path / "suite.toml", {**suite, "defence": [{"method": "baseline"}]})
    found = cli("run", path, "--out", tmp_path / "out")
    assert found.code == 2
    assert found.err == f"asa-bench: {path}: attack 'masks-on': adversary: no defence here is trained by ASA\n"


def test_a_function_has_no_gradients() -> None:
    import asa_bench

    rows = [("a good film", 1), ("a bad film", 0)]
    message = r"^attack 'embedding-pgd' needs the model's gradients, which a function does not give$"
    with pytest.raises(InputError, match=message):
        asa_bench.attack(
            predict=lambda texts: [[0.0, 1.0] for _ in texts],
            labels=["neg", "pos"],
            examples=rows,
            attacks=["embedding-pgd"],
        )
