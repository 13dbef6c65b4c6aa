"""How the models of a run attend, and what is masked in them, as rows: for tables and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from asa_bench.records.schema import CLEAN_PASS, MASKED_PASS, masked_ratios
from asa_bench.reporting.view import View


def by_layer(view: View, kind: str, defence: str, condition: str) -> pd.Series:
    """A view's values by layer, mean over seeds."""
    return rows_of(view, kind, defence, condition).groupby("layer")["value"].mean().astype(float)


def rows_of(view: View, kind: str, defence: str, condition: str) -> pd.DataFrame:
    """A view's rows of one defence under one condition."""
    rows = view.views
    found: pd.DataFrame = rows[(rows["view"] == kind) & (rows["defence"] == defence) & (rows["condition"] == condition)]
    return found


def conditions(view: View, kind: str, defence: str) -> list[str]:
    """Conditions of a view: radii from small to large, then ASA's mask."""
    found = view.views[(view.views["view"] == kind) & (view.views["defence"] == defence)]["condition"].unique()
    radii = sorted((c for c in found if c not in (MASKED_PASS, CLEAN_PASS)), key=lambda name: float(name.split()[-1]))
    return [*(c for c in (CLEAN_PASS,) if c in found), *radii, *(c for c in (MASKED_PASS,) if c in found)]


def ratio_columns(view: View, defence: str) -> dict[int, str]:
    """The columns of a defence's masked ratio, by layer."""
    rows = view.training[view.training["defence"] == defence]
    return {layer: column for layer, column in masked_ratios(rows.columns).items() if rows[column].notna().any()}


def final_ratios(view: View) -> dict[str, dict[int, float | None]]:
    """Masked ratio by layer at the end of training, for each defence that masks."""
    found = {}
    for name in view.defences:
        rows = view.training[view.training["defence"] == name]
        if columns := ratio_columns(view, name):
            found[name] = {layer: final(rows, column) for layer, column in columns.items()}
    return found


def final(rows: pd.DataFrame, column: str) -> float | None:
    """Mean over the last 10 % of the steps (at least one) of all seeds."""
    steps = np.sort(rows["step"].dropna().unique())
    last = steps[-max(len(steps) // 10, 1) :]
    values = rows.loc[rows["step"].isin(last), column].dropna()
    return float(values.mean()) if len(values) else None
