"""Figures of the training: loss curves, and what ASA masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asa_bench.reporting.attention_rows import final_ratios, ratio_columns
from asa_bench.reporting.drawing import INK, Plot, colour, short, tidy
from asa_bench.reporting.formats import listed, percent
from asa_bench.reporting.view import View

_MOST_POINTS = 600
"""Points of a curve: more than a figure can show only make its file large."""


def losses(view: View) -> Plot | None:
    """Training loss over steps: raw values light, a moving mean on top, one panel per defence."""
    rows = view.training.dropna(subset=["loss", "step"])
    names = [name for name in view.defences if (rows["defence"] == name).any()]
    if not names:
        return None
    columns = 2 if len(names) == 4 else min(len(names), 3)
    height = -(-len(names) // columns)
    figure = Figure(figsize=(2.5 * columns + 0.8, 2.2 * height + 0.4), layout="constrained")
    grid = figure.subplots(height, columns, sharex=True, sharey=True, squeeze=False)
    for position, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        for _, seed in rows[rows["defence"] == name].groupby("seed"):
            _curve(axes, seed["step"], seed["loss"], colour(position))
        axes.set_title(short(name))
        tidy(axes)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("Optimizer step", color=INK, fontsize=9)
    figure.supylabel("Training loss (nats)", color=INK, fontsize=9)
    ends = [f"{name} from {first:.2f} to {last:.2f}" for name in names for first, last in [_ends(rows, name)]]
    return Plot(
        "loss",
        "Training loss",
        "The task's loss as each defence learns it, without the further terms of its method; under a perturbation "
        "where it learns perturbed inputs: compare shapes, not levels. Light: every step of every seed; dark: moving "
        "mean.",
        f"Line charts of training loss over optimizer steps: {listed(ends)}.",
        figure,
    )


def masked_ratio(view: View) -> Plot | None:
    """Share of attention pairs that are masked, by layer: over the steps, and at the end of training."""
    ratios = final_ratios(view)
    if not ratios:
        return None
    figure = Figure(figsize=(7.4, 2.5 * len(ratios) + 0.3), layout="constrained")
    grid = figure.subplots(len(ratios), 2, squeeze=False, sharex="col", width_ratios=[3, 2])
    ends = []
    for row, (name, final) in zip(grid, ratios.items(), strict=True):
        rows = view.training[view.training["defence"] == name]
        _layer_panels(row, rows, list(ratio_columns(view, name).items()), list(final.values()))
        row[0].set_title(f"{short(name)}: during training")
        row[1].set_title(f"{short(name)}: at the end")
        ends.append(f"{name} " + ", ".join(f"layer {layer} {percent(value)} %" for layer, value in final.items()))
    grid[-1][0].set_xlabel("Optimizer step")
    grid[-1][1].set_xlabel("Layer")
    legend = figure.legend(
        *grid[0][0].get_legend_handles_labels(), loc="outside right upper", title="Layer", labelcolor=INK
    )
    legend.get_title().set_color(INK)
    return Plot(
        "masked-ratio",
        "Attention masked, by layer",
        "Share of the attention pairs that are masked, by layer (0 is next to the input). Left: moving mean over "
        "steps; right: mean of the last 10 % of the steps. Both are means over seeds.",
        f"Masked share by layer at the end of training: {'; '.join(ends)}.",
        figure,
    )


def _layer_panels(
    panels: Sequence[Axes], rows: pd.DataFrame, layers: list[tuple[int, str]], final: list[float | None]
) -> None:
    shades = [_shade(i / max(len(layers) - 1, 1)) for i in range(len(layers))]
    means = rows.groupby("step")[[column for _, column in layers]].mean()
    for (layer, column), shade in zip(layers, shades, strict=True):
        known = means[column].dropna()
        panels[0].plot(
            *_thin(known.index.to_series(), _smooth(known) * 100), color=shade, linewidth=1.4, label=str(layer)
        )
    heights = [np.nan if value is None else value * 100 for value in final]
    bars = panels[1].bar([str(layer) for layer, _ in layers], heights, color=shades, width=0.7)
    panels[1].bar_label(bars, [percent(value) for value in final], color=INK, fontsize=7, padding=1)
    for axes in panels:
        axes.set_ylabel("Masked, %")
        axes.margins(y=0.12)
        axes.set_ylim(bottom=0)
        tidy(axes)


def _shade(position: float) -> str:
    """From light to dark blue-green: the order of the layers survives print in grey; none is lost on a dark page."""
    start, end = np.array([0x72, 0xBE, 0xDD]), np.array([0x24, 0x68, 0xA6])
    red, green, blue = (start + position * (end - start)).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _curve(axes: Axes, steps: pd.Series, values: pd.Series, shade: str) -> None:
    axes.plot(*_thin(steps, values), color=shade, alpha=0.3, linewidth=0.7)
    axes.plot(*_thin(steps, _smooth(values)), color=shade, linewidth=1.6)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _smooth(values: pd.Series) -> pd.Series:
    """Centred moving mean over a tenth of the steps, shorter at the ends."""
    window = max(len(values) // 10, 1)
    return values.astype(float).rolling(window, min_periods=1, center=True).mean()


def _thin(x: pd.Series, y: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    every = max(-(-len(x) // _MOST_POINTS), 1)
    return x.to_numpy(dtype=float)[::every], y.to_numpy(dtype=float)[::every]


def _ends(rows: pd.DataFrame, name: str) -> tuple[float, float]:
    smooth = [_smooth(seed["loss"]) for _, seed in rows[rows["defence"] == name].groupby("seed")]
    return float(np.mean([s.iloc[0] for s in smooth])), float(np.mean([s.iloc[-1] for s in smooth]))
