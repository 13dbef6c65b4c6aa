"""The verdict of CI: no significant loss, regressed, could not measure, or not comparable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from asa_bench.core.errors import DamagedRunError, InputError
from asa_bench.records.reference import open_run, unfinished
from asa_bench.records.store import Run
from asa_bench.reporting.formats import p_value, percent, points
from asa_bench.stats.intervals import MINIMUM_SEEDS
from asa_bench.stats.paired import smallest_difference
from asa_bench.tracking.compare import CLEAN, Comparison, Difference, compare
from asa_bench.tracking.limits import Limits
from asa_bench.tracking.measured import NAMES, attack_gaps, gaps, name
from asa_bench.tracking.pairing import models

USUAL_DISCORDANCE = 0.12
"""Share of the pairs on which two retrained checkpoints usually differ: what to plan with where fewer were seen."""


class Code(IntEnum):
    """Exit codes of the gate."""

    PASSED = 0
    REGRESSED = 1
    NOT_MEASURED = 3
    NOT_COMPARABLE = 4


@dataclass(frozen=True)
class Verdict:
    """The gate's answer."""

    code: Code
    sentences: list[str]
    """The answer in words; the first one is the verdict."""
    comparison: Comparison | None = None
    regressed: tuple[Difference, ...] = ()


def gate(reference: Run | str | Path, new: Run | str | Path, limits: Limits | None = None) -> Verdict:
    """Judge ``new`` by ``reference`` on clean accuracy and worst-case robust accuracy, recounted from the rows.

    Args:
        reference: a run, or the path or name of a run directory or reference.
        new: likewise.
        limits: what counts; the defaults of :class:`Limits` if None.

    Raises:
        InputError: when a side is no run at all.
    """
    chosen = limits or Limits()
    try:
        old, fresh = (side if isinstance(side, Run) else open_run(side) for side in (reference, new))
    except DamagedRunError as error:
        return Verdict(Code.NOT_MEASURED, [f"could not measure: {error}"])
    try:
        comparison = compare(old, fresh, alpha=chosen.alpha)
    except InputError as error:  # no task in common
        return Verdict(Code.NOT_COMPARABLE, [f"not comparable: {error}"])
    return _judge(old, fresh, comparison, chosen)


def _judge(old: Run, new: Run, comparison: Comparison, limits: Limits) -> Verdict:
    lost = tuple(row for row in comparison.rows if limits.regressed(row))
    losses = [_loss(row) for row in lost]
    if comparison.unlike and models(new) and not (unfinished(old) or unfinished(new)):
        return Verdict(Code.NOT_COMPARABLE, _told("not comparable", comparison.unlike), comparison)
    missing, unattacked = gaps(old, new, comparison, limits), attack_gaps(old, new, comparison, limits)
    certain = tuple(row for row in lost if row.metric == CLEAN) if unattacked else lost
    if missing or (unattacked and not certain):
        reasons = [*missing, *unattacked]
        return Verdict(Code.NOT_MEASURED, [*_told("could not measure", reasons), *losses], comparison, lost)
    if certain:  # clean accuracy is lost however the attacks went
        also = [*_small(comparison, limits), *(f"not measured: {gap}" for gap in unattacked)]
        return Verdict(
            Code.REGRESSED, [*_told("regressed", [_loss(row) for row in certain]), *also], comparison, certain
        )
    return Verdict(
        Code.PASSED, [_passed(comparison), *_small(comparison, limits), *_blind(comparison, limits)], comparison
    )


def _told(verdict: str, reasons: list[str]) -> list[str]:
    return [f"{verdict}: {reasons[0]}", *reasons[1:]]


def _loss(row: Difference) -> str:
    return (
        f"{name(row)} of {row.defence} on {row.task} fell from {percent(row.reference)} % to {percent(row.new)} % "
        f"({evidence(row)}); this is about {row.speaks_of}"
    )


def evidence(row: Difference) -> str:
    """Difference, interval, p value and n of a comparison in words."""
    interval = "" if row.low is None or row.high is None else f", 95 % interval {points(row.low)} to {points(row.high)}"
    p, correction = (row.p_adjusted, " with Holm's correction") if row.family == "primary" else (row.p_value, "")
    return f"{points(row.difference)} points{interval}; {p_value(p)} by {row.test}{correction}, n = {row.n:,}"


def _passed(comparison: Comparison) -> str:
    primary = [row for row in comparison.rows if row.family == "primary"]
    least = min(primary, key=lambda row: row.difference)
    where = f"{name(least)} of {least.defence} on {least.task}"
    if least.difference >= 0:
        return f"no significant loss: none of {len(primary)} numbers fell"
    return f"no significant loss: of {len(primary)} numbers {where} fell most ({evidence(least)})"


def _small(comparison: Comparison, limits: Limits) -> list[str]:
    """Losses beyond chance that are too small to count."""
    return [
        f"{_loss(row)}; under the limit of {points(limits.loss(row)).lstrip('+')} points"
        for row in comparison.rows
        if limits.significant_loss(row) and not limits.regressed(row)
    ]


def _blind(comparison: Comparison, limits: Limits) -> list[str]:
    """How large a loss single checkpoints may hide; over seeds their spread decides, which is not known beforehand."""
    single = [row for row in comparison.rows if row.family == "primary" and row.seeds < MINIMUM_SEEDS]
    worst: dict[str, float] = {}
    for row in single:
        discordant = max((row.flips_lost + row.flips_gained) / row.n, USUAL_DISCORDANCE)
        alpha = limits.alpha / comparison.family_size(row.task)  # what Holm asks of the smallest p
        seen = smallest_difference(row.n, discordant, alpha) or discordant
        worst[row.metric] = max(worst.get(row.metric, 0.0), seen, limits.loss(row))
    return [
        f"a loss of {NAMES[metric]} under about {points(least).lstrip('+')} points would probably not have been seen"
        for metric, least in worst.items()
    ]
