"""What README and documentation show of a run is what the committed run says."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from asa_bench.records.store import load_run
from asa_bench.reporting.tables import to_markdown
from asa_bench.reporting.terminal import comparison
from asa_bench.reporting.view import views
from asa_bench.reporting.white_box_tables import strength_tables
from asa_bench.stats.paired import Paired, paired

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("page", "measured"), [("README.md", "quickstart"), ("docs/defences.md", "defences")])
def test_a_table_is_that_of_the_committed_run(page: str, measured: str) -> None:
    shown = io.StringIO()
    run = load_run(ROOT / "reports/measured" / measured)
    Console(file=shown, width=120, legacy_windows=False).print(comparison(run))
    rows = [line for line in shown.getvalue().splitlines() if line.startswith("│")]
    assert len(rows) == len(run.info["suite"]["defence"])
    assert "\n".join(rows) in (ROOT / page).read_text(encoding="utf-8")


def test_accuracy_by_strength_is_that_of_the_committed_run() -> None:
    (view,) = views(load_run(ROOT / "reports/measured/whitebox"))
    tables = [to_markdown(table).partition("\n\n")[2] for table in strength_tables(view)]
    assert len(tables) == 2
    assert all(table in (ROOT / "docs/attacks.md").read_text(encoding="utf-8") for table in tables)


def test_what_freelb_gains_and_loses_inside_the_model_is_what_the_committed_run_says() -> None:
    (view,) = views(load_run(ROOT / "reports/measured/whitebox"))
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")

    def against_the_baseline(defence: str, attack: str, strength: float) -> Paired:
        held = []
        for name in ("baseline", defence):
            rows = view.attacked(attack, name).set_index("example_id")
            held.append((rows["outcome"] != "skipped") & ~(rows["strength"] <= strength).fillna(False))
        found = paired(*held)
        assert found is not None
        return found

    gain, loss = (against_the_baseline("freelb", *at) for at in (("embedding-pgd", 0.2), ("attention-mask", 0.01)))
    interval = f"(95 % interval {100 * gain.low:.1f} to\n  {100 * gain.high:.1f}, p < 0.0001)"
    assert f"{100 * gain.difference:.1f} points above the baseline at a radius of 0.2 {interval}" in told
    interval = f"({-100 * loss.high:.1f} to {-100 * loss.low:.1f}, p = {loss.p_value:.4f})"
    assert f"{-100 * loss.difference:.1f} points *below* the baseline with 1 % of the units masked {interval}" in told
    strengths = {"embedding-pgd": (0.1, 0.2, 0.4), "attention-mask": (0.01, 0.02, 0.05)}
    cells = [(name, attack, at) for name in ("asa", "asa-ratio") for attack in strengths for at in strengths[attack]]
    asa = [against_the_baseline(*cell) for cell in cells]
    assert max(abs(one.difference) for one in asa) == pytest.approx(0.015)
    assert max(max(-one.low, one.high) for one in asa) == pytest.approx(0.05, abs=0.003)
