"""What a sheet asks, whom it asks about, and what it keeps to itself."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_text
from asa_bench.rating.sheet import COLUMNS, safe, write_sheet
from asa_bench.records.store import finished_run
from tests.conftest import Cli

from .conftest import ATTACKS, DEFENCES, MakeRun, example, examples, rows_of


def sheet(run: Path, out: Path, per_attack: int = 20, controls: int = 2, seed: int = 0) -> pd.DataFrame:
    return write_sheet(finished_run(run), out, per_attack, controls, seed)


def test_nothing_in_it_tells_attack_defence_or_outcome(make_run: MakeRun, tmp_path: Path) -> None:
    pairs = sheet(make_run(), tmp_path / "sheet.csv")
    written = read_text(tmp_path / "sheet.csv")
    hidden = (*ATTACKS, *DEFENCES, "reviews", "tiny", "succeeded", "control", "copy", "mismatch", "id0", "0.9")
    assert [word for word in hidden if word in written] == []
    rows = rows_of(tmp_path / "sheet.csv")
    assert tuple(rows[0]) == COLUMNS
    assert {row["labels"] for row in rows} == {"neg / pos / unclear"}
    assert {row[name] for row in rows for name in ("label_read", "meaning", "grammar", "rater")} == {""}
    assert all(re.fullmatch(r"x[0-9a-f]{16}", row["item"]) for row in rows)
    assert len({row["item"] for row in rows}) == len(rows) == 32 + 4
    kinds = pairs["attack"].fillna("control") + pairs["defence"].fillna("")
    assert (kinds != kinds.shift()).sum() > 15  # in random order, not in blocks


def test_the_choice_is_even_over_attacks_and_defences(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    pairs = sheet(run, tmp_path / "4.csv", per_attack=4, controls=0)
    counts = Counter(zip(pairs["attack"], pairs["defence"], strict=True))
    assert counts == {(attack, defence): 2 for attack in ATTACKS for defence in DEFENCES}
    assert (pairs["outcome"] == "succeeded").all()
    odd = sheet(run, tmp_path / "5.csv", per_attack=5, controls=0)
    assert Counter(odd["attack"]) == dict.fromkeys(ATTACKS, 5)
    assert set(pairs["item"]) < set(odd["item"])  # a smaller sheet is a part of a larger one


def test_a_defence_with_few_successes_leaves_its_share_to_the_others(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [*(example(i) for i in range(12)), *(example(i, "asa-ratio") for i in range(3))]
    pairs = sheet(make_run(rows), tmp_path / "sheet.csv", per_attack=8)
    assert Counter(pairs["defence"].dropna()) == {"baseline": 6, "asa-ratio": 2}


def test_the_seed_decides(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        sheet(run, tmp_path / name, per_attack=4, seed=seed)
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again
    assert {row["item"] for row in rows_of(tmp_path / "a")} != {row["item"] for row in rows_of(tmp_path / "c")}
    assert other != first


def test_an_example_is_asked_about_once_per_attack_and_defence(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [row | {"seed": seed} for seed in (0, 1, 2) for row in examples()]
    pairs = sheet(make_run(rows), tmp_path / "sheet.csv", per_attack=100, controls=0)
    assert len(pairs) == 32
    assert not pairs.duplicated(["attack", "defence", "example_id"]).any()
    assert pairs["seed"].nunique() == 3


def test_controls_are_near_copies_and_unlike_pairs(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [row for row in examples() if row["example_id"] < "id006"]
    rows += [example(6, original_text='["A claim", "its ground"]'), example(7, original_text="Film number 7 is fine!")]
    pairs = sheet(make_run(rows), tmp_path / "sheet.csv", controls=8)
    copies = pairs[pairs["control"] == "copy"].sort_values("example_id")["changed_text"].tolist()
    assert copies[0] == "Film number 0 is bad"
    assert copies[6:] == ["A claim ‖ its ground.", "Film number 7 is fine!"]
    unlike = pairs[pairs["control"] == "mismatch"]
    labels = pairs[pairs["control"] == "copy"].set_index("original_text")["label"]
    assert (unlike["label"].to_numpy() != labels[unlike["changed_text"]].to_numpy()).all()


def test_a_single_text_has_no_unlike_pair(make_run: MakeRun, tmp_path: Path) -> None:
    pairs = sheet(make_run([example(1)]), tmp_path / "sheet.csv")
    assert pairs["control"].fillna("text").value_counts().to_dict() == {"text": 1, "copy": 1}


def test_only_valid_text_attacks_are_asked_about(make_run: MakeRun, tmp_path: Path) -> None:
    invalid = [{"task": "reviews", "encoder": "tiny", "attack": "pwws", "reason": "inert"}]
    assert set(sheet(make_run(invalid=invalid), tmp_path / "a.csv")["attack"].dropna()) == {"deepwordbug"}
    kinds = [{"name": "pwws", "kind": "text"}, {"name": "deepwordbug", "kind": "control"}]
    suite = {"name": "tiny", "attack": kinds}
    assert set(sheet(make_run(name="b", suite=suite), tmp_path / "b.csv")["attack"].dropna()) == {"pwws"}


HOSTILE = '=HYPERLINK("http://x") ;@SUM(1) ;\t "-2+3"\r\n+1 \u202egood\u202c \u200b; fine -- really,=1'


def test_a_hostile_text_is_shown_and_runs_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    sheet(make_run([example(1, adversarial_text=HOSTILE), example(2)]), tmp_path / "sheet.csv")
    written = read_text(tmp_path / "sheet.csv")
    (shown,) = [row["changed_text"] for row in rows_of(tmp_path / "sheet.csv") if "SUM" in row["changed_text"]]
    assert shown == (
        '\'=HYPERLINK("http://x") ;\'@SUM(1) ; "\'-2+3" +1 ‹U+202E›good‹U+202C› ‹U+200B›; fine -- really,=1'
    )
    for delimiter in ",;\t":  # what a spreadsheet takes for a cell depends on its country
        cells = [cell for row in csv.reader(io.StringIO(written), delimiter=delimiter) for cell in row]
        assert [cell for cell in cells if cell.lstrip(' "')[:1] in tuple("=+-@")] == []
    assert not set(written) & set("\u202e\u202c\u200b\r\t")


def test_what_is_safe_stays_as_it_is() -> None:
    for text in ("good -- and bad", "a = b", "3 + 4; x", "'=1", "me@home.org", "é 漢字"):
        assert safe(text) == text
    assert [safe(text) for text in ("-1", "＝1", "  @x", "a;=b", 'a;"=b')] == ["'-1", "'＝1", "'@x", "a;'=b", "a;\"'=b"]


def test_what_gives_no_sheet(cli: Cli, make_run: MakeRun, tmp_path: Path) -> None:
    out = tmp_path / "sheet.csv"
    cases = [
        (make_run([example(0)], "held"), "no successful attack in it"),
        (make_run(name="open", end=None), "the run is not finished; run the same command to go on"),
    ]
    for run, message in cases:
        assert cli("ratings", "sheet", run, "--out", out) == (2, "", f"asa-bench: {run}: {message}\n")
    old = make_run(name="old", labels={})
    message = f"{old / 'run.json'}: field 'labels': nothing on task 'reviews'"
    assert cli("ratings", "sheet", old, "--out", out) == (2, "", f"asa-bench: {message}\n")
    assert not out.exists()
    out.write_text("filled in for hours")
    with pytest.raises(InputError, match=rf"^--out {out}: exists already$"):
        sheet(make_run(), out)
    assert out.read_text() == "filled in for hours"
