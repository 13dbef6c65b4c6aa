"""Figures of how models attend: keywords, perturbations, single sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from asa_bench.records.schema import CLEAN_PASS, MASKED_PASS
from asa_bench.reporting.attention_rows import by_layer, conditions, rows_of
from asa_bench.reporting.drawing import INK, Plot, colour, marker, short, tidy
from asa_bench.reporting.formats import listed, number
from asa_bench.reporting.view import View

INTERVALS = "95 % intervals over examples, from the lowest to the highest of all seeds"


def _band(axes: Axes, view: View, kind: str, defence: str, condition: str, of: str) -> None:
    """Shade what the intervals over examples cover, of all seeds together."""
    layers = rows_of(view, kind, defence, condition).groupby("layer")
    low, high = layers["low"].min().astype(float), layers["high"].max().astype(float)
    axes.fill_between(low.index, low, high, color=of, alpha=0.12, linewidth=0)


def keyword_attention(view: View) -> Plot | None:
    """Attention on keywords by layer, for each defence, and under ASA's mask."""
    names = [name for name in view.defences if len(by_layer(view, "keywords", name, CLEAN_PASS))]
    if not names:
        return None
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for position, name in enumerate(names):
        clean, masked = (by_layer(view, "keywords", name, condition) for condition in (CLEAN_PASS, MASKED_PASS))
        axes.plot(
            clean.index, clean, color=colour(position), marker=marker(position), markersize=4.5, linewidth=1.4,
            label=short(name),
        )  # fmt: skip
        _band(axes, view, "keywords", name, CLEAN_PASS, colour(position))
        if len(masked):
            axes.plot(
                masked.index,
                masked,
                color=colour(position),
                linestyle=":",
                linewidth=1.6,
                label=f"{short(name)}, masked",
            )
            _band(axes, view, "keywords", name, MASKED_PASS, colour(position))
    axes.axhline(1.0, color="#8a8a94", linewidth=0.8)
    axes.set_ylabel("Attention on keywords,\nmultiple of chance")
    _layers(axes)
    figure.legend(loc="outside right upper", labelcolor=INK)
    ends = [f"{name} {number(float(by_layer(view, 'keywords', name, CLEAN_PASS).mean()), 2)}" for name in names]
    return Plot(
        "attention-keywords",
        "Attention on keywords",
        "Attention that the words of a text pay to its keywords, as a multiple of what evenly spread attention would "
        "give (grey line). Keywords: the word pieces on which the model's own prediction depends most, by gradient × "
        "input, as many as the suite's keyword share says. Dotted: the same model under the mask of its adversary. "
        f"Mean over examples and seeds; shaded: {INTERVALS}.",
        f"Line chart of attention on keywords by layer; means over layers: {listed(ends)}.",
        figure,
    )


def attention_divergence(view: View) -> Plot | None:
    """How far attention moves under embedding perturbations and under ASA's mask, one panel per ASA model."""
    names = [name for name in view.defences if len(by_layer(view, "divergence", name, MASKED_PASS))]
    if not names:
        return None
    figure = Figure(figsize=(max(3.3 * len(names) + 1.6, 7.4), 3.2), layout="constrained")
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(grid, names, strict=True):
        radii = [condition for condition in conditions(view, "divergence", name) if condition != MASKED_PASS]
        for position, condition in enumerate(radii):
            values = by_layer(view, "divergence", name, condition)
            shade = 0.25 + 0.6 * (position + 1) / len(radii)
            axes.plot(
                values.index, values, color=colour(0), alpha=shade, linewidth=1.4, label=f"embeddings, {condition}"
            )
            _band(axes, view, "divergence", name, condition, colour(0))
        _band(axes, view, "divergence", name, MASKED_PASS, colour(1))
        values = by_layer(view, "divergence", name, MASKED_PASS)
        axes.plot(values.index, values, color=colour(1), marker="s", markersize=4.5, linewidth=1.6, label="ASA's mask")
        axes.set_title(short(name))
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))  # several labels within one power of ten, too
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())  # matplotlib's own needs its mathematics, which is off
        _layers(axes)
    grid[0].set_ylabel("Divergence of attention (nats)")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", labelcolor=INK)
    return Plot(
        "attention-divergence",
        "What moves the attention",
        "Jensen–Shannon divergence (at most 0.69) of each layer's attention from that of the clean pass of the same "
        "model: under perturbations of the word embeddings (projected gradient ascent on the loss, L2 radius per "
        "example) and under the mask of its adversary. The table gives the change of the prediction beside it. Shaded: "
        f"{INTERVALS}.",
        f"Line charts of attention divergence by layer for {listed(names)}.",
        figure,
    )


def heat_maps(view: View) -> Iterator[Plot]:
    """Attention of single sentences in the first and the last layer: baseline, ASA, ASA under its mask."""
    masked = {name for name in view.defences if MASKED_PASS in set(_of(view, name)["condition"])}
    columns = [name for name in view.defences if name in masked or name == view.baseline]
    for example in dict.fromkeys(view.maps["example_id"]) if columns else ():
        panels = [
            (name, condition)
            for name in columns
            for condition in (CLEAN_PASS, MASKED_PASS)
            if ((_of(view, name)["example_id"] == example) & (_of(view, name)["condition"] == condition)).any()
        ]
        if panels:
            yield _heat_map(view, str(example), panels)


def _of(view: View, defence: str) -> pd.DataFrame:
    """The maps of a defence's first seed."""
    rows: pd.DataFrame = view.maps[view.maps["defence"] == defence]
    first: pd.DataFrame = rows[rows["seed"] == rows["seed"].min()]
    return first


def _heat_map(view: View, example: str, panels: list[tuple[str, str]]) -> Plot:
    layers = sorted(view.maps["layer"].dropna().unique())
    chosen = list(dict.fromkeys([layers[0], layers[-1]]))
    figure = Figure(figsize=(2.7 * len(panels) + 0.8, 3.4 * len(chosen) + 0.2), layout="constrained")
    grid = figure.subplots(len(chosen), len(panels), squeeze=False)
    tokens: list[str] = []
    for row, layer in zip(grid, chosen, strict=True):
        for axes, (name, condition) in zip(row, panels, strict=True):
            rows = _of(view, name)
            at = (rows["example_id"] == example) & (rows["condition"] == condition) & (rows["layer"] == layer)
            shown = rows[at].iloc[0]
            tokens = json.loads(shown["tokens"])
            image = axes.imshow(np.array(json.loads(shown["attention"])), cmap="cividis", vmin=0, vmax=0.5)
            axes.set_title(f"{short(name)}{', masked' if condition == MASKED_PASS else ''}: layer {layer}", color=INK)
            keywords = [False] * len(tokens) if pd.isna(shown["keywords"]) else json.loads(shown["keywords"])
            _tokens(axes, tokens, keywords, first=axes is row[0])
    bar = figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.5)
    bar.set_label("Attention", color=INK)
    bar.ax.tick_params(colors=INK, labelcolor=INK)
    return Plot(
        f"attention-map-{example[:8]}",
        f"Attention in one sentence ({example[:8]})",
        "Attention of each token (row) to each token (column), mean over heads, first seed; 0.5 and more in the "
        "lightest colour. Bold: each model's own keywords.",
        f"Heat maps of attention in the sentence: {' '.join(tokens)}.",
        figure,
    )


def _tokens(axes: Axes, tokens: list[str], keywords: list[bool], *, first: bool) -> None:
    names = [short(token) for token in tokens]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6.5, color=INK)
    axes.set_yticks(range(len(names)), names if first else [""] * len(names), fontsize=6.5, color=INK)
    for label, bold in zip([*axes.get_xticklabels(), *axes.get_yticklabels()], [*keywords, *keywords], strict=True):
        label.set_fontweight("bold" if bold else "normal")
    axes.tick_params(length=0)


def _layers(axes: Axes) -> None:
    axes.set_xlabel("Layer (0 is next to the input)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)
