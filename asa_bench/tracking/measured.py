"""Whether two runs measured anything: a gate that measured nothing must not pass."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from asa_bench.records.reference import unfinished
from asa_bench.records.schema import CELL
from asa_bench.records.store import Run
from asa_bench.reporting.formats import percent, points
from asa_bench.reporting.validity import reason
from asa_bench.stats.selftest import inert
from asa_bench.tracking.compare import CLEAN, WORST, Comparison, Difference
from asa_bench.tracking.limits import Limits
from asa_bench.tracking.pairing import text_attacks


def gaps(reference: Run, new: Run, comparison: Comparison, limits: Limits) -> list[str]:
    """Why the models as such, or their clean accuracy, could not be measured; empty when they could."""
    found = [f"{side}: {reason}" for side, run in _sides(reference, new) if (reason := unfinished(run))]
    return [*found, *comparison.unpaired, *_gaps_of(CLEAN, comparison, limits)]


def attack_gaps(reference: Run, new: Run, comparison: Comparison, limits: Limits) -> list[str]:
    """Why the attacks, and so robust accuracy, could not be measured; empty when they could."""
    found: list[str] = []
    for side, run in _sides(reference, new):
        reasons = list(_bad_attacks(run, limits)) if text_attacks(run) else ["no attacked examples"]
        found += [f"{side}: {reason}" for reason in reasons]
    return [*found, *_gaps_of(WORST, comparison, limits)]


def _sides(reference: Run, new: Run) -> Iterator[tuple[str, Run]]:
    yield from (("the reference", reference), ("the new run", new))


def _gaps_of(metric: str, comparison: Comparison, limits: Limits) -> Iterator[str]:
    """What is wrong with one of the primary metrics: too few examples, or none for a model."""
    rows = [row for row in comparison.rows if row.metric == metric]
    yield from (gap for row in rows if (gap := _untested(row, limits)))
    measured = {(row.task, row.defence) for row in rows}
    for task, defence in sorted({(row.task, row.defence) for row in comparison.rows} - measured):
        yield f"{NAMES[metric]} of {defence} on {task}: no common examples"
    if not comparison.rows:
        yield f"{NAMES[metric]}: no common examples"


def _bad_attacks(run: Run, limits: Limits) -> Iterator[str]:
    baselines = {entry.get("name") for entry in run.suite.get("defence") or [] if entry.get("method") == "baseline"}
    examples = run.examples[run.examples["attack"].isin(text_attacks(run))]
    for (_, _, defence, seed, attack), rows in examples.groupby([*CELL, "attack"]):
        where = f"attack {attack} on {defence} (seed {seed})"
        broken = float(rows["outcome"].isin(["error", "timeout"]).mean())
        if broken > limits.errors:
            yield f"{where}: {percent(broken)} % errors and time-outs, over {percent(limits.errors)} %"
        elif reason := _inert(rows, limits, baseline=defence in baselines):
            yield f"{where}: {reason}"


def _inert(rows: pd.DataFrame, limits: Limits, *, baseline: bool) -> str | None:
    verdict = inert(rows, baseline=baseline, most_idle=limits.inert_share, least_success=limits.inert_success)
    return reason(verdict) if verdict else None


def _untested(row: Difference, limits: Limits) -> str | None:
    where = f"{name(row)} of {row.defence} on {row.task}"
    if row.p_value is None:
        return f"{where}: all seeds differ by the same {points(row.difference)} points, so that no test can be made"
    if row.n < limits.common_examples:
        return f"{where}: {row.n} common examples, {limits.common_examples} needed"
    if row.common_share < limits.common_share:
        share = percent(row.common_share)
        return f"{where}: {share} % of the smaller side's examples are common, {percent(limits.common_share)} % needed"
    return None


NAMES = {CLEAN: "clean accuracy", WORST: "worst-case robust accuracy", "robust_accuracy": "robust accuracy"}


def name(row: Difference) -> str:
    """The metric in words, with its attack where it has one."""
    return f"{NAMES[row.metric]} under {row.attack}" if row.attack else NAMES[row.metric]
