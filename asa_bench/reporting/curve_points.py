"""What stands for robustness in a run, and its learning curve, as values: for tables and figures."""

from __future__ import annotations

from asa_bench.reporting.accuracy_tables import ROBUST, WORST, span
from asa_bench.reporting.view import View


def robust_metric(view: View) -> tuple[str | None, str | None]:
    """Metric and attack that stand for robustness: the worst case, or the only attack."""
    if not view.text_attacks:
        return None, None
    return (WORST, None) if len(view.text_attacks) > 1 else (ROBUST, view.text_attacks[0])


def curve_terms(view: View) -> str:
    """What the points of the learning curve are."""
    rows = view.curves[view.curves["metric"].isin([ROBUST, WORST]) & view.curves["seed"].notna()]
    attacked = f", attacked on {span({int(n) for n in rows['n']})} examples without controls" if len(rows) else ""
    return f"The comparison with other numbers of training examples and as many optimizer steps{attacked}"


def curve_points(
    view: View, defence: str, metric: str | None, attack: str | None
) -> dict[int, tuple[float, float, float]]:
    """Value and bounds by the number of training examples, over seeds, or of the only seed."""
    rows = view.curves[(view.curves["defence"] == defence) & (view.curves["metric"] == metric)]
    rows = rows[rows["attack"].isna() if attack is None else rows["attack"] == attack].dropna(subset=["value"])
    found = {}
    for size in sorted(rows["train_examples"].unique()):
        group = rows[rows["train_examples"] == size]
        row = (group[group["seed"].isna()] if group["seed"].isna().any() else group).iloc[0]
        low, high = (row["value"] if row[["low", "high"]].isna().any() else row[key] for key in ("low", "high"))
        found[int(size)] = (float(row["value"]), float(low), float(high))
    return found
