"""Whether two runs measured anything: a gate that measured nothing must not pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from asa_bench.records.reference import unfinished
from asa_bench.records.schema import CELL
from asa_bench.records.store import Run
from asa_bench.reporting.formats import percent, points
from asa_bench.reporting.validity import reason
from asa_bench.stats.alike import text_attacks
from asa_bench.stats.floor import under_floor
from asa_bench.stats.intervals import MINIMUM_SEEDS
from asa_bench.stats.paired import total_loss_p
from asa_bench.stats.selftest import inert
from asa_bench.tracking.compare import CLEAN, WORST, Comparison, Difference
from asa_bench.tracking.limits import Limits


def gaps(reference: Run, new: Run, comparison: Comparison, limits: Limits) -> list[str]:
    """Why the models as such, or their clean accuracy, could not be measured; empty when they could."""
    found = [f"{side}: {reason}" for side, run in _sides(reference, new) if (reason := unfinished(run))]
    found += [f"the reference: {reason}" for reason in shortfalls(reference)]
    return [*found, *comparison.unpaired, *_gaps_of(CLEAN, comparison, limits)]


def attack_gaps(reference: Run, new: Run, comparison: Comparison, limits: Limits) -> list[str]:
    """Why robust accuracy could not be measured, or means nothing; empty when it could."""
    found = [f"the new run: {reason}" for reason in shortfalls(new)]
    found += _ineffective([reference, new], limits)
    for side, run in _sides(reference, new):
        reasons = list(_bad_attacks(run, limits)) if text_attacks(run) else ["no attacked examples"]
        found += [f"{side}: {reason}" for reason in reasons]
    return [*found, *_gaps_of(WORST, comparison, limits)]


def shortfalls(run: Run) -> list[str]:
    """A sentence for each model of the run under its task's clean-accuracy floor."""
    asked = {entry.get("name"): entry.get("clean_accuracy_floor") for entry in run.suite.get("task") or []}
    return under_floor(run.predictions, asked)


def _sides(reference: Run, new: Run) -> Iterator[tuple[str, Run]]:
    yield from (("the reference", reference), ("the new run", new))


def _gaps_of(metric: str, comparison: Comparison, limits: Limits) -> Iterator[str]:
    """What is wrong with one of the primary metrics: too few examples, or none for a model."""
    rows = [row for row in comparison.rows if row.metric == metric]
    yield from (gap for row in rows if (gap := _untested(row, limits) or _blind(row, comparison, limits)))
    measured = {(row.task, row.defence) for row in rows}
    for task, defence in sorted({(row.task, row.defence) for row in comparison.rows} - measured):
        yield f"{NAMES[metric]} of {defence} on {task}: no common examples"
    if not comparison.rows:
        yield f"{NAMES[metric]}: no common examples"


def _ineffective(runs: Sequence[Run], limits: Limits) -> Iterator[str]:
    """Attacks that no model feels, where there is no baseline to judge them by."""
    found: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for run in runs:
        examples = run.examples[run.examples["attack"].isin(text_attacks(run))]
        for (task, _, defence, _, attack), rows in examples.groupby([*CELL, "attack"]):
            found.setdefault((str(task), str(attack)), []).append((defence in _baselines(run), _success(rows)))
    for (task, attack), models in sorted(found.items()):
        baseline, most = map(max, zip(*models, strict=True))
        if not baseline and most < limits.inert_success:
            yield f"attack {attack} on {task}: inert, with {percent(most)} % success at most on any model"


def _baselines(run: Run) -> set[Any]:
    return {entry.get("name") for entry in run.suite.get("defence") or [] if entry.get("method") == "baseline"}


def _bad_attacks(run: Run, limits: Limits) -> Iterator[str]:
    baselines = _baselines(run)
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


def _success(rows: pd.DataFrame) -> float:
    attacked = _attacked(rows)
    return float((attacked["outcome"] == "succeeded").mean()) if len(attacked) else 0.0


def _attacked(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["outcome"].isin(["succeeded", "failed"])]


def _untested(row: Difference, limits: Limits) -> str | None:
    where = f"{name(row)} of {row.defence} on {row.task}"
    if row.p_value is None and limits.counts(row):
        return f"{where}: all seeds differ by the same {points(row.difference)} points, so that no test can be made"
    if row.n < limits.common_examples:
        return f"{where}: {row.n} common examples, {limits.common_examples} needed"
    if row.common_share < limits.common_share:
        share = percent(row.common_share)
        return f"{where}: {share} % of the smaller side's examples are common, {percent(limits.common_share)} % needed"
    return None


def _blind(row: Difference, comparison: Comparison, limits: Limits) -> str | None:
    """Why no loss of a metric could be seen: the reference has too little of it. A gain beyond chance is still one."""
    right = round(row.reference * row.n)
    least = total_loss_p(right) if row.seeds < MINIMUM_SEEDS or right == 0 else 0.0  # over seeds the spread decides
    if least * comparison.family_size(row.task) < limits.alpha or (row.significant and row.difference > 0):
        return None
    return (
        f"{name(row)} of {row.defence} on {row.task}: {percent(row.reference)} % in the reference, so that no loss "
        "could be significant; use a weaker attack, a smaller query budget or more examples"
    )


NAMES = {CLEAN: "clean accuracy", WORST: "worst-case robust accuracy", "robust_accuracy": "robust accuracy"}


def name(row: Difference) -> str:
    """The metric in words, with its attack where it has one."""
    return f"{NAMES[row.metric]} under {row.attack}" if row.attack else NAMES[row.metric]
