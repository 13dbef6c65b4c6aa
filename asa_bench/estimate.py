"""What a plan will cost on this machine: measured on a few real batches, not looked up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from rich.table import Table
from rich.text import Text

from asa_bench.attacking.planned import PlannedAttack
from asa_bench.console import duration
from asa_bench.defences.base import inputs_of
from asa_bench.defences.training import labelled_rows
from asa_bench.models.classifier import Classifier, new_classifier
from asa_bench.models.precision import autocast
from asa_bench.plan import Cell, statuses
from asa_bench.probes import checks
from asa_bench.records.directory import RunDirectory
from asa_bench.suite_plan import SuitePlan

REPEATS = 3

EARLY_SHARE = 0.4
"""Share of its query budget that an attack is reckoned to use; the budget itself is the upper bound."""

WHITE_BOX_PASSES = 300
"""Passes per example that a white-box attack is reckoned to take, a backward pass as two."""

QUALITY_SECONDS = 4.0
"""Most that judging an attack's texts takes: reading WordNet, which the first one does."""


@dataclass(frozen=True)
class Speed:
    """Seconds that one batch takes in one encoder on this machine."""

    forward: float
    step: float


def estimated_table(plan: SuitePlan, directory: RunDirectory) -> tuple[Table, str]:
    """The plan's cells with their state and expected time and queries, and a line with the sum of what is left."""
    states = statuses(plan, directory)
    pending = [cell for cell in plan.cells if states[cell.name] != "done"]
    measured = {place: measure(plan, *place) for place in {(cell.task, cell.encoder) for cell in pending}}
    table = Table(box=None, header_style="bold")
    for column, align in (("cell", "left"), ("state", "left"), ("time", "right"), ("queries, at most", "right")):
        table.add_column(column, justify=align)  # type: ignore[arg-type]
    total, queries = 0.0, 0
    for cell in plan.cells:
        state = states[cell.name]
        if state == "done":
            spent = directory.state(cell.name).get("seconds", 0.0)
            table.add_row(Text(cell.name), state, duration(spent), "")
            continue
        seconds, most = _expected(plan, cell, measured[(cell.task, cell.encoder)])
        total, queries = total + seconds, queries + most
        table.add_row(Text(cell.name), state, f"~{duration(seconds)}", f"{most:,}" if most else "")
    if not pending:
        return table, f"all {len(plan.cells)} cells are done"
    left = f"{len(pending)} of {len(plan.cells)} cells left: about {duration(total)}, at most {queries:,} queries"
    return table, left


def measure(plan: SuitePlan, task: str, encoder: str) -> Speed:
    """Time a forward pass and a training step of the baseline on a real batch; the median of a few."""
    train = plan.suite.train
    torch.set_num_threads(train.threads)
    data = plan.tasks[task]
    folder, attention = plan.encoders[encoder].folder, plan.attention(encoder)
    model, tokenizer = new_classifier(folder, data.labels, 0, attention, train.max_length)
    model.to(plan.device)
    examples = plan.training_examples(task)[: train.batch_size]
    texts = [example.fields for example in examples]
    rows = labelled_rows(tokenizer, examples, train.max_length)
    batch = dict(tokenizer.pad(rows, return_tensors="pt").to(plan.device))

    def step() -> None:
        with autocast(plan.precision, plan.device):
            logits = model(**inputs_of(batch)).logits
        torch.nn.functional.cross_entropy(logits.float(), batch["labels"]).backward()

    classifier = Classifier(model.eval(), tokenizer, train.max_length, plan.precision, train.batch_size)
    return Speed(forward=_timed(lambda: classifier.logits(texts)), step=_timed(step))


def _timed(call: Callable[[], Any]) -> float:
    call()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def _expected(plan: SuitePlan, cell: Cell, speed: Speed) -> tuple[float, int]:
    """Seconds and the most queries that a cell is expected to take."""
    if cell.kind in ("train", "trial"):
        return _expected_training(plan, cell, speed)
    if cell.kind == "quality":
        return QUALITY_SECONDS, 0
    size = plan.suite.train.batch_size
    if cell.kind in ("attack", "harvest"):
        most = _most_queries(plan.attack(cell))
        return EARLY_SHARE * most / size * speed.forward, most
    return _asked(plan, cell) / size * speed.forward, 0


def _asked(plan: SuitePlan, cell: Cell) -> float:
    """Texts that a cell asks its model about; a backward pass counts as two forward ones."""
    if cell.kind == "view" and (views := plan.suite.views):
        return views.examples * (4 + len(views.radii) * (3 * views.steps + 1))
    if cell.kind == "probe":
        return 5 * checks.EXAMPLES + checks.SEEN_EXAMPLES
    if cell.kind == "transfer":
        misled = sum(attack.settings.examples for attack in plan.attacks if attack.kind == "text")
        return 2 * misled * (len(plan.suite.defence) - 1)
    return sum(map(len, plan.clean_datasets(cell.task).values()))


def _expected_training(plan: SuitePlan, cell: Cell, speed: Speed) -> tuple[float, int]:
    values = plan.trial_values(cell) if cell.kind == "trial" else {}
    entry, size = plan.defence(cell.defence).varied(values), plan.suite.train.batch_size
    examples = len(plan.training_examples(cell.task, cell.portion))
    steps = plan.train_settings(cell.task, entry, cell.portion, values).steps_on(examples)
    seconds, tuning = steps * plan.method(entry).passes * speed.step, plan.loaded.tuning
    if cell.kind == "train" or tuning is None:
        return seconds, 0
    most = _most_queries(tuning)
    return seconds + EARLY_SHARE * most / size * speed.forward, most


def _most_queries(attack: PlannedAttack) -> int:
    """What an attack may ask in all."""
    return attack.settings.examples * (attack.budget or attack.recipe.query_budget or WHITE_BOX_PASSES)
