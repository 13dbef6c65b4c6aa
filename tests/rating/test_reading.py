"""Filled sheets become rows of the run, all or none."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.rating.reading import import_sheets
from asa_bench.rating.sheet import write_sheet
from asa_bench.records import schema
from asa_bench.records.store import finished_run, load_run, write_table
from asa_bench.reporting.merging import merged
from asa_bench.reporting.rating_tables import rated, rater_table
from asa_bench.reporting.view import views
from tests.conftest import Cli

from .conftest import DEFENCES, MakeRun, careful, example, examples, fill, rows_of


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    return make_run()


@pytest.fixture
def sheet(run: Path, tmp_path: Path) -> Path:
    """Of ``run``: 8 texts and 4 controls."""
    write_sheet(finished_run(run), tmp_path / "sheet.csv", 4, 2, 0)
    return tmp_path / "sheet.csv"


def test_two_raters(cli: Cli, run: Path, sheet: Path, tmp_path: Path) -> None:
    ann = fill(sheet, tmp_path / "ann.csv", careful("Ann"))
    bob = fill(sheet, tmp_path / "bob.csv", careful("Bob", label_read="unclear", grammar=2))
    code, out, err = cli("ratings", "import", run, ann, bob)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "Ann: 8 adversarial texts, 0 of 4 controls failed",
        "Bob: 8 adversarial texts, 0 of 4 controls failed",
        f"report: {run / 'report' / 'index.html'}",
    ]
    ratings = load_run(run).ratings
    assert ratings["rater"].value_counts().to_dict() == {"Ann": 12, "Bob": 12}
    texts = ratings[ratings["control"].isna()].merge(load_run(run).examples, on=[*schema.CELL, "attack", "example_id"])
    assert len(texts) == 16
    assert (texts["adversarial_text_x"] == texts["adversarial_text_y"]).all()
    own = texts[texts["rater"] == "Ann"]
    assert (own["label_read"] == own["label"]).all()
    assert ratings.loc[ratings["rater"] == "Bob", "label_read"].isna().all()
    controls = ratings[ratings["control"].notna()]
    assert controls[["defence", "seed", "attack", "adversarial_text"]].isna().all(axis=None)
    for form in ("csv", "md", "tex"):
        assert (run / "report" / "tables" / f"ratings.{form}").is_file()


def test_again_changes_nothing_and_a_changed_sheet_replaces(run: Path, sheet: Path, tmp_path: Path) -> None:
    ann, bob = (fill(sheet, tmp_path / f"{name}.csv", careful(name)) for name in ("Ann", "Bob"))
    import_sheets(run, [ann])
    import_sheets(run, [bob])
    before = (run / "ratings.parquet").read_bytes()
    import_sheets(run, [bob, ann])
    assert (run / "ratings.parquet").read_bytes() == before
    import_sheets(run, [fill(sheet, tmp_path / "new.csv", careful("Ann", grammar=1))])
    found = load_run(run).ratings.groupby("rater")["grammar"].unique().map(list).to_dict()
    assert found == {"Ann": [1], "Bob": [4]}


def test_rows_without_ratings_are_passed_over(run: Path, sheet: Path, tmp_path: Path) -> None:
    first = rows_of(sheet)[0]["item"]
    nothing = {"label_read": "", "meaning": "", "grammar": ""}
    half = fill(sheet, tmp_path / "a.csv", lambda row: careful("A")(row) if row["item"] == first else nothing)
    assert load_run(run).ratings.empty
    assert import_sheets(run, [half])[0].ratings["item"].tolist() == [first]


def test_as_spreadsheets_write_it(run: Path, sheet: Path, tmp_path: Path) -> None:
    """Semicolons, decimal commas, capitals, Windows line ends, one name for all rows, texts thrown away."""
    lines = ["Item; ;label_read;meaning;grammar;rater".replace("Item", "item")]
    rows = rows_of(sheet)
    lines += [f"{row['item']};;{'Neg' if place else ' UNCLEAR '};4,0;3.00;" for place, row in enumerate(rows)]
    lines[5] += " Anna  Mu\u0308ller "
    path = tmp_path / "excel.csv"
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    found = import_sheets(run, [path])[0].ratings
    assert set(found["rater"]) == {"Anna Müller"}
    assert found[["meaning", "grammar"]].drop_duplicates().to_numpy().tolist() == [[4, 3]]
    assert found["label_read"].fillna(-1).value_counts().to_dict() == {0: 11, -1: 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meaning": "6"}, "field 'meaning': expected a whole number from 1 to 5, got '6'"),
        ({"meaning": "4.5"}, "field 'meaning': expected a whole number from 1 to 5, got '4.5'"),
        ({"grammar": ""}, "field 'grammar' is empty"),
        ({"grammar": "=1+1"}, "field 'grammar': expected a whole number from 1 to 5, got ''=1+1'"),
        ({"label_read": ""}, "field 'label_read' is empty"),
        ({"label_read": "postive"}, "field 'label_read': expected one of neg, pos, unclear, got 'postive'"),
        ({"item": "x" * 70}, f"field 'item': no item of this run, got '{'x' * 57}...'"),
        ({"item": ""}, "field 'item' is empty"),
        (
            {"rater": "=Ann\u202e"},
            "field 'rater': expected a name of letters, digits, spaces and . , ' -, got ''=Ann‹U+202E›'",
        ),
    ],
)
def test_a_wrong_field(cli: Cli, run: Path, sheet: Path, tmp_path: Path, *, change: Any, message: str) -> None:
    wrong = rows_of(sheet)[3]["item"]
    path = fill(sheet, tmp_path / "a.csv", lambda row: careful("Ann")(row) | (change if row["item"] == wrong else {}))
    before = sorted(entry.name for entry in run.iterdir())
    assert cli("ratings", "import", run, path) == (
        2, "", f"{path}: line 5: {message}\nasa-bench: nothing imported; wrong fields, told above: 1\n",
    )  # fmt: skip
    assert sorted(entry.name for entry in run.iterdir() if entry.name != ".lock") == before


def test_everything_wrong_is_told_at_once_and_nothing_is_lost(cli: Cli, run: Path, sheet: Path, tmp_path: Path) -> None:
    import_sheets(run, [fill(sheet, tmp_path / "first.csv", careful("Ann"))])
    before = (run / "ratings.parquet").read_bytes()
    good = fill(sheet, tmp_path / "good.csv", careful("Bob", grammar=1))
    bad = fill(sheet, tmp_path / "bad.csv", careful("", meaning="x", grammar="0"))
    code, out, err = cli("ratings", "import", run, good, bad)
    lines = err.splitlines()
    assert (code, out, len(lines)) == (2, "", 3 * 12 + 1)
    assert lines[:3] == [
        f"{bad}: line 2: field 'meaning': expected a whole number from 1 to 5, got 'x'",
        f"{bad}: line 2: field 'grammar': expected a whole number from 1 to 5, got '0'",
        f"{bad}: line 2: field 'rater' is empty",
    ]
    assert lines[-1] == "asa-bench: nothing imported; wrong fields, told above: 36"
    assert (run / "ratings.parquet").read_bytes() == before


def test_one_rater_cannot_say_two_things(cli: Cli, run: Path, sheet: Path, tmp_path: Path) -> None:
    one, two = (fill(sheet, tmp_path / f"{name}.csv", careful("Ann", grammar=3)) for name in ("one", "two"))
    code, _, err = cli("ratings", "import", run, one, two)
    assert code == 2
    assert err.splitlines()[0] == f"{two}: line 2: field 'item': 'Ann' rated it in {one}, line 2, too"
    assert err.splitlines()[-1] == "asa-bench: nothing imported; wrong fields, told above: 12"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "line 1: no column 'item'"),
        (b"item,label,meaning,grammar,rater\n", "line 1: no column 'label_read'; did you mean 'label'?"),
        (b"item,label_read,meanin,grammar,rater\n", "line 1: no column 'meaning'; did you mean 'meanin'?"),
        (b"item,label_read,meaning,grammar,rater\n", "no row is filled in"),
        (b'item,label_read,meaning,grammar,rater\n"x\ny",a,1,2,b\n\nx,a\n', "line 5: 2 fields, 5 in the header"),
        (b'item,label_read,meaning,grammar,rater\n"x"y,a,1,2,b\n', "line 2: ',' expected after '\"'"),
        ("item,label_read,é".encode("latin-1"), "not UTF-8 at byte 16; save it as UTF-8"),
    ],
)
def test_what_is_no_sheet(cli: Cli, run: Path, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    assert cli("ratings", "import", run, path) == (2, "", f"asa-bench: {path}: {message}\n")
    assert not (run / "ratings.parquet").exists()


def test_runs_that_take_no_ratings(cli: Cli, run: Path, make_run: MakeRun, sheet: Path, tmp_path: Path) -> None:
    filled = fill(sheet, tmp_path / "a.csv", careful("Ann"))
    unfinished = make_run(name="open", end=None)
    cases = [
        (tmp_path, "not a run directory (no run.json in it)"),
        (unfinished, "the run is not finished; run the same command to go on"),
    ]
    for path, message in cases:
        before = sorted(path.iterdir())
        assert cli("ratings", "import", path, filled) == (2, "", f"asa-bench: {path}: {message}\n")
        assert sorted(path.iterdir()) == before
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        message = f"asa-bench: {run}: another asa-bench is writing there\n"
        assert cli("ratings", "import", run, filled) == (2, "", message)


def cells(run: Path, name: str) -> list[list[str]]:
    (view,) = views(load_run(run))
    table = {"ratings": rated, "raters": rater_table}[name](view)
    assert table is not None
    return [[f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row] for row in table.rows]


def test_a_careless_rater_is_seen(run: Path, sheet: Path, tmp_path: Path) -> None:
    ann = fill(sheet, tmp_path / "ann.csv", careful("Ann"))
    bot = fill(sheet, tmp_path / "bot.csv", careful("Bot", meaning=5))
    import_sheets(run, [ann, bot])
    assert cells(run, "raters") == [
        ["Ann", "8", "4", "0.0 (0.0–49.0)"],
        ["Bot", "8", "4", "50.0 (15.0–85.0)"],  # said of both unlike pairs that they mean the same
    ]


def test_the_table_by_attack_and_defence(run: Path, sheet: Path, tmp_path: Path) -> None:
    odd = {row["item"] for row in rows_of(sheet) if row["changed_text"].startswith("pilm a")}

    def answer(row: dict[str, Any]) -> Any:
        return careful("Ann")(row) | ({"meaning": 3} if row["item"] in odd else {})

    import_sheets(run, [fill(sheet, tmp_path / "ann.csv", answer)])
    all_of_two, none_of_two = "100.0 (34.2–100.0)", "0.0 (0.0–65.8)"
    robust = "33.3 (13.8–60.9)"
    rows = cells(run, "ratings")
    assert [row[:7] for row in rows] == [
        ["pwws", "baseline", "2", all_of_two, all_of_two, all_of_two, "4.0"],
        ["pwws", "asa-ratio", "2", none_of_two, all_of_two, none_of_two, "4.0"],
        ["pwws", "all defences", "4", "50.0 (15.0–85.0)", "100.0 (51.0–100.0)", "50.0 (15.0–85.0)", "4.0"],
        ["deepwordbug", "baseline", "2", all_of_two, all_of_two, all_of_two, "4.0"],
        ["deepwordbug", "asa-ratio", "2", all_of_two, all_of_two, all_of_two, "4.0"],
        ["deepwordbug", "all defences", "4", *["100.0 (51.0–100.0)"] * 3, "4.0"],
    ]
    assert [row[7] for row in rows] == [robust, robust, "–"] * 2
    assert [row[8].split(" (")[0] for row in rows] == ["33.3", "100.0", "–", "33.3", "33.3", "–"]


def test_ratings_of_texts_that_are_gone_do_not_count(run: Path, sheet: Path, tmp_path: Path) -> None:
    import_sheets(run, [fill(sheet, tmp_path / "ann.csv", careful("Ann"))])
    others = [row | ({"adversarial_text": "another"} if row["attack"] == "pwws" else {}) for row in examples()]
    write_table(run / "examples.parquet", schema.table(others, schema.EXAMPLES), schema.EXAMPLES)
    assert {row[0] for row in cells(run, "ratings")} == {"deepwordbug"}


def test_without_ratings_there_are_no_tables(run: Path) -> None:
    (view,) = views(load_run(run))
    assert (rated(view), rater_table(view)) == (None, None)


def test_ratings_go_along_into_a_report_of_several_runs(make_run: MakeRun, tmp_path: Path) -> None:
    runs = []
    for seed in (0, 1):
        rows = [example(i, defence, seed=seed) for defence in DEFENCES for i in range(12)]
        path = make_run(rows, f"run{seed}")
        write_sheet(finished_run(path), tmp_path / f"{seed}.csv", 4, 1, 0)
        runs.append(import_sheets(path, [fill(tmp_path / f"{seed}.csv", tmp_path / f"f{seed}.csv", careful("A"))])[0])
    (view,) = views(merged(runs))
    table = rated(view)
    assert table is not None
    assert [[cell.text for cell in row][:3] for row in table.rows] == [
        ["pwws", "baseline", "4"], ["pwws", "asa-ratio", "4"], ["pwws", "all defences", "8"],
    ]  # fmt: skip


def test_ratings_are_a_table_of_the_run(run: Path, sheet: Path, tmp_path: Path) -> None:
    import_sheets(run, [fill(sheet, tmp_path / "ann.csv", careful("Ann"))])
    assert list(pd.read_parquet(run / "ratings.parquet")) == schema.RATINGS.names
