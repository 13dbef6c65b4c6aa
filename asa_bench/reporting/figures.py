"""The figures of one task and encoder. Each function returns None when the run has nothing to draw."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asa_bench.reporting.accuracy_tables import CLEAN, ROBUST, WORST, interval_note
from asa_bench.reporting.attention_figures import attention_divergence, heat_maps, keyword_attention
from asa_bench.reporting.cost_tables import training_ratios, training_seconds
from asa_bench.reporting.drawing import INK, Plot, beside, colour, marker, short, style, tidy
from asa_bench.reporting.effort_figures import effort
from asa_bench.reporting.formats import listed, percent, seconds
from asa_bench.reporting.trade_off_figures import learning_curve, pareto
from asa_bench.reporting.training_figures import losses, masked_ratio
from asa_bench.reporting.view import View
from asa_bench.reporting.white_box_figures import strength_figures
from asa_bench.stats.intervals import Estimate

MANY = 5
"""Attacks beyond which their names are wrapped, so that a figure stays as wide as a page."""

IN_A_ROW = 8
"""Attacks beyond which a figure goes on in a further row, lest its letters become too small."""


def figures(view: View) -> list[Plot]:
    """All figures that the run has data for."""
    with style():
        makers = (pareto, cost, learning_curve, losses, masked_ratio, keyword_attention, attention_divergence)
        found = [
            accuracy(view),
            *effort(view),
            *strength_figures(view),
            *(maker(view) for maker in makers),
            *heat_maps(view),
        ]
    return [plot for plot in found if plot]


def accuracy(view: View) -> Plot | None:
    """Clean, robust and worst-case accuracy by defence, with intervals."""
    conditions = _conditions(view)
    series = {d: [view.estimate(d, metric, attack) for _, metric, attack in conditions] for d in view.defences}
    series = {name: values for name, values in series.items() if any(e.value is not None for e in values)}
    if not series:
        return None
    count = math.ceil(len(conditions) / IN_A_ROW)
    length = math.ceil(len(conditions) / count)
    room = 1.6 if length <= MANY else 1.0  # inches; the page scales a wider figure down, letters too
    room = max(room, 0.11 * len(series))
    size = max(5.6, room * length + 2.2), beside(3.6 * count, len(series))
    figure = Figure(figsize=size, layout="constrained")
    for row, axes in enumerate(figure.subplots(count, squeeze=False).flat):
        part = slice(row * length, (row + 1) * length)
        ticks = [_tick(view, *condition) for condition in conditions[part]]
        for position, (name, estimates) in enumerate(series.items()):
            label = short(name) if row == 0 else "_"  # which leaves it out of the legend
            _points(axes, estimates[part], position, len(series), label)
        _columns(axes, ticks, length)
    _legend(figure)
    return Plot(
        "accuracy",
        "Accuracy by defence and attack",
        "Clean accuracy as reference, then the share of examples still right after each attack. Higher is better. "
        f"{interval_note(view).replace('rackets', 'ars')}",
        f"Dot plot of accuracy in percent. {_in_words(conditions, series)}",
        figure,
    )


def cost(view: View) -> Plot | None:
    """Time of a training step as a multiple of the baseline's; without one, the training's seconds."""
    ratios = training_ratios(view)
    shown = ratios or training_seconds(view)
    if not shown:
        return None
    axis = f"Time of a step, multiple of {short(view.baseline or '')}" if ratios else "Training time, seconds"
    values = list(shown.values())
    texts = [f"{value:.2f} ×" if ratios else seconds(value) for value in values]
    rows = range(len(values))
    figure = Figure(figsize=(6.4, 0.9 + 0.42 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(rows, values, color=[colour(row) for row in rows], height=0.6)
    axes.set_yticks(rows, [short(name) for name in shown])
    axes.bar_label(bars, [f" {text}" for text in texts], color=INK)
    axes.set_xlim(0, (max(values) or 1.0) * 1.3)
    axes.invert_yaxis()
    axes.set_xlabel(axis)
    tidy(axes, grid="x")
    listing = listed([f"{name} {text}" for name, text in zip(shown, texts, strict=True)])
    return Plot(
        "training-cost",
        "Training cost",
        "Time of an optimizer step over the baseline's on the same batch, median of all steps and seeds."
        if ratios
        else "Wall-clock time of all optimizer steps, mean over seeds.",
        f"Bar chart of training time: {listing}.",
        figure,
    )


def _conditions(view: View) -> list[tuple[str, str, str | None]]:
    attacks: list[tuple[str, str, str | None]] = [(attack, ROBUST, attack) for attack in view.text_attacks]
    worst: list[tuple[str, str, str | None]] = [("worst case", WORST, None)] if view.has_worst_case else []
    return [("clean", CLEAN, None), *worst, *attacks]


def _columns(axes: Axes, ticks: list[str], room: int) -> None:
    """Heads the columns of a row that has room for so many of them."""
    for boundary in range(1, len(ticks)):
        axes.axvline(boundary - 0.5, color="#8a8a94", alpha=0.35, linewidth=0.6)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlim(-0.5, room - 0.5)
    axes.set_ylim(0, 100)
    axes.set_ylabel("Accuracy, %")
    tidy(axes)


def _points(axes: Axes, estimates: list[Estimate], position: int, count: int, label: str) -> None:
    width = min(0.72, 0.16 * count)
    offset = (position - (count - 1) / 2) * width / max(count, 1)
    shown = [(x + offset, e) for x, e in enumerate(estimates) if e.value is not None]
    values = np.array([100 * (e.value or 0.0) for _, e in shown])
    bounds = [(e.value, e.value) if e.low is None or e.high is None else (e.low, e.high) for _, e in shown]
    # A rounded-away negative length would be refused by matplotlib.
    errors = np.maximum(np.abs(np.array(bounds, dtype=float).T * 100 - values), 0.0)
    axes.errorbar(
        [x for x, _ in shown], values, yerr=errors, fmt=marker(position), color=colour(position), label=label,
        markersize=5.5, elinewidth=1.3, capsize=2.5, clip_on=False,
    )  # fmt: skip


def _tick(view: View, label: str, metric: str, attack: str | None) -> str:
    seeds = [view.estimate(d, metric, attack, seed).n for d in view.defences for seed in view.seeds(d)]
    sizes = sorted({n for n in seeds if n})
    name = "\n".join(textwrap.wrap(short(label), 12, break_long_words=False))
    if not sizes:
        return f"{name}\n(no data)"
    return f"{name}\n(n = {sizes[0]:,}{f' to {sizes[-1]:,}' if len(sizes) > 1 else ''})"


def _in_words(conditions: list[tuple[str, str, str | None]], series: dict[str, list[Estimate]]) -> str:
    def line(name: str, estimates: list[Estimate]) -> str:
        values = (
            f"{c[0]} {percent(e.value)}" for c, e in zip(conditions, estimates, strict=True) if e.value is not None
        )
        return f"{name}: {', '.join(values)}."

    return " ".join(line(*item) for item in series.items())


def _legend(figure: Figure) -> None:
    legend = figure.legend(loc="outside right upper", labelcolor=INK, title="Defence")
    legend.get_title().set_color(INK)
