"""Runs in which defences learn from attacks, are tuned, or are given the same compute."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.benchmark import run
from asa_bench.core.errors import InputError
from asa_bench.records.store import Run
from asa_bench.suite_file import load_suite
from asa_bench.suite_plan import make_plan

from .test_run import Listener

Data = dict[str, Any]


@pytest.fixture(scope="module")
def suite(tiny_suite: Data) -> Data:
    """The tiny suite with two epochs and no attack of its own."""
    short = copy.deepcopy(tiny_suite)
    short["train"]["epochs"] = 2
    return {**short, "attack": []}


def cells(done: Run, kind: str) -> dict[str, Data]:
    """The records of the cells of one kind, by defence."""
    assert {cell["status"] for cell in done.info["cells"]} == {"done"}
    return {cell["defence"]: cell for cell in done.info["cells"] if cell["kind"] == kind}


def flagged(done: Run, sign: str) -> list[tuple[str, str]]:
    """Defences and attacks that the report flags for a reason which begins so."""
    table = pd.read_csv(done.path / "report/tables/flags.csv")
    table = table[table["Why"].str.startswith(sign)]
    return list(zip(table["Defence"], table["Attack"], strict=True))


def test_an_attacks_successes_are_learnt(tiny_suite: Data, tmp_path: Path) -> None:
    changed = {**tiny_suite, "defence": [{"method": "baseline"}, {**LEARNING}]}
    done = run(changed, tmp_path / "run")
    trained = cells(done, "train")
    harvest = tmp_path / "run/cells/harvest/reviews/tiny-bert/baseline/0/adversarial-examples/examples.parquet"
    rows = pd.read_parquet(harvest)
    assert len(rows) == 16
    successes = (rows["outcome"] == "succeeded").sum()
    assert successes > 0
    assert trained["adversarial-examples"]["examples"] == trained["baseline"]["examples"] + successes
    assert trained["adversarial-examples"]["steps"] == trained["baseline"]["steps"]
    assert set(done.examples["attack"]) == {"deepwordbug"}  # what was learnt from is no result
    assert not set(rows["example_id"]) & set(done.examples["example_id"])
    assert flagged(done, "trained on this attack: ") == [("adversarial-examples", "deepwordbug")]
    listener = Listener()
    run(changed, tmp_path / "run", progress=listener)
    assert listener.names == []
    changed["defence"][1]["examples"] = 12
    with pytest.raises(InputError, match="harvest/reviews/tiny-bert/baseline/0/adversarial-examples"):
        run(changed, tmp_path / "run")


def test_equal_compute_gives_the_cheaper_more_steps(suite: Data, tmp_path: Path) -> None:
    changed = copy.deepcopy(suite)
    changed["train"]["equal_compute"] = True
    changed["defence"] = [{"method": name} for name in ("baseline", "r-drop", "freelb")]
    trained = cells(run(changed, tmp_path / "run"), "train")
    steps = {name: cell["steps"] for name, cell in trained.items()}
    assert steps == {"baseline": 36, "r-drop": 18, "freelb": 12}
    assert {cell["steps"] * cell["passes"] for cell in trained.values()} == {36}


LEARNING = {"method": "adversarial-examples", "examples": 16, "query_budget": 40}

TUNED = [
    {"method": "baseline", "tune": {"learning_rate": [1e-5, 2e-3]}},
    {"method": "freelb", "tune": {"steps": [1, 2]}},
]


def test_values_are_chosen_by_validation_loss(suite: Data, tmp_path: Path) -> None:
    done = run({**suite, "seeds": [0, 1], "defence": TUNED}, tmp_path / "run")
    trials = [cell for cell in done.info["cells"] if cell["kind"] == "trial"]
    assert [(cell["defence"], cell["values"]) for cell in trials] == [
        ("baseline", {"learning_rate": 1e-5}),
        ("baseline", {"learning_rate": 2e-3}),
        ("freelb", {"steps": 1}),
        ("freelb", {"steps": 2}),
    ]
    for name in ("baseline", "freelb"):
        own = [cell for cell in trials if cell["defence"] == name]
        best = min(own, key=lambda cell: float(cell["validation_loss"]))
        trained = [cell for cell in done.info["cells"] if cell["kind"] == "train" and cell["defence"] == name]
        assert [cell["tuned"] for cell in trained] == [best["values"]] * 2
    losses = done.calibration.query("defence == 'baseline' and seed == 0")["validation_loss"]
    assert losses.iloc[0] == min(cell["validation_loss"] for cell in trials if cell["defence"] == "baseline")


def test_values_are_chosen_by_robust_validation_accuracy(tiny_suite: Data, suite: Data, tmp_path: Path) -> None:
    tune = {"criterion": "robust-accuracy", "examples": 6, "query_budget": 20}
    done = run({**suite, "tune": tune, "defence": TUNED[:1], "attack": tiny_suite["attack"]}, tmp_path / "run")
    trials = [cell for cell in done.info["cells"] if cell["kind"] == "trial"]
    assert all(0 <= cell["robust_accuracy"] <= 1 for cell in trials)
    best = max(trials, key=lambda cell: float(cell["robust_accuracy"]))
    assert cells(done, "train")["baseline"]["tuned"] == best["values"]
    assert flagged(done, "tuned on this attack: ") == [("baseline", "deepwordbug")]
    assert not list((tmp_path / "run/cells").rglob("*.safetensors.tmp"))
    assert not list((tmp_path / "run/cells/trial").rglob("model"))


def test_a_trial_that_diverges_is_not_taken(suite: Data, tmp_path: Path) -> None:
    diverging = {"method": "baseline", "tune": {"learning_rate": [1e30, 1e-3]}}
    done = run({**suite, "defence": [diverging]}, tmp_path / "run")
    losses = [cell["validation_loss"] for cell in done.info["cells"] if cell["kind"] == "trial"]
    assert losses[0] is None
    assert cells(done, "train")["baseline"]["tuned"] == {"learning_rate": 1e-3}


def test_trials_notice_other_training_data(suite: Data) -> None:
    tuned = {**suite, "tune": {"criterion": "robust-accuracy", "examples": 6}, "defence": TUNED[:1]}
    fewer = {**tuned, "train": {**suite["train"], "examples": 40}}
    keys = [{cell.key for cell in make_plan(load_suite(one)).cells if cell.kind == "trial"} for one in (tuned, fewer)]
    assert len(keys[0]) == 2
    assert not keys[0] & keys[1]


def test_test_data_take_no_part_in_training_and_tuning(suite: Data, tmp_path: Path) -> None:
    rows = pd.read_csv(suite["task"]["test"])
    rows[:20].to_csv(tmp_path / "other.csv", index=False)
    tune = {"criterion": "robust-accuracy", "examples": 6}
    tuned = {**suite, "tune": tune, "defence": [TUNED[0], {**LEARNING, "tune": {"warmup": [0.0, 0.1]}}]}
    other = {**tuned, "task": {**suite["task"], "test": str(tmp_path / "other.csv")}}
    plans = [make_plan(load_suite(one)).cells for one in (tuned, other)]
    for kind, same in (("trial", True), ("train", True), ("harvest", True), ("evaluate", False)):
        keys = [[cell.key for cell in cells if cell.kind == kind] for cells in plans]
        assert keys[0]
        assert (keys[0] == keys[1]) == same, kind


def test_a_curve_keeps_the_suites_order(tiny_suite: Data, suite: Data) -> None:
    learning = {"method": "adversarial-examples", "examples": 16}
    curve = {"examples": [24], "defences": ["adversarial-examples", "baseline"]}
    plan = make_plan(load_suite({**suite, "defence": [{"method": "baseline"}, learning], "curve": curve}))
    points = [cell.defence for cell in plan.cells if cell.kind == "train" and cell.portion]
    assert points == ["baseline", "adversarial-examples"]


def test_equal_compute_counts_what_is_tried(suite: Data) -> None:
    changed = copy.deepcopy(suite)
    changed["train"]["equal_compute"] = True
    changed["defence"] = [
        {"method": "baseline", "tune": {"learning_rate": [1e-3, 2e-3]}},
        {"method": "freelb", "tune": {"steps": [3, 6]}},
    ]
    plan = make_plan(load_suite(changed))
    trials = [cell for cell in plan.cells if cell.kind == "trial"]
    assert [cell.ingredients["train"]["steps"] for cell in trials] == [72, 72, 24, 12]


@pytest.mark.parametrize(
    ("defences", "message"),
    [
        (
            [TUNED[0], {"method": "freelb"}],
            "defence[1].tune: 0 trials, but 2 for 'baseline'; every defence gets as many",
        ),
        ([{"method": "freelb", "tune": {"steps": [1, 0]}}], "defence[0].tune.steps: expected >= 1, got 0"),
        ([{"method": "freelb", "tune": {"stepss": [1]}}], "unknown key 'defence[0].tune.stepss'; did you mean"),
        (
            [{"method": "baseline", "tune": {"learning_rate": [-1]}}],
            "defence[0].tune.learning_rate: expected > 0, got -1",
        ),
        (
            [{"method": "baseline"}, {"method": "adversarial-examples", "tune": {"examples": [5]}}],
            "defence[1].tune: what it learns from cannot be tuned",
        ),
        ([{"method": "baseline", "tune": 3}], "defence[0].tune: expected a table, got 3"),
        ([{"method": "baseline", "tune": {"learning_rate": []}}], "defence[0].tune.learning_rate: expected at least 1"),
        (
            [{"method": "baseline"}, {"method": "adversarial-examples", "recipe": "input-reduction"}],
            "defence[1].recipe: expected an attack of kind text; 'input-reduction' is of kind diagnostic",
        ),
        ([{"method": "adversarial-examples"}], "defence[0].like: no defence 'baseline' stands before it"),
        (
            [{"method": "baseline"}, {"method": "adversarial-examples", "recipe": "deepwordbugs"}],
            "defence[1].recipe: unknown attack 'deepwordbugs'; did you mean 'deepwordbug'?",
        ),
    ],
)
def test_wrong_ways_to_tune_and_to_learn(suite: Data, defences: list[Data], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_suite({**suite, "defence": defences})
    assert str(caught.value).startswith(f"suite: {message}")
