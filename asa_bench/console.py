"""What a run looks like in a terminal: progress bars, or plain lines where nobody watches."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

LINE_SECONDS = 15.0
"""Seconds between two plain lines of the same cell."""


class NamedCell(Protocol):
    """As much of a cell as is shown."""

    @property
    def name(self) -> str:
        """The cell's path inside the run."""


class BarProgress:
    """A bar for the run and one for the cell at hand, with stage, rate and remaining time."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        self._run = self._bars.add_task("[bold]run", total=None, unit="cells")
        self._cell = self._bars.add_task("", total=None, visible=False, unit="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def start(self, cell: NamedCell, number: int, of: int) -> None:
        """Point the lower bar at ``cell``."""
        self._bars.update(self._run, total=of, completed=number - 1)
        unit = "steps" if cell.name.startswith("train/") else "examples"
        self._bars.remove_task(self._cell)  # reset() would keep the last cell's total
        self._cell = self._bars.add_task(title(cell), total=None, unit=unit)

    def advance(self, done: int, total: int) -> None:
        """Move the lower bar."""
        self._bars.update(self._cell, completed=done, total=total)

    def finish(self, cell: NamedCell, status: str, seconds: float, error: str | None) -> None:
        """Leave a line that stays."""
        self._bars.advance(self._run)
        colour = "green" if status == "done" else "red"
        self._bars.console.print(f"[{colour}]{status:>6}[/] {title(cell)} [dim]{duration(seconds)}[/]", highlight=False)
        if error:
            self._bars.console.print(f"       {error}", style="red", highlight=False, markup=False)


class LineProgress:
    """A line at each beginning and end, and one every quarter of a minute between."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to take down."""

    def start(self, cell: NamedCell, number: int, of: int) -> None:
        """Say what begins."""
        self._said = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._title = title(cell)
        self._say(f"[{number}/{of}] {self._title}")

    def advance(self, done: int, total: int) -> None:
        """Say how far it is, now and then."""
        now = time.monotonic()
        self._first = self._first or (done, now)  # a resumed cell begins with work that is done
        if now - self._said < LINE_SECONDS or done >= total:
            return
        self._said = now
        before, began = self._first
        rate = (done - before) / (now - began) if now > began else 0.0
        pace = f", {rate:.1f}/s, {duration((total - done) / rate)} left" if rate else ""
        self._say(f"  {self._title}: {done}/{total}{pace}")

    def finish(self, cell: NamedCell, status: str, seconds: float, error: str | None) -> None:
        """Say how it ended."""
        self._say(f"  {title(cell)}: {status} in {duration(seconds)}" + (f": {error}" if error else ""))

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Steps or examples per second."""
        unit = task.fields.get("unit", "")
        if not task.speed or unit == "cells":
            return Text("")
        return Text(f"{task.speed:.1f} {unit}/s", style="cyan")


def title(cell: NamedCell) -> str:
    """``attack movie-sentiment/minilm/asa/0/pwws``."""
    kind, _, rest = cell.name.partition("/")
    return f"{kind} {rest}"


def duration(seconds: float) -> str:
    """``8 s``, ``2 min 05 s`` or ``3 h 07 min``."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
