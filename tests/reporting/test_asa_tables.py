from __future__ import annotations

from dataclasses import replace

import pytest

from asa_bench.records.store import Run
from asa_bench.reporting import asa_tables
from asa_bench.reporting.tables import Table
from asa_bench.reporting.view import View, views
from tests.reporting.conftest import MakeRun


def texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def test_masked_ratios_of_the_methods_that_mask(make_run: MakeRun) -> None:
    rows = texts(asa_tables.masked_ratios(views(make_run(n=10))[0]))
    assert [row[0] for row in rows] == ["asa", "asa-ratio"]
    assert rows[0][1:] == ["4.9", "9.8", "14.7"]


def test_divergence_of_the_second_pass_at_the_end_of_training(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline", "asa"), seeds=(0, 1, 2), n=10)
    assert asa_tables.pass_divergence(views(run)[0]) is None
    last = (run.training["defence"] == "asa") & (run.training["step"] >= 54)  # of 60 steps
    run.training.loc[run.training["defence"] == "asa", "divergence"] = 0.5
    run.training.loc[last, "divergence"] = run.training.loc[last, "seed"].map({0: 0.01, 1: 0.02, 2: 0.03})
    table = asa_tables.pass_divergence(views(run)[0])
    half = 4.302652729911275 * 0.01 / 3**0.5  # Student's quantile for two degrees of freedom
    assert texts(table) == [["asa", "0.0200"]]
    assert table is not None
    assert table.rows[0][1].note == f"{0.02 - half:.4f} to {0.02 + half:.4f}"


def test_keyword_attention_by_layer_with_and_without_the_mask(make_run: MakeRun) -> None:
    rows = texts(asa_tables.keyword_attention(views(make_run(n=10, views=True))[0]))
    assert rows[0] == ["baseline", "clean", "1.20", "1.15", "1.10", "–", "–"]
    assert rows[2:4] == [
        ["asa", "clean", "1.20", "1.15", "1.10", "+0.00", "+0.00"],
        ["asa", "mask", "0.90", "0.85", "0.80", "−0.30", "+0.15"],
    ]


def test_attention_on_keywords_is_compared_with_the_baseline_of_the_same_seeds(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline", "asa"), seeds=(0, 1, 2), n=10, views=True)
    own = (run.views["defence"] == "asa") & (run.views["view"] == "keywords")
    run.views.loc[own, "value"] += run.views.loc[own, "seed"].map({0: -0.1, 1: -0.2, 2: -0.3})
    table = asa_tables.keyword_attention(views(run)[0])
    assert table is not None
    (clean,) = (row[-2] for row in table.rows if [cell.text for cell in row[:2]] == ["asa", "clean"])
    half = 4.302652729911275 * 0.1 / 3**0.5  # Student's quantile for two degrees of freedom
    assert (clean.text, clean.note) == ("−0.20", f"−{0.2 + half:.2f} to +{half - 0.2:.2f}")
    assert (clean.low, clean.high) == pytest.approx((-0.2 - half, -0.2 + half))


def test_divergence_has_the_radii_in_order_and_the_prediction(make_run: MakeRun) -> None:
    rows = texts(asa_tables.divergence(views(make_run(n=10, views=True))[0]))
    assert rows[0] == ["baseline", "radius 0.1", "0.0100", "0.0200", "0.0300", "0.1000"]
    assert [row[1] for row in rows if row[0] == "asa"] == ["radius 0.1", "radius 3", "mask"]


def test_learning_curve_by_defence_and_size(make_run: MakeRun) -> None:
    table = asa_tables.learning_curve(views(make_run(n=10, views=True))[0])
    rows = texts(table)
    assert [row[:2] for row in rows[:3]] == [["baseline", "250"], ["baseline", "1,000"], ["baseline", "4,000"]]
    assert rows[0][2:] == ["61.2", "10.0"]
    assert table is not None
    assert table.rows[0][2].low == pytest.approx(0.5625)
    assert table.caption.endswith(" optimizer steps, attacked on 200 examples without controls, with 95 % intervals.")


def test_a_learning_curve_without_attacks_is_of_clean_accuracy_alone(make_run: MakeRun) -> None:
    run = make_run(n=10, views=True)
    (view,) = views(
        replace(
            run,
            results=run.results[run.results["metric"] == "clean_accuracy"],
            curves=run.curves[run.curves["metric"] == "clean_accuracy"],
        )
    )
    table = asa_tables.learning_curve(view)
    assert table is not None
    assert [column.title for column in table.columns] == ["Defence", "Training examples", "Clean accuracy, %"]
    assert table.caption.endswith(" optimizer steps, with 95 % intervals.")


def test_no_data_no_table(empty_run: Run) -> None:
    view = View("t", "e", {}, empty_run.results, empty_run.examples, empty_run.training)
    makers = (asa_tables.masked_ratios, asa_tables.keyword_attention, asa_tables.divergence, asa_tables.learning_curve)
    assert [maker(view) for maker in makers] == [None] * 4
