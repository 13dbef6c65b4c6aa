"""Tables of what a run cost and of what went wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from asa_bench.reporting.formats import percent
from asa_bench.reporting.tables import Cell, Column, Table, duration, plain, words
from asa_bench.reporting.view import View


def training_seconds(view: View) -> dict[str, float]:
    """Seconds of training per defence: the sum over steps, averaged over seeds."""
    timed = view.training.dropna(subset=["seconds"])
    per_seed = timed.groupby(["defence", "seed"])["seconds"].sum()
    means = per_seed.groupby("defence").mean()
    return {defence: float(means[defence]) for defence in view.defences if defence in means.index}


def training_ratios(view: View) -> dict[str, float]:
    """Time of a defence's step over the baseline's on the same batch, the median of all; empty without a baseline.

    What else the machine did while one of them was trained hardly counts so.
    """
    timed = view.training.set_index(["seed", "step"])
    base = timed.loc[timed["defence"] == view.baseline, "seconds"]
    ratios = {name: (timed.loc[timed["defence"] == name, "seconds"] / base).median() for name in view.defences}
    return {name: float(ratio) for name, ratio in ratios.items() if pd.notna(ratio)}


def training_times(view: View) -> dict[str, float]:
    """Time of a defence's whole training over the baseline's: its steps, and the attack that it learns from."""
    steps = view.training.groupby(["defence", "seed"])["step"].nunique().groupby("defence").mean()
    seconds, baseline = training_seconds(view), str(view.baseline)
    return {
        name: ratio * steps[name] / steps[baseline] + _harvest_seconds(view, name) / seconds[baseline]
        for name, ratio in training_ratios(view).items()
    }


def _harvest_seconds(view: View, defence: str) -> float:
    """Seconds of the attack that a defence learns from, mean over seeds; 0 where it learns from none."""
    cells = (cell for cell in view.info.get("cells") or [] if cell.get("kind") == "harvest" and view.has(cell))
    taken = [float(cell.get("seconds") or 0) for cell in cells if cell.get("attack") == defence]
    return sum(taken) / max(1, len(taken))


def memory_ratios(view: View) -> dict[str, float]:
    """Peak memory of a defence's training over the baseline's, the mean over seeds; empty where it is not known."""
    if "peak_bytes" not in view.training:
        return {}
    peaks = view.training.groupby(["defence", "seed"])["peak_bytes"].max().unstack(fill_value=None)
    if view.baseline not in peaks.index:
        return {}
    ratios = (peaks / peaks.loc[view.baseline]).mean(axis=1)
    return {str(name): float(ratio) for name, ratio in ratios.items() if pd.notna(ratio)}


def training_cost(view: View) -> Table | None:
    """What each defence's training took, alone and relative to the baseline; None when the run trained nothing."""
    totals, ratios, memory = training_seconds(view), training_ratios(view), memory_ratios(view)
    if not totals:
        return None
    rows = []
    for defence, total in totals.items():
        steps = view.training[view.training["defence"] == defence]
        per_seed = steps.groupby("seed")["step"].nunique()
        cell = view.cell("train", defence)
        rows.append(
            [
                words(defence),
                duration(total),
                _times(ratios.get(defence)),
                _times(memory.get(defence)),
                plain(cell.get("passes"), 0),
                plain(float(per_seed.mean()), 0),
                _millions(cell.get("parameters")),
                duration(_median(steps["seconds"])),
            ]
        )
    compared = (
        f"Ratio: a step's time over {view.baseline}'s on the same batch, median."
        if ratios
        else "No ratio: no baseline was trained in this run."
    )
    return Table(
        "training-cost",
        "Training cost",
        f"Training time: wall-clock seconds of all optimizer steps, mean over seeds. {compared} Memory: what weights, "
        "optimizer and a step hold at its peak, over the baseline's. Passes: of one batch forward and backward, in a "
        "step. Parameters: all that are trained, an adversary's too. Times of a loaded machine vary.",
        [
            Column("Defence", numeric=False),
            Column("Training time"),
            Column("Ratio"),
            Column("Memory"),
            Column("Passes"),
            Column("Steps"),
            Column("Parameters"),
            Column("Time per step, median"),
        ],
        rows,
    )


def tuning(view: View) -> Table | None:
    """Every trial with what it was judged by, and which was taken; None when nothing was tuned."""
    trials = [cell for cell in view.info.get("cells") or [] if cell.get("kind") == "trial" and view.has(cell)]
    if not trials:
        return None
    rows = []
    for cell in trials:
        values = cell.get("values") or {}
        taken = bool(values) and view.cell("train", cell["defence"]).get("tuned") == values
        tried = ", ".join(f"{key} {value}" for key, value in values.items())
        robust = cell.get("robust_accuracy")
        rows.append(
            [
                words(cell["defence"]),
                words(tried),
                plain(cell.get("validation_loss"), 4),
                Cell(robust, percent(robust)),
                words("yes" if taken else ""),
            ]
        )
    return Table(
        "tuning",
        "Tuning",
        "Values tried for each defence, with one seed, and what they were judged by: loss (nats) and, where asked for, "
        "accuracy under an attack on validation examples, in percent. Test data took no part.",
        [
            Column("Defence", numeric=False),
            Column("Values", numeric=False),
            Column("Validation loss"),
            Column("Robust, validation"),
            Column("Taken", numeric=False),
        ],
        rows,
    )


def _times(ratio: float | None) -> Cell:
    return Cell(ratio, f"{ratio:.2f} ×" if ratio is not None else "–")


def _millions(parameters: float | None) -> Cell:
    return Cell(parameters, f"{parameters / 1e6:.1f} M" if parameters is not None else "–")


def failed_cells(info: Mapping[str, Any]) -> Table | None:
    """Cells that failed, with their error; None when all went well."""
    failed = [cell for cell in info.get("cells") or [] if cell.get("status") == "failed"]
    if not failed:
        return None
    keys = ["kind", "task", "encoder", "defence", "seed", "attack", "error"]
    return Table(
        "failed-cells",
        "Failed cells",
        f"{len(failed)} of {len(info['cells'])} cells failed; their numbers are missing above, not zero.",
        [Column(key.capitalize(), numeric=False) for key in keys],
        [[words("–" if cell.get(key) is None else str(cell[key])) for key in keys] for cell in failed],
    )


def exclusions(info: Mapping[str, Any]) -> Table | None:
    """Examples left out before anything was measured, with the reason; None when there are none."""
    entries = info.get("exclusions") or []
    if not entries:
        return None
    keys = ["task", "dataset", "reason"]
    return Table(
        "exclusions",
        "Excluded examples",
        "Rows of the data that were left out before training or testing.",
        [*(Column(key.capitalize(), numeric=False) for key in keys), Column("Count")],
        [[*(words(str(entry.get(key) or "–")) for key in keys), plain(entry.get("count"), 0)] for entry in entries],
    )


def _median(column: pd.Series) -> float | None:
    known = column.dropna()
    return float(known.median()) if len(known) else None
