"""Attacked examples for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.core.errors import InputError
from asa_bench.records import schema
from asa_bench.records.store import Run
from asa_bench.reporting.export import export_run


def run_of(rows: list[dict[str, Any]], text: list[str]) -> Run:
    place = {"task": "t", "encoder": "e", "defence": "d", "seed": 0, "attack": "pwws", "label": 1}
    suite = {"task": [{"name": "t", "text": text}], "attack": [{"name": "pwws", "kind": "text"}]}
    examples = schema.table([{**place, **row} for row in rows], schema.EXAMPLES)
    empty = {name: pd.DataFrame() for name in ("results", "training", "predictions", "calibration")}
    return Run(path=Path("run"), info={"suite": suite}, examples=examples, **empty)


@pytest.fixture
def run() -> Run:
    return run_of(
        [
            {"example_id": "a", "outcome": "succeeded", "original_text": "good, film", "adversarial_text": "gud, film",
             "original_prediction": 1, "adversarial_prediction": 0, "queries": 7,
             "trace": "[[1, 0.1, 0, false], [7, 0.9, 1, true]]"},
            {"example_id": "b", "outcome": "failed", "original_text": "fine", "original_prediction": 1, "queries": 9,
             "trace": "[[1, 0.2, 0, false], [5, 0.3, 1, false]]"},
            {"example_id": "c", "outcome": "error", "original_text": "odd", "message": "KeyError: 1"},
        ],
        ["text"],
    )  # fmt: skip


def test_textattacks_columns(run: Run, tmp_path: Path) -> None:
    frame = pd.read_csv(export_run(run, "textattack-csv", tmp_path / "log.csv"))
    assert list(frame)[:9] == [
        "original_text", "perturbed_text", "original_score", "perturbed_score", "original_output",
        "perturbed_output", "ground_truth_output", "num_queries", "result_type",
    ]  # fmt: skip
    assert frame["result_type"].tolist() == ["Successful", "Failed", "Error"]
    assert frame["perturbed_text"].tolist() == ["gud, film", "fine", "odd"]
    assert frame["perturbed_output"].tolist()[:2] == [0, 1]
    assert frame["original_score"].fillna(-1).tolist() == [0.1, 0.2, -1]
    assert frame["perturbed_score"].fillna(-1).tolist() == [0.9, 0.2, -1]


def test_json_lines(run: Run, tmp_path: Path) -> None:
    lines = export_run(run, "jsonl", tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["example_id"] for row in rows] == ["a", "b", "c"]
    assert rows[1]["adversarial_text"] is None
    assert rows[0]["queries"] == 7


def test_a_data_set_of_the_successes(run: Run, tmp_path: Path) -> None:
    import datasets

    found = datasets.load_from_disk(str(export_run(run, "datasets", tmp_path / "set")))
    assert found.to_list() == [
        {"text": "gud, film", "label": 1, "task": "t", "encoder": "e", "defence": "d", "seed": "0", "attack": "pwws",
         "example_id": "a", "original": "good, film"}
    ]  # fmt: skip


def test_pairs_get_their_columns(tmp_path: Path) -> None:
    import datasets

    row = {"example_id": "a", "outcome": "succeeded", "original_text": '["p", "h"]', "adversarial_text": '["p", "k"]'}
    pair = run_of([row], ["premise", "hypothesis"])
    [found] = datasets.load_from_disk(str(export_run(pair, "datasets", tmp_path / "set"))).to_list()
    assert (found["premise"], found["hypothesis"]) == ("p", "k")


def test_what_cannot_be_exported(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^--out {tmp_path}: exists already$"):
        export_run(run, "jsonl", tmp_path)
    with pytest.raises(InputError, match=r"^run: no successful attack in it$"):
        export_run(run_of([{"outcome": "failed", "original_text": "a"}], ["text"]), "datasets", tmp_path / "set")
    with pytest.raises(InputError, match=r"^run: no texts of attacked examples in it$"):
        export_run(run_of([{"outcome": "failed"}], ["text"]), "jsonl", tmp_path / "x")
