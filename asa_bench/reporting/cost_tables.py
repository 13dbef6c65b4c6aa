"""Tables of what a run cost and of what went wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

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


def training_cost(view: View) -> Table | None:
    """Seconds, their ratio to the baseline's, and steps; None when the run trained nothing."""
    totals, ratios = training_seconds(view), training_ratios(view)
    if not totals:
        return None
    rows = []
    for defence, total in totals.items():
        steps = view.training[view.training["defence"] == defence]
        per_seed = steps.groupby("seed")["step"].nunique()
        ratio = ratios.get(defence)
        rows.append(
            [
                words(defence),
                duration(total),
                Cell(ratio, f"{ratio:.2f} ×" if ratio is not None else "–"),
                plain(float(per_seed.mean()), 0),
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
        f"Training time: wall-clock seconds of all optimizer steps, mean over seeds. {compared} All on the hardware "
        "named below; times of a loaded machine vary.",
        [
            Column("Defence", numeric=False),
            Column("Training time"),
            Column("Ratio"),
            Column("Steps"),
            Column("Time per step, median"),
        ],
        rows,
    )


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
