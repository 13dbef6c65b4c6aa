"""What a run looks like where nobody watches, and in a terminal."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from rich.console import Console

from asa_bench.console import BarProgress, LineProgress, duration


@dataclass(frozen=True)
class Cell:
    """As much of a cell as is shown."""

    name: str


PWWS = Cell("attack/reviews/tiny/asa/0/pwws")


@pytest.fixture
def console() -> Console:
    """A console that writes to memory."""
    return Console(file=io.StringIO(), width=100)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Let the monotonic clock show ``seconds``, one after the other."""
    times: Iterator[float] = iter(seconds)
    monkeypatch.setattr(time, "monotonic", lambda: next(times))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (11220, "3 h 07 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 0, 1, 5, 21, 30)
    with LineProgress(console) as progress:
        progress.start(PWWS, 3, 8)
        for done in (10, 20, 50, 60):
            progress.advance(done, 200)
        progress.finish(PWWS, "failed", 61, "OSError: [no] such file")
    assert written(console) == (
        "[3/8] attack reviews/tiny/asa/0/pwws\n"
        "  attack reviews/tiny/asa/0/pwws: 50/200, 2.0/s, 1 min 15 s left\n"
        "  attack reviews/tiny/asa/0/pwws: failed in 1 min 01 s: OSError: [no] such file\n"
    )


def test_a_slow_first_example_has_no_rate(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 0, 40, 80)
    progress = LineProgress(console)
    progress.start(PWWS, 1, 1)
    progress.advance(0, 5)
    progress.advance(0, 5)
    assert written(console).splitlines()[1:] == ["  attack reviews/tiny/asa/0/pwws: 0/5"] * 2


def test_bars_leave_a_line_per_cell(console: Console) -> None:
    with BarProgress(console) as progress:
        progress.start(PWWS, 1, 1)
        progress.advance(2, 2)
        progress.finish(PWWS, "failed", 3, "KeyError: '[b]'")
    lines = [line.rstrip() for line in written(console).splitlines()]
    assert "failed attack reviews/tiny/asa/0/pwws 3 s" in lines
    assert "       KeyError: '[b]'" in lines
