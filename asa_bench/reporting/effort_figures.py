"""Figures of robust accuracy over what the attack may spend."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from asa_bench.reporting.accuracy_tables import interval_note
from asa_bench.reporting.drawing import INK, Plot, beside, colour, short, tidy
from asa_bench.reporting.formats import listed
from asa_bench.reporting.view import View
from asa_bench.stats.effort import curve

LINES = ("-", "--", "-.", ":")
"""A second sign beside the colour."""

BAND = 0.15
"""Opacity of an interval's band: several lie over each other."""

ACROSS = 3
"""Most panels side by side."""

_AXES = {
    "queries": ("Queries allowed", "queries"),
    "words": ("Changed words allowed", "changed words"),
    "similarity": ("Similarity asked for", "required similarity"),
}


def effort(view: View) -> Iterator[Plot]:
    """For queries, changed words and similarity: robust accuracy by limit, a panel for each text attack."""
    for measure in _AXES:
        panels = {attack: curves(view, attack, measure) for attack in view.text_attacks}
        panels = {attack: lines for attack, lines in panels.items() if lines}
        if panels:
            yield _effort(view, measure, panels)


def curves(view: View, attack: str, measure: str) -> dict[str, pd.DataFrame]:
    """Each defence's robust accuracy by limit; empty when the attack breaks none of them."""
    rows = view.examples[view.examples["attack"] == attack]
    found = {name: curve(rows[rows["defence"] == name], measure) for name in view.defences}
    lines = {name: line for name, line in found.items() if len(line)}
    broken = any((rows["defence"].isin(lines)) & (rows["outcome"] == "succeeded"))
    return lines if broken else {}


def _end(lines: dict[str, pd.DataFrame], measure: str, budget: int | None) -> float:
    """Where the axis ends: behind the last step, so that its height is seen."""
    limits = [float(limit) for line in lines.values() for limit in line.index]
    if measure == "similarity":
        return math.floor(10 * min(limits) - 1e-9) / 10
    return float(budget or max(limits)) if measure == "queries" else max(limits) + 1


def _effort(view: View, measure: str, panels: dict[str, dict[str, pd.DataFrame]]) -> Plot:
    label, words = _AXES[measure]
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    height = beside(2.5 * down + 0.3, len(view.defences))
    figure = Figure(figsize=(2.9 * across + 1.6, height), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    shown = {}
    for axes, (attack, lines) in zip(grid, panels.items(), strict=False):
        end = _end(lines, measure, view.budget(attack))
        for name, line in lines.items():
            position = view.defences.index(name)
            (shown[name],) = _step(axes, line, end, position)
        axes.set_title(short(attack), color=INK)
        _limits(axes, label, falling=measure == "similarity", whole=measure == "words")
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[::across]:
        axes.set_ylabel("Robust accuracy, %")
    names = [name for name in view.defences if name in shown]
    lines_of = [shown[name] for name in names]
    figure.legend(lines_of, [short(name) for name in names], loc="outside right upper", labelcolor=INK)
    return Plot(
        f"accuracy-over-{measure}",
        f"Robust accuracy over {words}",
        f"{_CAPTIONS[measure]} The lines end at the robust accuracy of the comparison. "
        f"{interval_note(view).replace('rackets', 'ands')}",
        f"Step charts of robust accuracy over {words} under {listed(list(panels))} for {listed(names)}.",
        figure,
    )


def _step(axes: Axes, line: pd.DataFrame, end: float, position: int) -> list[Line2D]:
    """One defence's line, held up to ``end``, in the band of its interval where it has one."""
    limits = [*line.index, end]
    value, low, high = (100 * line[name].to_numpy()[[*range(len(line)), -1]] for name in ("value", "low", "high"))
    axes.fill_between(limits, low, high, step="post", color=colour(position), alpha=BAND, linewidth=0)
    style = LINES[position % len(LINES)]
    return axes.step(limits, value, where="post", color=colour(position), linestyle=style, linewidth=1.5)


_CAPTIONS = {
    "queries": "The share of examples still right when the attack may ask the model so often.",
    "words": "The share of examples still right when only adversarial texts with so many changed words count. The "
    "attacks did not look for the fewest: more examples may be broken by as few.",
    "similarity": "The share of examples still right when only adversarial texts of at least this similarity to the "
    "original (cosine of sentence embeddings) count. The attacks did not look for the most similar texts.",
}


def _limits(axes: Axes, label: str, *, falling: bool, whole: bool) -> None:
    axes.set_xlabel(label)
    axes.set_ylim(0, 100)
    axes.margins(x=0)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if falling:
        axes.invert_xaxis()
    tidy(axes)
