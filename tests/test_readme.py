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
from asa_bench.stats.paired import paired

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


def test_differences_inside_the_model_are_those_of_the_committed_run() -> None:
    (view,) = views(load_run(ROOT / "reports/measured/whitebox"))
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")

    def points_above_the_baseline(defence: str, attack: str, strength: float) -> tuple[float, float, float]:
        held = []
        for name in ("baseline", defence):
            rows = view.attacked(attack, name).set_index("example_id")
            held.append((rows["outcome"] != "skipped") & ~(rows["strength"] <= strength).fillna(False))
        found = paired(*held)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        return 100 * found.difference, 100 * found.low, 100 * found.high

    gain, low, high = points_above_the_baseline("freelb", "embedding-pgd", 0.2)
    interval = f"(95 % interval {low:.1f} to\n  {high:.1f}, p < 0.0001)"
    assert f"{gain:.1f} points above the baseline at a radius of 0.2 {interval}" in told
    loss, low, high = points_above_the_baseline("freelb", "attention-mask", 0.01)
    interval = f"({-high:.1f} to {-low:.1f}, p = 0.0005)"
    assert f"{-loss:.1f} points *below* the baseline with 1 % of the units masked {interval}" in told
    strengths = {"embedding-pgd": (0.1, 0.2, 0.4), "attention-mask": (0.01, 0.02, 0.05)}
    cells = [(name, attack, at) for name in ("asa", "asa-ratio") for attack in strengths for at in strengths[attack]]
    asa = [points_above_the_baseline(*cell) for cell in cells]
    assert max(abs(difference) for difference, _, _ in asa) == pytest.approx(1.5)
    assert max(max(-low, high) for _, low, high in asa) == pytest.approx(5, abs=0.3)
