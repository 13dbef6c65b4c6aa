from __future__ import annotations

import json

import pytest

from asa_bench.records.store import Run
from asa_bench.reporting import effort_tables
from asa_bench.reporting.drawing import style
from asa_bench.reporting.effort_figures import curves, effort
from asa_bench.reporting.view import View, views
from tests.reporting.conftest import EFFORT, MakeRun


@pytest.fixture
def view(make_run: MakeRun) -> View:
    return views(make_run(n=100, seeds=(0, 1)))[0]


def test_lines_end_at_the_robust_accuracy_of_the_comparison(view: View) -> None:
    for attack in view.text_attacks:
        lines = curves(view, attack, "queries")
        assert list(lines) == view.defences
        for name, line in lines.items():
            assert line["value"].iloc[-1] == pytest.approx(view.estimate(name, "robust_accuracy", attack).value)


def test_a_figure_for_each_measure_with_a_panel_for_each_attack(view: View) -> None:
    with style():
        plots = list(effort(view))
    assert [plot.name for plot in plots] == EFFORT
    assert [[axes.get_title() for axes in plot.figure.axes] for plot in plots] == [["deepwordbug", "pwws"]] * 3
    assert plots[0].alt == (
        "Step charts of robust accuracy over queries under deepwordbug and pwws for baseline, freelb, asa and "
        "asa-ratio."
    )


def test_each_line_has_its_band(make_run: MakeRun) -> None:
    with style():
        plots = list(effort(views(make_run(n=100, seeds=(0,)))[0]))
    bands = [len(axes.collections) for plot in plots for axes in plot.figure.axes]
    assert bands == [4] * 6
    assert plots[0].caption.endswith(
        "The lines end at the robust accuracy of the comparison. Bands: 95 % Wilson intervals over the examples of one "
        "training seed; they speak of these checkpoints, not of the methods."
    )


def test_panels_of_many_attacks_are_in_rows_of_three(make_run: MakeRun) -> None:
    with style():
        first = next(effort(views(make_run(n=20, attacks=("a", "b", "c", "d")))[0]))
    assert [axes.get_visible() for axes in first.figure.axes] == [True] * 4 + [False] * 2


def test_no_figure_and_no_number_without_similarity(make_run: MakeRun) -> None:
    view = views(make_run(n=20))[0]
    bare = View(view.task, view.encoder, view.info, view.results,
                view.examples.assign(similarity=float("nan")), view.training)  # fmt: skip
    with style():
        assert [plot.name for plot in effort(bare)] == EFFORT[:2]
    table = effort_tables.limits(bare)
    assert table is not None
    assert [cell.text for cell in table.rows[0]][-3:-1] == ["–", "–"]


def test_table_of_limits(view: View) -> None:
    table = effort_tables.limits(view)
    assert table is not None
    assert [row[1].text for row in table.rows] == view.defences * 2
    within = {column.title: cell for column, cell in zip(table.columns, table.rows[0], strict=True)}
    whole = view.estimate("baseline", "robust_accuracy", "deepwordbug")
    assert within["1 word, %"].value == whole.value  # each success of this run changes one word
    assert within["25 queries, %"].value == pytest.approx(84 / 100)  # 14 were wrong before, 2 ended in an error


def test_a_defence_that_no_attack_breaks_is_shown(view: View) -> None:
    unbroken = view.examples.copy()
    unbroken.loc[(unbroken["defence"] == "asa") & (unbroken["outcome"] == "succeeded"), "outcome"] = "failed"
    held = View(view.task, view.encoder, view.info, view.results, unbroken, view.training)
    assert len(curves(held, "pwws", "words")["asa"]) == 1
    table = effort_tables.limits(held)
    assert table is not None
    assert ["asa", "84.0"] in [[row[1].text, row[2].text] for row in table.rows]


def test_no_number_beyond_the_budget(make_run: MakeRun) -> None:
    attack = {"name": "pwws", "recipe": "pwws", "kind": "text", "examples": 200, "query_budget": 60}
    small = views(make_run(n=20, attacks=("pwws",), suite={"defence": [{"name": "baseline"}], "attack": [attack]}))[0]
    table = effort_tables.limits(small)
    assert table is not None
    assert [cell.text == "–" for cell in table.rows[0]][2:5] == [False, False, True]


def test_names_that_shorten_alike_keep_a_line_each(make_run: MakeRun) -> None:
    long = [f"asa-tau-0.5-steps-3-variant-{kind * 4}-end-of-a-name" for kind in "ab"]
    with style():
        first = next(effort(views(make_run(n=40, defences=long))[0]))
    (legend,) = first.figure.legends
    assert len(legend.get_texts()) == 2


def test_a_trace_tells_an_earlier_success_than_the_end_of_the_search(view: View) -> None:
    trace = json.dumps([[2, 0.5, 1, True]])
    traced = View(view.task, view.encoder, view.info, view.results, view.examples.assign(trace=trace), view.training)
    line = curves(traced, "deepwordbug", "queries")["baseline"]
    assert list(line.index) == [0, 2]


def test_no_data_no_table_and_no_figure(empty_run: Run) -> None:
    view = View("t", "e", {}, empty_run.results, empty_run.examples, empty_run.training)
    assert effort_tables.limits(view) is None
    assert list(effort(view)) == []


def test_the_same_examples_for_every_defence(make_run: MakeRun) -> None:
    (view,) = views(make_run(n=60, seeds=(0, 1)))
    table = effort_tables.common(view)
    assert table is not None
    rows = view.examples[view.examples["attack"] == "pwws"]
    right = (
        rows[rows["outcome"].isin(["succeeded", "failed"])].groupby(["seed", "example_id"])["defence"].nunique() == 4
    )
    own = rows[rows["defence"] == "asa"].set_index(["seed", "example_id"])["outcome"][right[right].index]
    found = next(row for row in table.rows if [cell.text for cell in row[:2]] == ["pwws", "asa"])
    assert found[2].value == (own == "succeeded").mean()
    assert found[2].note == f"n = {len(own)}"
    (alone,) = views(make_run(n=20, defences=("asa",)))
    assert effort_tables.common(alone) is None


def test_limited_and_unlimited_budgets_stand_side_by_side(view: View) -> None:
    rows = view.examples
    failed = rows["outcome"] == "failed"
    first = failed & (rows["attack"] == "pwws") & (rows["defence"] == "asa")
    rows.loc[first & (rows["seed"] == 0), "queries"] = 500
    table = effort_tables.budgets(view)
    assert table is not None
    row = next(row for row in table.rows if [cell.text for cell in row[:2]] == ["pwws", "asa"])
    robust = [view.estimate("asa", "robust_accuracy", "pwws", seed).value or 0.0 for seed in (0, 1)]
    assert row[5].value == (first & (rows["seed"] == 0)).sum()
    assert [row[6].value, row[7].value] == pytest.approx([robust[1] / 2, sum(robust) / 2])
    assert row[4].value == pytest.approx(row[7].value)
    assert [cell.text for cell in table.rows[0][2:]] == [*(cell.text for cell in table.rows[0][2:5]), "0", *(
        2 * [table.rows[0][4].text]
    )]  # fmt: skip


def test_without_a_budget_there_is_nothing_to_set_beside(view: View) -> None:
    for attack in view.info["suite"]["attack"]:
        attack["query_budget"] = None
    assert effort_tables.budgets(view) is None
