from dataclasses import replace

import pandas as pd
import pytest

from asa_bench.records.store import Run
from asa_bench.reporting.cost_tables import (
    exclusions,
    failed_cells,
    training_cost,
    training_ratios,
    training_seconds,
    training_times,
    tuning,
)
from asa_bench.reporting.view import views

from .conftest import MakeRun


def test_training_cost_is_relative_to_the_baseline(make_run: MakeRun) -> None:
    (view,) = views(make_run(seeds=(0, 1), n=10))
    assert training_seconds(view)["baseline"] == pytest.approx(18.0)
    table = training_cost(view)
    assert table is not None
    assert [cell.text for cell in table.rows[1]] == [
        "freelb", "55.8 s", "3.10 ×", "–", "–", "60", "–", "930 ms",
    ]  # fmt: skip
    assert table.rows[1][2].value == pytest.approx(3.1)


def test_a_machine_busy_for_a_while_does_not_change_the_ratio(make_run: MakeRun) -> None:
    run = make_run(seeds=(0, 1), n=10)
    busy = (run.training["defence"] == "freelb") & (run.training["step"] < 20)
    run.training.loc[busy, "seconds"] *= 10
    (view,) = views(run)
    assert training_ratios(view)["freelb"] == pytest.approx(3.1)
    assert training_seconds(view)["freelb"] > 200


def test_the_whole_training_counts_its_steps_and_the_attack_it_learns_from(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline", "freelb"), seeds=(0, 1), n=10)
    place = {"task": run.training["task"].iloc[0], "encoder": run.training["encoder"].iloc[0], "portion": None}
    harvest = {**place, "kind": "harvest", "defence": "baseline", "attack": "freelb"}
    cells = [{**harvest, "seed": 0, "seconds": 8.0}, {**harvest, "seed": 1, "seconds": 10.0}]
    rows = run.training[(run.training["defence"] != "freelb") | (run.training["step"] < 20)]
    (view,) = views(replace(run, training=rows, info={**run.info, "cells": cells}))
    assert training_times(view) == pytest.approx({"baseline": 1.0, "freelb": 3.1 * 20 / 60 + 9 / 18})


def test_without_a_baseline_there_is_no_ratio(make_run: MakeRun) -> None:
    (view,) = views(make_run(defences=("freelb", "asa"), n=10))
    table = training_cost(view)
    assert table is not None
    assert [row[2].text for row in table.rows] == ["–", "–"]
    assert "No ratio: no baseline was trained in this run." in table.caption


def test_memory_passes_and_parameters_where_they_are_known(make_run: MakeRun) -> None:
    run = make_run(seeds=(0, 1), n=10)
    run.training["peak_bytes"] = pd.NA
    at = run.training["step"] == 2
    run.training.loc[at, "peak_bytes"] = run.training.loc[at, "defence"].map({"baseline": 100.0, "freelb": 180.0})
    place = {"kind": "train", "task": run.training["task"].iloc[0], "encoder": run.training["encoder"].iloc[0]}
    cells = [{**place, "defence": "freelb", "seed": 0, "passes": 3, "parameters": 22_710_000, "portion": None}]
    (view,) = views(replace(run, info={**run.info, "cells": cells}))
    table = training_cost(view)
    assert table is not None
    assert [cell.text for cell in table.rows[1]][3:7] == ["1.80 ×", "3", "60", "22.7 M"]
    assert [cell.text for cell in table.rows[0]][3:7] == ["1.00 ×", "–", "60", "–"]


def test_every_trial_is_shown(make_run: MakeRun) -> None:
    run = make_run(n=10)
    place = {"task": run.training["task"].iloc[0], "encoder": run.training["encoder"].iloc[0], "portion": None}
    cells = [
        {**place, "kind": "trial", "defence": "freelb", "values": {"steps": 2}, "validation_loss": 0.41},
        {**place, "kind": "trial", "defence": "freelb", "values": {"steps": 3}, "validation_loss": 0.4},
        {**place, "kind": "train", "defence": "freelb", "tuned": {"steps": 3}},
    ]
    (view,) = views(replace(run, info={**run.info, "cells": cells}))
    table = tuning(view)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["freelb", "steps 2", "0.4100", "–", ""],
        ["freelb", "steps 3", "0.4000", "–", "yes"],
    ]
    (untuned,) = views(run)
    assert tuning(untuned) is None


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
