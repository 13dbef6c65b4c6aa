"""Calibration, and attacks at other temperatures."""

from __future__ import annotations

from typing import Any

from asa_bench.records.store import Run
from asa_bench.reporting.temperature_tables import calibration, sweep
from asa_bench.reporting.view import views
from asa_bench.stats.metrics import results

from .conftest import MakeRun


def test_calibration(make_run: MakeRun) -> None:
    (view,) = views(make_run(n=20))
    table = calibration(view)
    assert table is not None
    assert [cell.text for cell in table.rows[0]] == ["baseline", "1.70", "12.2", "1.3"]


def swept(make_run: MakeRun) -> Run:
    """Twenty examples; the sweep at four times the temperature breaks one of the first ten that held before."""
    run = make_run(defences=("baseline",), attacks=("pwws", "pwws-at-4"), n=20)
    suite: dict[str, Any] = run.info["suite"]
    suite["sweep"] = [4.0]
    suite["attack"][1]["kind"] = "sweep"
    plain, hot = (run.examples["attack"] == name for name in ("pwws", "pwws-at-4"))
    few = run.examples.loc[plain, "example_id"].head(10)
    rows = run.examples[plain | (hot & run.examples["example_id"].isin(few))].copy()
    rows["outcome"] = "succeeded"
    rows.loc[(rows["attack"] == "pwws") & rows["example_id"].isin(few.iloc[:3]), "outcome"] = "failed"
    rows.loc[(rows["attack"] == "pwws-at-4") & rows["example_id"].isin(few.iloc[1:4]), "outcome"] = "failed"
    metrics = results(rows, run.predictions, run.calibration, ["pwws"])
    return type(run)(**{**vars(run), "examples": rows, "results": metrics})


def test_all_temperatures_are_judged_on_the_same_examples_and_the_worst_is_per_example(make_run: MakeRun) -> None:
    (view,) = views(swept(make_run))
    table = sweep(view)
    assert table is not None
    assert [column.title for column in table.columns] == ["Attack", "Defence", "Fitted, %", "× 4, %", "Worst, %"]
    assert [[cell.text for cell in row] for row in table.rows] == [["pwws", "baseline", "30.0", "30.0", "20.0"]]
    assert table.rows[0][4].note == "5.7–51.0"


def test_without_a_sweep_there_is_no_table(make_run: MakeRun) -> None:
    (view,) = views(make_run(n=20))
    assert sweep(view) is None
