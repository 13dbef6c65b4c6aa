"""What all figures share: palette, sizes, and bytes that are the same for the same data."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asa_bench.reporting.texts import visible

INK = "#1b1b1f"
"""Colour of text and axes. The report's page replaces it by its own text colour, for the dark mode."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's colours, which readers with any colour vision tell apart, without black and yellow."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X")
"""A second sign beside the colour, for print in grey."""

_LONGEST = 30
"""Letters of a name in a figure: a longer one would leave no room for the data."""

WIDE = 9.0
"""Inches from which on a figure is wide."""

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "svg.hashsalt": "asa-bench",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Plot:
    """A figure with its caption and the alternative text that says what it shows. ``name`` is its file's stem."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure

    @property
    def wide(self) -> bool:
        """Whether the page gives it a row of its own, since its letters would be too small in half of one."""
        return bool(self.figure.get_figwidth() > WIDE)

    @cached_property
    def svg(self) -> str:
        """The figure as SVG with a transparent ground; the same data give the same bytes."""
        metadata = {"Title": self.title, "Description": visible(self.alt), "Date": None, "Creator": None}
        stream = io.BytesIO()
        with style():
            self.figure.savefig(stream, format="svg", transparent=True, metadata=metadata)
        return stream.getvalue().decode()

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG on white, 200 dots per inch."""
        metadata = {"Software": None, "Description": visible(self.alt)}
        stream = io.BytesIO()
        with style():
            self.figure.savefig(stream, format="png", dpi=200, facecolor="white", metadata=metadata)
        return stream.getvalue()


def style() -> Any:
    """The settings under which every figure is made and saved, as a context."""
    return mpl.rc_context(_STYLE)


def tidy(axes: Axes, grid: str = "y") -> None:
    """No frame on top and right, a light grid behind the data, text in the ink colour."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=grid, color="#8a8a94", alpha=0.3, linewidth=0.6)  # type: ignore[arg-type]
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(colors=INK, labelcolor=INK)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(INK)


def short(name: str) -> str:
    """A name as a figure shows it: one line, hidden characters visible, its middle left out when it is long."""
    text = " ".join(visible(name).split())
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 3 :]}"
    # Matplotlib leaves labels that begin with an underscore out of a legend.
    return f" {text}" if text.startswith("_") else text


def beside(height: float, entries: int) -> float:
    """Inches that a figure of this height needs so that a legend of so many entries beside it is whole."""
    return max(height, 0.5 + 0.2 * entries)


def colour(position: int) -> str:
    """The colour of the nth series."""
    return PALETTE[position % len(PALETTE)]


def marker(position: int) -> str:
    """The marker of the nth series; shifted at each round of the palette, so that no pair of signs repeats early."""
    return MARKERS[(position + position // len(PALETTE)) % len(MARKERS)]
