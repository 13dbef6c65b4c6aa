"""What docs/asa.md shows of the suite ``asa`` is what the committed runs say."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from asa_bench.records.store import Run, load_run
from asa_bench.reporting import asa_tables
from asa_bench.reporting.accuracy_tables import CLEAN, WORST
from asa_bench.reporting.accuracy_tables import comparison as comparison_table
from asa_bench.reporting.comparison_tables import compared
from asa_bench.reporting.cost_tables import training_times
from asa_bench.reporting.curve_points import curve_points
from asa_bench.reporting.formats import points
from asa_bench.reporting.merging import merged
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain, words
from asa_bench.reporting.view import View, views
from asa_bench.stats.intervals import Estimate
from asa_bench.stats.metrics import TEST
from asa_bench.stats.paired import combine_seeds, paired
from tests.test_readme import ROOT, body

ASA = ("asa", "asa-ratio")


def suite_asa() -> tuple[Run, View]:
    """The suite ``asa`` on all seeds that were run."""
    runs = [load_run(path) for path in sorted((ROOT / "reports/measured").glob("asa-*"))]
    run = merged(runs) if len(runs) > 1 else runs[0]
    (view,) = views(run)
    return run, view


def table_of(name: str, head: str, titles: list[str], rows: list[list[Cell]]) -> Table:
    return Table(name, "", "", [Column(head, numeric=False), *map(Column, titles)], rows)


def against_controls(view: View) -> Table:
    """The report's primary comparisons: the worst case of each ASA variant less that of all it is compared with."""
    found = compared(view)
    assert found is not None
    rows = [row for row in found.rows if row[2].text == "primary"]
    others = dict.fromkeys(row[1].text for row in rows)
    cells = {(row[0].text, row[1].text): (row[3], row[5]) for row in rows}
    nothing = (plain(None), plain(None))
    return table_of(
        "controls", "Worst case less that of",
        [title for name in ASA for title in (f"{name}, points", "p, Holm")],
        [[words(other), *(cell for name in ASA for cell in cells.get((name, other), nothing))] for other in others],
    )  # fmt: skip


def clean_against_controls(run: Run, view: View) -> Table:
    """The same of clean accuracy, without p values: a look, no test."""
    found = compared(view)
    assert found is not None
    pairs = {(row[0].text, row[1].text) for row in found.rows if row[2].text == "primary"}
    others = dict.fromkeys(row[1].text for row in found.rows if row[2].text == "primary")
    rows = run.predictions[run.predictions["dataset"] != "validation"]
    parts = {TEST: rows[rows["dataset"] == TEST], "other domains": rows[rows["dataset"] != TEST]}
    return table_of(
        "clean", "Clean accuracy less that of", [f"{name}, {part}" for name in ASA for part in parts],
        [
            [words(other), *(difference(part, name, other) if (name, other) in pairs else plain(None)
                             for name in ASA for part in parts.values())]
            for other in others
        ],
    )  # fmt: skip


def difference(predictions: pd.DataFrame, defence: str, against: str) -> Cell:
    right = predictions.assign(right=predictions["prediction"] == predictions["label"])
    pairs = []
    for _, seed in right.groupby("seed"):
        one, other = (
            seed[seed["defence"] == name].set_index(["dataset", "example_id"])["right"] for name in (defence, against)
        )
        pair = paired(other, one)
        assert pair is not None
        pairs.append(pair)
    found = combine_seeds(pairs)
    known = found.low is not None and found.high is not None
    note = f"{points(found.low or 0.0)} to {points(found.high or 0.0)}" if known else ""
    return Cell(found.difference, points(found.difference), note)


def moved_attention(view: View) -> Table:
    """The report's divergence of attention, for both ASA variants and an ordinary model."""
    return of_defences(asa_tables.divergence(view), ("baseline", *ASA))


def of_defences(table: Table | None, names: tuple[str, ...]) -> Table:
    assert table is not None
    return Table(table.name, "", "", table.columns, [row for row in table.rows if row[0].text in names])


def curve(view: View, metric: str) -> Table:
    """Accuracy over training data, a size a row."""
    names = [name for name in view.defences if (view.curves["defence"] == name).any()]
    found = {name: curve_points(view, name, metric, None) for name in names}
    return table_of(
        "curve", "Training examples", [f"{name}, %" for name in names],
        [
            [words(f"{size:,}"), *(percentage(Estimate(*found[name][size], 0)) for name in names)]
            for size in sorted(found[names[0]])
        ],
    )  # fmt: skip


def cost(view: View) -> Table:
    """Time of training, over the baseline's, beside what it buys."""
    times: Mapping[str, float] = training_times(view)
    return table_of(
        "cost", "Defence", ["Time of training", "Worst case, %"],
        [
            [words(name), Cell(time, f"{time:.2f} ×"), percentage(view.estimate(name, WORST))]
            for name, time in sorted(times.items(), key=lambda item: item[1])
        ],
    )  # fmt: skip


def shown() -> dict[str, Table]:
    """All tables of the page, by name."""
    run, view = suite_asa()
    ratios, keywords = asa_tables.masked_ratios(view), asa_tables.keyword_attention(view)
    passes = asa_tables.pass_divergence(view)
    assert ratios is not None
    assert passes is not None
    assert keywords is not None
    tables = {
        "answer": comparison_table(view),
        "controls": against_controls(view),
        "clean": clean_against_controls(run, view),
        "ratios": ratios,
        "passes": passes,
        "keywords": keywords,
        "divergence": moved_attention(view),
        "curve-clean": curve(view, CLEAN),
        "curve-robust": curve(view, WORST),
        "cost": cost(view),
    }
    return {name: Table(name, "", "", table.columns, table.rows) for name, table in tables.items()}


def test_the_tables_of_the_page_are_those_of_the_committed_runs() -> None:
    told = (ROOT / "docs/asa.md").read_text(encoding="utf-8")
    for table in shown().values():
        assert body(table) in told, table.name
