"""Figures of what robustness costs: training time, and training data."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, ScalarFormatter, StrMethodFormatter

from asa_bench.reporting.accuracy_tables import CLEAN
from asa_bench.reporting.cost_tables import training_times
from asa_bench.reporting.curve_points import curve_points, curve_terms, robust_metric
from asa_bench.reporting.drawing import INK, Plot, beside, colour, marker, short, tidy
from asa_bench.reporting.formats import listed, number, percent
from asa_bench.reporting.view import View


def pareto(view: View) -> Plot | None:
    """Cost of training against robust accuracy; the line joins defences that no cheaper one beats."""
    metric, attack = robust_metric(view)
    if metric is None:
        return None
    points = {
        name: (ratio, view.estimate(name, metric, attack))
        for name, ratio in training_times(view).items()
        if view.estimate(name, metric, attack).value is not None
    }
    if len(points) < 2:
        return None
    figure = Figure(figsize=(7.4, beside(3.8, len(points))), layout="constrained")
    axes = figure.add_subplot()
    for position, (name, (cost, estimate)) in enumerate(points.items()):
        value = 100 * (estimate.value or 0.0)
        low, high = (value if bound is None else 100 * bound for bound in (estimate.low, estimate.high))
        axes.errorbar(
            [cost], [value], yerr=[[max(value - low, 0.0)], [max(high - value, 0.0)]], fmt=marker(position),
            color=colour(position), label=short(name), markersize=6, elinewidth=1.0, capsize=2.5, clip_on=False,
        )  # fmt: skip
    best = frontier({name: (cost, estimate.value or 0.0) for name, (cost, estimate) in points.items()})
    axes.plot(
        [points[name][0] for name in best], [100 * (points[name][1].value or 0.0) for name in best],
        color="#8a8a94", linewidth=0.9, zorder=0,
    )  # fmt: skip
    axes.set_xlabel(f"Time of training, multiple of {short(view.baseline or '')}'s")
    axes.set_ylabel(f"{_named(attack)}, %")
    axes.set_ylim(bottom=0)
    _multiples(axes)
    tidy(axes)
    figure.legend(loc="outside right upper", labelcolor=INK, title="Defence").get_title().set_color(INK)
    places = [f"{name} {number(cost, 2)} × and {percent(e.value)} %" for name, (cost, e) in points.items()]
    return Plot(
        "pareto",
        "Cost against robustness",
        f"{_named(attack)} with its interval against the time of training: a step's, times the steps, and the attack "
        "whose successes are learnt. The line joins the defences that none of at most their cost beats; intervals that "
        "overlap do not establish an order.",
        f"Scatter plot of the time of training and robust accuracy: {listed(places)}.",
        figure,
    )


def frontier(points: dict[str, tuple[float, float]]) -> list[str]:
    """Names of the points ``(cost, value)`` that none of at most the same cost exceeds, by rising cost."""
    best: list[str] = []
    for name in sorted(points, key=lambda key: (points[key][0], -points[key][1])):
        if not best or points[name][1] > points[best[-1]][1]:
            best.append(name)
    return best


def learning_curve(view: View) -> Plot | None:
    """Clean and robust accuracy over the number of training examples."""
    names = [name for name in view.defences if (view.curves["defence"] == name).any()]
    if not names:
        return None
    metric, attack = robust_metric(view)
    panels = [("Clean accuracy, %", CLEAN, None), *([(f"{_named(attack)}, %", metric, attack)] if metric else [])]
    figure = Figure(figsize=(3.4 * len(panels) + 1.6, beside(3.4, len(names))), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (label, wanted, of) in zip(grid, panels, strict=True):
        for position, name in enumerate(names):
            points = curve_points(view, name, wanted, of)
            below, above = ([100 * abs(p[bound] - p[0]) for p in points.values()] for bound in (1, 2))
            axes.errorbar(
                [size * (1 + 0.03 * position) for size in points],  # side by side, so that no bar hides another
                [100 * value for value, _, _ in points.values()], yerr=[below, above], clip_on=False,
                color=colour(position), marker=marker(position), markersize=4.5, linewidth=1.4, elinewidth=0.7,
                label=short(name),
            )  # fmt: skip
        axes.set_ylabel(label)
        if wanted != CLEAN:  # clean accuracies lie close together, far from 0
            axes.set_ylim(bottom=0)
        _sizes(axes, sorted({size for name in names for size in curve_points(view, name, wanted, of)}))
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", labelcolor=INK)
    return Plot(
        "learning-curve",
        "Accuracy over training data",
        f"{curve_terms(view)}; bars are 95 % intervals.",
        f"Line charts of accuracy over training examples for {listed(names)}.",
        figure,
    )


def _multiples(axes: Axes) -> None:
    """A logarithmic axis, which keeps the many cheap defences apart beside one that costs eight times as much."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2, subs=(1.0, 1.5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _sizes(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("Training examples")
    axes.set_xticks(sizes)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    tidy(axes)


def _named(attack: str | None) -> str:
    return "Worst-case accuracy" if attack is None else f"Accuracy under {short(attack)}"
