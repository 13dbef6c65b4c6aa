"""From a real run over a sheet to its report, and through another call of the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

import asa_bench
from tests.conftest import Cli

from .conftest import fill, rows_of


def test_from_a_run_to_its_report(cli: Cli, tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    out, sheet = tmp_path / "run", tmp_path / "sheet.csv"
    asa_bench.run(tiny_suite, out)
    code, said, _ = cli("ratings", "sheet", out, "--out", sheet, "--controls", "2")
    rows = rows_of(sheet)
    assert (code, said) == (0, f"sheet: {sheet} ({len(rows) - 4} adversarial texts, 4 controls)\n")
    assert len(rows) > 4
    answer = {"label_read": "pos", "meaning": 5, "grammar": 2, "rater": "Ann"}
    filled = fill(sheet, tmp_path / "ann.csv", lambda _: answer)
    assert cli("ratings", "import", out, filled).code == 0
    table = pd.read_csv(out / "report" / "tables" / "ratings.csv")
    assert set(table["Attack"]) == {"deepwordbug"}
    assert table["Grammar"].unique().tolist() == [2.0]
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "What people say of the adversarial texts" in page
    ratings = (out / "ratings.parquet").read_bytes()
    asa_bench.run(tiny_suite, out)
    assert (out / "ratings.parquet").read_bytes() == ratings
    assert (out / "report" / "index.html").read_text(encoding="utf-8") == page
