import pytest

from asa_bench.records.store import Run
from asa_bench.reporting.cost_tables import exclusions, failed_cells, training_cost, training_ratios, training_seconds
from asa_bench.reporting.view import views

from .conftest import MakeRun


def test_training_cost_is_relative_to_the_baseline(make_run: MakeRun) -> None:
    (view,) = views(make_run(seeds=(0, 1), n=10))
    assert training_seconds(view)["baseline"] == pytest.approx(18.0)
    table = training_cost(view)
    assert table is not None
    assert [cell.text for cell in table.rows[1]] == ["freelb", "55.8 s", "3.10 ×", "60", "930 ms"]
    assert table.rows[1][2].value == pytest.approx(3.1)


def test_a_machine_busy_for_a_while_does_not_change_the_ratio(make_run: MakeRun) -> None:
    run = make_run(seeds=(0, 1), n=10)
    busy = (run.training["defence"] == "freelb") & (run.training["step"] < 20)
    run.training.loc[busy, "seconds"] *= 10
    (view,) = views(run)
    assert training_ratios(view)["freelb"] == pytest.approx(3.1)
    assert training_seconds(view)["freelb"] > 200


def test_without_a_baseline_there_is_no_ratio(make_run: MakeRun) -> None:
    (view,) = views(make_run(defences=("freelb", "asa"), n=10))
    table = training_cost(view)
    assert table is not None
    assert [row[2].text for row in table.rows] == ["–", "–"]
    assert "No ratio: no baseline was trained in this run." in table.caption


def test_failed_cells_and_exclusions(empty_run: Run) -> None:
    assert failed_cells(empty_run.info) is None
    assert exclusions(empty_run.info) is None
    cells = [{"kind": "attack", "status": "failed", "seed": 0, "error": "no"}, {"kind": "train", "status": "done"}]
    failed = failed_cells({"cells": cells})
    assert failed is not None
    assert [cell.text for cell in failed.rows[0]] == ["attack", "–", "–", "–", "0", "–", "no"]
    assert failed.caption == "1 of 2 cells failed; their numbers are missing above, not zero."
    excluded = exclusions({"exclusions": [{"task": "t", "dataset": "train", "reason": "empty", "count": 1200}]})
    assert excluded is not None
    assert [cell.text for cell in excluded.rows[0]] == ["t", "train", "empty", "1,200"]
