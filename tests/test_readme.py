"""What the README shows is what the committed run says."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from asa_bench.records.store import load_run
from asa_bench.reporting.terminal import comparison

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_the_quickstart_is_that_of_the_committed_run() -> None:
    shown = io.StringIO()
    run = load_run(ROOT / "reports/measured/quickstart")
    Console(file=shown, width=120, legacy_windows=False).print(comparison(run))
    rows = [line for line in shown.getvalue().splitlines() if line.startswith("│")]
    assert len(rows) == 4
    assert "\n".join(rows) in README
