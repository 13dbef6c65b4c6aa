"""Tables of calibration, and of attacks at other temperatures than the fitted one."""

from __future__ import annotations

from asa_bench.reporting.by_attack import by_attack
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain, words
from asa_bench.reporting.view import View
from asa_bench.stats.aggregate import combine
from asa_bench.stats.intervals import Estimate, proportion
from asa_bench.stats.metrics import robust_under_all


def calibration(view: View) -> Table | None:
    """Fitted temperature and calibration error before and after it; None when the run has neither."""
    metrics = ("calibration_temperature", "ece", "ece_calibrated")
    if not any(view.metrics(metric) for metric in metrics):
        return None
    rows = []
    for defence in view.defences:
        temperature, *errors = (view.estimate(defence, metric) for metric in metrics)
        rows.append([words(defence), plain(temperature.value, 2), *(percentage(error) for error in errors)])
    return Table(
        "calibration",
        "Calibration",
        "Temperature: fitted on the validation set; above 1 the model was over-confident. ECE: expected calibration "
        "error on the test set, 15 bins of equal width, in percentage points, before and after the temperature.",
        [
            Column("Defence", numeric=False),
            Column("Temperature"),
            Column("ECE before, %"),
            Column("ECE after, %"),
        ],
        rows,
    )


def sweep(view: View) -> Table | None:
    """Robust accuracy at other temperatures, on the same examples; None where no attack was swept."""
    swept = {attack: found for attack in view.text_attacks if (found := _sweeps(view, attack))}
    if not swept:
        return None
    factors = sorted({factor for found in swept.values() for factor in found})
    return by_attack(
        view,
        "temperatures",
        "Robust accuracy over temperatures",
        "The attack done again with the fitted temperature multiplied, on fewer examples; all columns are over those. "
        "Worst: still right at every temperature. A model whose accuracy falls at another temperature starved the "
        "search at its own (Raina et al. 2024, arXiv 2402.17509). With two labels a greedy search sees the same order "
        "at every temperature; one that weighs words by their scores, as pwws does, may not. Brackets: 95 % intervals.",
        [Column(f"{title}, %", interval=True) for title in ("Fitted", *(f"× {f:g}" for f in factors), "Worst")],
        lambda attack, defence: _sweep_cells(view, attack, swept[attack], factors, defence),
        list(swept),
    )


def _sweeps(view: View, attack: str) -> dict[float, str]:
    """The attack at other temperatures: names by factor."""
    names = {f"{attack}-at-{factor:g}": factor for factor in view.info["suite"].get("sweep") or ()}
    return {factor: name for name, factor in names.items() if name in view.attacks}


def _sweep_cells(view: View, attack: str, swept: dict[float, str], factors: list[float], defence: str) -> list[Cell]:
    every = [attack, *swept.values()]
    worst = _still_right(view, defence, every, every)
    if not worst.n:
        return []
    asked = [attack, *(swept.get(factor) for factor in factors)]
    cells = [
        Cell(None, "–") if name is None else percentage(_still_right(view, defence, [name], every)) for name in asked
    ]
    return [*cells, percentage(worst)]


def _still_right(view: View, defence: str, attacks: list[str], among: list[str]) -> Estimate:
    """Accuracy under ``attacks``, over the examples that all of ``among`` attacked."""
    own = view.examples[view.examples["defence"] == defence]
    seeds = []
    for _, rows in own.groupby("seed"):
        shared = robust_under_all(rows, among).index
        robust = robust_under_all(rows, attacks).reindex(shared)
        seeds.append(proportion(int(robust.sum()), len(robust)))
    return combine("robust_accuracy", seeds)
