"""Whether two runs measured anything: a gate that measured nothing must not pass."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from asa_bench.records.reference import unfinished
from asa_bench.records.schema import CELL
from asa_bench.records.store import Run
from asa_bench.reporting.formats import percent
from asa_bench.tracking.compare import CLEAN, WORST, Comparison, Difference
from asa_bench.tracking.limits import Limits
from asa_bench.tracking.pairing import text_attacks


def gaps(reference: Run, new: Run, comparison: Comparison, limits: Limits) -> list[str]:
    """Why the two runs could not be measured against each other; empty when they could."""
    found: list[str] = []
    for side, run in (("the reference", reference), ("the new run", new)):
        if reason := unfinished(run):
            found.append(f"{side}: {reason}")
        if not text_attacks(run):
            found.append(f"{side}: no attacked examples")
        else:
            found += [f"{side}: {sentence}" for sentence in _bad_attacks(run, limits)]
    found += comparison.unpaired
    found += [gap for row in comparison.rows if row.family == "primary" if (gap := _too_few(row, limits))]
    return found + list(_missing(comparison))


def _bad_attacks(run: Run, limits: Limits) -> Iterator[str]:
    baselines = {entry.get("name") for entry in run.suite.get("defence") or [] if entry.get("method") == "baseline"}
    for (_, _, defence, seed, attack), rows in run.examples.groupby([*CELL, "attack"]):
        where = f"attack {attack} on {defence} (seed {seed})"
        broken = float(rows["outcome"].isin(["error", "timeout"]).mean())
        if broken > limits.errors:
            yield f"{where}: {percent(broken)} % errors and time-outs, over {percent(limits.errors)} %"
        elif reason := _inert(rows, limits, baseline=defence in baselines):
            yield f"{where}: {reason}"


def _inert(rows: pd.DataFrame, limits: Limits, *, baseline: bool) -> str | None:
    attacked = rows[rows["outcome"].isin(["succeeded", "failed"])]
    known = attacked["candidates"].dropna()
    idle = float((known == 0).mean()) if len(known) else 0.0
    if idle > limits.inert_share:
        return f"inert, without a candidate for {percent(idle)} % of the examples"
    success = float((attacked["outcome"] == "succeeded").mean()) if len(attacked) else 0.0
    if baseline and success < limits.inert_success:
        return f"inert, with {percent(success)} % success on the baseline"
    return None


def _too_few(row: Difference, limits: Limits) -> str | None:
    where = f"{name(row)} of {row.defence} on {row.task}"
    if row.n < limits.common_examples:
        return f"{where}: {row.n} common examples, {limits.common_examples} needed"
    if row.common_share < limits.common_share:
        share = percent(row.common_share)
        return f"{where}: {share} % of the smaller side's examples are common, {percent(limits.common_share)} % needed"
    return None


def _missing(comparison: Comparison) -> Iterator[str]:
    """Models that lack one of the two primary metrics."""
    metrics: dict[tuple[str, str], set[str]] = {}
    for row in comparison.rows:
        metrics.setdefault((row.task, row.defence), set()).add(row.metric)
    for (task, defence), found in metrics.items():
        yield from (
            f"{NAMES[metric]} of {defence} on {task}: no common examples"
            for metric in (CLEAN, WORST)
            if metric not in found
        )
    if not comparison.rows:
        yield "no common examples"


NAMES = {CLEAN: "clean accuracy", WORST: "worst-case robust accuracy", "robust_accuracy": "robust accuracy"}


def name(row: Difference) -> str:
    """The metric in words, with its attack where it has one."""
    return f"{NAMES[row.metric]} under {row.attack}" if row.attack else NAMES[row.metric]
