"""What README and documentation show of a run is what the committed run says."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from asa_bench.records.store import load_run
from asa_bench.reporting.terminal import comparison

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("page", "measured"), [("README.md", "quickstart"), ("docs/defences.md", "defences")])
def test_a_table_is_that_of_the_committed_run(page: str, measured: str) -> None:
    shown = io.StringIO()
    run = load_run(ROOT / "reports/measured" / measured)
    Console(file=shown, width=120, legacy_windows=False).print(comparison(run))
    rows = [line for line in shown.getvalue().splitlines() if line.startswith("│")]
    assert len(rows) == len(run.info["suite"]["defence"])
    assert "\n".join(rows) in (ROOT / page).read_text(encoding="utf-8")
