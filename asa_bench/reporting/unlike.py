"""What a reader of several runs in one report has to know of their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asa_bench.records.store import Run
from asa_bench.reporting.formats import listed
from asa_bench.reporting.view import entry_name
from asa_bench.stats.alike import differences
from asa_bench.stats.metrics import TEST


def told(before: Mapping[str, Run], after: Mapping[str, Run]) -> Iterator[str]:
    """Sentences on ``before``, the runs by name as recorded, and ``after``, the same with unlike things apart."""
    for name, run in before.items():
        if run.info.get("end", "") is None:
            yield f"{name} is not finished: its tables may be older than its set-up."
        yield from (f"{name}: {warning}" for warning in run.info.get("warnings") or [])
    yield from _protocols(before)
    yield from _tasks(before, after)
    yield from _samples(after)
    yield from _machines(before)


def _protocols(runs: Mapping[str, Run]) -> Iterator[str]:
    """One sentence for each attack that a run made otherwise than the first that made it."""
    first: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, run in runs.items():
        controls = {entry_name(entry) for entry in run.suite.get("attack") or [] if entry.get("kind") == "control"}
        for attack, frame in (run.info.get("protocols") or {}).items():
            if attack in controls:  # it follows its attack
                continue
            where, known = first.setdefault(attack, (name, frame))
            if known.get("fingerprint") != frame.get("fingerprint"):
                what = "; ".join(differences(known, frame, (f"in {where}", f"in {name}"))) or "another fingerprint"
                yield f"attack {attack} is not the same in {where} and {name}, and stands apart: {what}"


def _tasks(before: Mapping[str, Run], after: Mapping[str, Run]) -> Iterator[str]:
    """One sentence for each name of a task by which the runs mean several."""
    meant: dict[str, dict[str, list[str]]] = {}
    for name, run in before.items():
        for task, now in zip(_order(run, "task"), _order(after[name], "task"), strict=True):
            meant.setdefault(task, {}).setdefault(now, []).append(name)
    for task, groups in meant.items():
        if len(groups) > 1:
            sides = "; ".join(listed(names) for names in groups.values())
            yield f"task {task} stands apart, since its examples or their labels are not the same ({sides})"


def _order(run: Run, column: str) -> list[str]:
    return list(dict.fromkeys(map(str, run.examples[column])))


def _samples(runs: Mapping[str, Run]) -> Iterator[str]:
    """A sentence for each test set and each attack of which the runs have unlike examples."""
    for task in dict.fromkeys(task for run in runs.values() for task in _order(run, "task")):
        yield from _unlike(f"the test set of {task}", {name: _tested(run, task) for name, run in runs.items()})
        for attack in dict.fromkeys(attack for run in runs.values() for attack in _order(run, "attack")):
            attacked = {name: _attacked(run, task, attack) for name, run in runs.items()}
            yield from _unlike(f"{attack} on {task}", attacked)


def _tested(run: Run, task: str) -> set[str]:
    rows = run.predictions
    return set(rows.loc[(rows["task"] == task) & (rows["dataset"] == TEST), "example_id"])


def _attacked(run: Run, task: str, attack: str) -> set[str]:
    rows = run.examples
    return set(rows.loc[(rows["task"] == task) & (rows["attack"] == attack), "example_id"])


def _unlike(what: str, found: Mapping[str, set[str]]) -> Iterator[str]:
    ids = {name: each for name, each in found.items() if each}
    if len({frozenset(each) for each in ids.values()}) > 1:
        counts = listed([f"{len(each):,} in {name}" for name, each in ids.items()])
        common = len(set.intersection(*ids.values()))
        yield (
            f"{what}: {counts} examples, {common:,} in common; a column's shares are each over the run's own, "
            "differences over those in common"
        )


MACHINE = (("versions", ("torch", "transformers", "numpy", "tokenizers")), ("resolved", ("precision", "device")))
"""What may move a number without forbidding a comparison."""


def _machines(runs: Mapping[str, Run]) -> Iterator[str]:
    for field, keys in MACHINE:
        for key in keys:
            values = {name: (run.info.get(field) or {}).get(key, "unknown") for name, run in runs.items()}
            if len(set(values.values())) > 1:
                yield f"{key}: {listed([f'{value} in {name}' for name, value in values.items()])}"
    machines = [run.info.get("hardware") for run in runs.values()]
    if any(machine != machines[0] for machine in machines):
        yield "the runs were made on unlike hardware: their times are not to be compared"
