"""Figures of accuracy over the strength of a perturbation inside the model."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asa_bench.reporting.accuracy_tables import interval_note
from asa_bench.reporting.drawing import INK, Plot, beside, colour, marker, short, tidy
from asa_bench.reporting.formats import listed, percent
from asa_bench.reporting.view import View
from asa_bench.stats.effort import robust_within
from asa_bench.stats.intervals import Estimate


def strength_figures(view: View) -> Iterator[Plot]:
    """One figure for each attack of kind *model*."""
    for attack in view.attacks:
        if view.kind(attack) == "model":
            yield _figure(view, attack)


def _figure(view: View, attack: str) -> Plot:
    figure = Figure(figsize=(7.0, beside(3.6, len(view.defences))), layout="constrained")
    axes = figure.add_subplot()
    limits, control = (0.0, *view.strengths(attack)), view.control_of(attack)
    ends = {}
    for position, defence in enumerate(view.defences):
        if len(rows := view.attacked(attack, defence)):
            estimates = [robust_within(rows, "strength", limit) for limit in limits]
            _line(axes, estimates, position, short(defence))
            ends[defence] = percent(estimates[-1].value)
        if control and len(rows := view.attacked(control, defence)):
            values = [100 * (robust_within(rows, "strength", limit).value or 0.0) for limit in limits]
            axes.plot(range(len(limits)), values, color=colour(position), linestyle=":", linewidth=1.0, alpha=0.8)
    axes.set_xticks(range(len(limits)), ["clean", *(f"{limit:g}" for limit in limits[1:])])
    axes.set_xlabel(view.measure(attack).capitalize())
    axes.set_ylabel("Accuracy, %")
    axes.set_ylim(0, 100)
    tidy(axes)
    figure.legend(loc="outside right upper", labelcolor=INK, title="Defence").get_title().set_color(INK)
    dotted = " Dotted: as many random perturbations of the same strength." if control else ""
    return Plot(
        f"strengths-{attack}",
        f"Accuracy under {short(attack)} by strength",
        f"The share of examples still right; the steps of the axis are those that were tried.{dotted} "
        f"{interval_note(view).replace('rackets', 'ars')}",
        f"Line chart of accuracy over {view.measure(attack)}; at {limits[-1]:g}: "
        f"{listed([f'{name} {value} %' for name, value in ends.items()])}.",
        figure,
    )


def _line(axes: Axes, estimates: list[Estimate], position: int, label: str) -> None:
    values = [100 * (estimate.value or 0.0) for estimate in estimates]
    bounds = [(e.value, e.value) if e.low is None or e.high is None else (e.low, e.high) for e in estimates]
    below, above = (
        [abs(100 * (pair[side] or 0.0) - value) for pair, value in zip(bounds, values, strict=True)] for side in (0, 1)
    )
    shift = 0.04 * (position % 5 - 2)
    axes.errorbar(
        [place + shift for place in range(len(values))], values, yerr=[below, above], color=colour(position),
        marker=marker(position), markersize=4.5, linewidth=1.4, elinewidth=0.7, label=label, clip_on=False,
    )  # fmt: skip
