"""How numbers are written, in one place for every table, sentence and figure."""

from __future__ import annotations

import re

UNKNOWN = "–"
"""What stands for a value that is undefined or not there."""


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal that never shows a false 0 or 100.

    Only 0 reads ``0.0`` and only 1 reads ``100.0``; 0.99999 reads ``99.9`` and 0.00001 reads ``0.1``.
    """
    if fraction is None:
        return UNKNOWN
    rounded = round(fraction * 100, 1)
    if rounded >= 100 and fraction < 1:
        return "99.9"
    if rounded == 0 and fraction > 0:
        return "0.1"
    return f"{rounded:.1f}"


def percent_interval(low: float | None, high: float | None) -> str:
    """An interval of fractions in percent, ``76.6–87.1``; empty when there is none."""
    return "" if low is None or high is None else f"{percent(low)}–{percent(high)}"


def points(difference: float) -> str:
    """A signed difference of fractions in percentage points, with a true minus sign."""
    rounded = round(difference * 100, 1)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{abs(rounded):.1f}"


def p_value(p: float | None) -> str:
    """A p value with its relation sign: ``p = 0.034``, ``p < 0.0001``."""
    if p is None:
        return "p undefined"
    if p < 0.0001:
        return "p < 0.0001"
    return f"p = {p:.4f}" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def number(value: float | None, digits: int = 1) -> str:
    """A plain number with thousands separators."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it."""
    if value is None:
        return UNKNOWN
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def moment(recorded: str) -> str:
    """A recorded time without its seconds, ``2026-01-01 10:00 UTC``; what is no such time stays as it is."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*\+00:00$", r"\1 \2 UTC", str(recorded))


def listed(names: list[str]) -> str:
    """Names as a phrase: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
