"""What README and documentation show of a run is what the committed run says."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from asa_bench.records.store import load_run
from asa_bench.reporting.accuracy_tables import ROBUST
from asa_bench.reporting.accuracy_tables import comparison as comparison_table
from asa_bench.reporting.comparison_tables import compared_by_attack
from asa_bench.reporting.flag_tables import flags
from asa_bench.reporting.merging import merged
from asa_bench.reporting.summary import comparisons_by_attack
from asa_bench.reporting.tables import Column, Table, percentage, to_markdown, words
from asa_bench.reporting.terminal import comparison
from asa_bench.reporting.view import View, views
from asa_bench.reporting.white_box_tables import strength_tables
from asa_bench.stats.effort import robust_within
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


@pytest.fixture(scope="module")
def inside() -> View:
    """Attacks inside the model, and those that know ASA's adversary."""
    (view,) = views(load_run(ROOT / "reports/measured/whitebox"))
    return view


def by_layer(view: View, share: float) -> Table:
    """Accuracy with this share of one layer's attention units masked, a layer a row."""
    layers = [name for name in view.attacks if name.startswith("attention-mask-layer-") and view.kind(name) == "model"]
    columns = [Column("Layer", numeric=False), *(Column(f"{defence}, %") for defence in view.defences)]
    cells = {
        attack: [robust_within(view.attacked(attack, defence), "strength", share) for defence in view.defences]
        for attack in layers
    }
    rows = [[words(attack.rpartition("-")[2]), *map(percentage, found)] for attack, found in cells.items()]
    return Table("layers", "", "", columns, rows)


def who_knows(view: View) -> Table:
    """Robust accuracy under attacks that know ASA's adversary, below those that do not."""
    aware = [attack for attack in view.attacks if view.kind(attack) == "aware"]
    attacks = [
        name for plain in ("deepwordbug", "pwws") for name in (plain, *(a for a in aware if a.startswith(plain)))
    ]
    columns = [Column("Attack", numeric=False), Column("asa, %"), Column("asa-ratio, %")]
    rows = [
        [words(attack), *(percentage(view.estimate(name, ROBUST, attack)) for name in ("asa", "asa-ratio"))]
        for attack in attacks
    ]
    return Table("aware", "", "", columns, rows)


def test_what_stood_up_inside_the_model_is_that_of_the_committed_run(inside: View) -> None:
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    overall = [table for table in strength_tables(inside) if "layer" not in table.name]
    assert len(overall) == 2
    for table in (*overall, by_layer(inside, 0.1), who_knows(inside)):
        assert body(table) in told


def test_what_guides_a_search_is_worth_what_the_committed_run_says(inside: View) -> None:
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    for attack in ("gradient-swap", "textfooler-embedded", "deepwordbug", "pwws", "embedding-pgd", "attention-mask"):
        rows = inside.examples[inside.examples["outcome"].isin(["succeeded", "failed"])]
        guided, random = (
            rows[rows["attack"] == name].set_index(["defence", "example_id"])["outcome"] == "succeeded"
            for name in (attack, f"{attack}-random")
        )
        assert len(random) == 65
        assert f"| `{attack}` | {guided[random.index].sum()} | {random.sum()} |" in told


def test_differences_inside_the_model_are_those_of_the_committed_run(inside: View) -> None:
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")

    def points_above_the_baseline(defence: str, attack: str, strength: float) -> tuple[float, float, float]:
        held = []
        for name in ("baseline", defence):
            rows = inside.attacked(attack, name).set_index("example_id")
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
    interval = f"({-high:.1f} to {-low:.1f}, p = 0.0009)"
    assert f"{-loss:.1f} points *below* the baseline with 1 % of the units masked {interval}" in told
    strengths = {"embedding-pgd": (0.1, 0.2, 0.4), "attention-mask": (0.01, 0.02, 0.05)}
    cells = [(name, attack, at) for name in ("asa", "asa-ratio") for attack in strengths for at in strengths[attack]]
    asa = [points_above_the_baseline(*cell) for cell in cells]
    assert max(abs(difference) for difference, _, _ in asa) == pytest.approx(2.5)
    assert min(low for _, low, _ in asa) == pytest.approx(-5.1, abs=0.05)
    assert max(high for _, _, high in asa) == pytest.approx(6.8, abs=0.05)


def body(table: Table) -> str:
    """A table as Markdown, without its caption."""
    return to_markdown(table).partition("\n\n")[2]


def by_defence(view: View) -> Table:
    """The report's comparisons by attack, an attack a row and a defence a column."""
    found = compared_by_attack(view)
    assert found is not None
    cells = {(attack.text, defence.text): difference for attack, defence, _, difference, *_ in found.rows}
    attacks, defences = ([*dict.fromkeys(place[at] for place in cells)] for at in (0, 1))
    columns = [Column("Difference, points", numeric=False), *map(Column, defences)]
    rows = [[words(attack), *(cells[attack, defence] for defence in defences)] for attack in attacks]
    return Table("differences", "", "", columns, rows)


@pytest.fixture(scope="module")
def recipes() -> View:
    """All recipes on three seeds."""
    (view,) = views(merged([load_run(path) for path in sorted((ROOT / "reports/measured").glob("recipes-*"))]))
    assert {len(view.seeds(defence)) for defence in view.defences} == {3}
    return view


def test_the_tables_of_all_recipes_are_those_of_the_committed_runs(recipes: View) -> None:
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    assert body(comparison_table(recipes)) in told
    assert body(by_defence(recipes)) in told


def test_what_is_said_of_all_recipes_is_what_the_committed_runs_say(recipes: View) -> None:
    told = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    found = comparisons_by_attack(recipes)
    assert (
        f"for the {len(found)} (the least\ncorrected p is {min(c.p_adjusted for c in found if c.p_adjusted):.2f})"
        in told
    )
    gains = {c.attacks[0]: c.pair.difference for c in found if c.defence == "freelb"}
    assert [attack for attack, gain in gains.items() if gain < 0] == ["iga-embedded"]
    assert max(c.pair.high or 0 for c in found if c.defence.startswith("asa")) == pytest.approx(0.141, abs=5e-4)
    rows = recipes.examples[recipes.examples["outcome"].isin(["succeeded", "failed"])]
    turned = rows.assign(turned=rows["outcome"] == "succeeded").groupby("attack")["turned"].agg(["sum", "size"])
    same_swaps = turned.loc[["gradient-swap", "textfooler-embedded"]].to_numpy().tolist()
    assert same_swaps == [[957, 1003], [969, 1003]]
    assert "the former turned 957 of 1,003 texts that were right, the latter 969" in told
    assert recipes.counterpart("gradient-swap") == "textfooler-embedded"
    assert flags(recipes) == []
