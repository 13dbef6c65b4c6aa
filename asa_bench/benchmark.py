"""One call from a suite to a finished run directory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.assets import asset_digests, asset_path
from asa_bench.attacking.workers import AttackWorkers
from asa_bench.core.environment import git_state, hardware, now, versions
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json, write_json, write_text
from asa_bench.core.fingerprint import fingerprint
from asa_bench.external import renew_external
from asa_bench.models.card import Measured, model_card
from asa_bench.plan import Cell, Plan, default_directory, refuse_changed
from asa_bench.records import schema
from asa_bench.records.directory import RunDirectory
from asa_bench.records.store import FILLED, TABLES, Run, concatenate, load_run, read_table, write_csv, write_table
from asa_bench.reporting.report import write_report
from asa_bench.reporting.validity import invalid_attacks
from asa_bench.running import CellRunner
from asa_bench.stages import Attacker, Progress
from asa_bench.stats.floor import under_floor
from asa_bench.stats.machines import unlike_hardware
from asa_bench.stats.metrics import results
from asa_bench.suite_file import LoadedSuite, load_suite
from asa_bench.suite_plan import SuitePlan, make_plan


class Silent:
    """Progress that nobody watches."""

    def start(self, cell: Cell, number: int, of: int) -> None:
        """Say nothing."""

    def advance(self, done: int, total: int) -> None:
        """Say nothing."""

    def finish(self, cell: Cell, status: str, seconds: float, error: str | None) -> None:
        """Say nothing."""


def run(
    suite: str | Path | Mapping[str, Any] | LoadedSuite,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    fresh: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Run:
    """Train, evaluate and attack everything that a suite names, and write the report.

    Cells that an earlier run on the same directory finished with the same key are kept.

    Args:
        suite: a shipped suite's name, a TOML path, or a mapping of the same shape.
        out: the run directory; ``runs/<suite name>`` by default.
        overrides: ``key=value`` pairs that change the suite.
        fresh: do cells again whose key has changed, instead of refusing.
        workers: processes that attack at once, for models on a GPU; results do not depend on it.
        progress: who is told how the work goes.

    Returns:
        The run as :func:`asa_bench.load_run` gives it. Failed cells and a clean accuracy under the floor are in
        ``run.info["cells"]`` and ``run.info["warnings"]``.

    Raises:
        InputError: for anything wrong with the suite, its data, or the directory. Nothing is overwritten then.
    """
    loaded = suite if isinstance(suite, LoadedSuite) else load_suite(suite, overrides)
    directory = RunDirectory(Path(out) if out is not None else default_directory(loaded.suite.name))
    directory.check(loaded.suite.name)
    return carry_out(make_plan(loaded), directory, fresh=fresh, workers=workers, progress=progress)


def carry_out(
    plan: Plan,
    directory: RunDirectory,
    *,
    fresh: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
    attacker: Attacker | None = None,
) -> Run:
    """Run every cell of ``plan`` that is not done, then put tables and report together.

    Args:
        plan: what is to be done.
        directory: where.
        fresh: do cells again whose key has changed, instead of refusing.
        workers: watched processes that attack at once.
        progress: who is told how the work goes.
        attacker: who attacks, instead of watched processes.

    Raises:
        InputError: for a directory that is not this plan's, and for cells that were done with other settings.
    """
    if workers < 1:
        raise InputError(f"workers: expected >= 1, got {workers}")
    directory.check(plan.name)
    for name in plan.assets():
        asset_path(name)
    directory.claim(plan.name)
    with directory.locked(), ExitStack() as stack:
        if attacker is None:
            attacker = stack.enter_context(AttackWorkers(directory.path / "logs" / "attacks.log", workers))
        if not fresh:
            refuse_changed(plan, directory)
        runner = CellRunner(plan, directory, progress or Silent(), attacker)
        info = _info(plan, directory, work=bool(runner.todo()))
        write_json(directory.path / "run.json", info)
        runner.run_all()
        return finish(plan, directory, info)


def finish(plan: Plan, directory: RunDirectory, info: dict[str, Any]) -> Run:
    """Put the run's tables together from its cells, judge them, and write the report."""
    tables = {name: _gather(plan, directory, name) for name in CELL_TABLES}
    for name, frame in tables.items():
        write_table(directory.path / f"{name}.parquet", frame, CELL_TABLES[name])
    invalid = invalid_attacks(tables["examples"], info["suite"])
    worst_case = [attack.name for attack in plan.attacks if attack.kind == "text"]
    external = renew_external(directory)
    metrics = results(tables["examples"], tables["predictions"], tables["calibration"], worst_case, invalid, external)
    write_table(directory.path / "results.parquet", metrics, schema.RESULTS)
    write_table(directory.path / "curves.parquet", _curves(plan, directory, worst_case), schema.CURVES)
    write_csv(directory.path / "results.csv", metrics)
    cells = [_cell_record(cell, directory) for cell in plan.cells]
    floors = {task: plan.floor(task) for task in plan.tasks}
    failed, low = _failures(cells), under_floor(tables["predictions"], floors)
    warnings = [*failed, *low, *map(_invalidity, invalid), *unlike_hardware(cells)]
    ended = {"end": info["end"] or now(), "warnings": warnings, "invalid": invalid, "cells": cells}
    write_json(directory.path / "run.json", {**info, **ended})
    write_cards(plan, directory, metrics)
    finished = load_run(directory.path)
    write_report(finished)
    return finished


def write_cards(plan: Plan, directory: RunDirectory, metrics: pd.DataFrame) -> None:
    """Put what was measured of each checkpoint into its model card."""
    if not isinstance(plan, SuitePlan):
        return  # a model that the user gave is the user's
    protocols = {attack.name: attack.protocol() for attack in plan.attacks if attack.kind == "text"}
    for cell in plan.cells:
        if cell.kind != "train" or cell.portion is not None:
            continue
        card = plan.checkpoint(cell, directory.path / "models") / "README.md"
        if card.is_file() and directory.status(cell.name, cell.key) == "done":
            known = directory.state(cell.name).get("examples")  # runs of earlier versions do not say
            examples = known or len(plan.training_examples(cell.task))
            method = plan.defence(cell.defence).method
            columns = (cell.task, cell.encoder, cell.defence, method, cell.seed, examples)
            write_text(card, model_card(*columns, measured=list(_measured(cell, metrics, protocols))))


def _measured(cell: Cell, metrics: pd.DataFrame, text: Mapping[str, Mapping[str, Any]]) -> Iterator[Measured]:
    """Clean accuracy, robust accuracy under each valid attack of ``text`` (names and protocols), and the worst case."""
    places = [metrics[name] == cell.columns[name] for name in schema.CELL]
    own = metrics[pd.concat(places, axis=1).fillna(value=False).all(axis=1)]  # the aggregate has no seed
    for metric, attack, value, n in own[["metric", "attack", "value", "n"]].itertuples(index=False):
        if pd.isna(value) or metric not in CARD_METRICS or (metric == "robust_accuracy" and attack not in text):
            continue
        frame = text.get(attack, {})
        kept = {str(key): frame[key] for key in ("query_budget", "fingerprint") if key in frame}
        under = f" under {attack}" if pd.notna(attack) else ""
        yield Measured(f"{CARD_METRICS[metric]}{under}", float(value), int(n), kept)


CARD_METRICS = {
    "clean_accuracy": "clean accuracy",
    "robust_accuracy": "robust accuracy",
    "worst_case_accuracy": "worst case over all attacks",
}
"""What a model card tells, and in which words."""


OTHERS = ("results", "curves", "ratings", "external")
"""Results and curves are counted from the other tables; what people and others brought stays."""

CELL_TABLES = {name: kind for name, kind in TABLES.items() if name not in OTHERS}
"""The tables that are put together from the cells."""


def _gather(plan: Plan, directory: RunDirectory, name: str, portion: int | None = None) -> pd.DataFrame:
    """A table of the comparison, or of one point of the learning curve."""
    shown = [cell for cell in plan.cells if cell.portion == portion and cell.kind in FILLED]
    done = [cell for cell in shown if directory.status(cell.name, cell.key) == "done"]
    kind = CELL_TABLES[name]
    return concatenate([read_table(directory.cell(cell.name) / f"{name}.parquet", kind) for cell in done], kind)


def _curves(plan: Plan, directory: RunDirectory, worst_case: Collection[str]) -> pd.DataFrame:
    """The metrics at each point of the learning curve."""
    points = []
    for portion in sorted({cell.portion for cell in plan.cells if cell.portion is not None}):
        part = {name: _gather(plan, directory, name, portion) for name in ("examples", "predictions", "calibration")}
        metrics = results(part["examples"], part["predictions"], part["calibration"], worst_case)
        points.append(metrics.assign(train_examples=portion))
    return concatenate(points, schema.CURVES)


PROVENANCE = ("versions", "git", "hardware", "command", "end")
"""What stays as it was when a run is repeated and nothing is computed anew."""


def _info(plan: Plan, directory: RunDirectory, *, work: bool) -> dict[str, Any]:
    """The content of ``run.json`` before the cells have run; ``work`` says whether any will."""
    record = directory.path / "run.json"
    before = read_json(record) if record.is_file() else {}
    info = {**_description(plan), **_provenance(), "start": before.get("start", now()), "end": None}
    if not work and before.get("end"):
        info |= {key: before[key] for key in PROVENANCE}
    return {**info, "warnings": [], "cells": [_cell_record(cell, directory) for cell in plan.cells]}


def _description(plan: Plan) -> dict[str, Any]:
    frames = {cell.attack: cell.ingredients["protocol"] for cell in plan.cells if cell.kind == "attack"}
    fingerprints = sorted({frame["fingerprint"] for frame in frames.values()})
    return {
        "format": schema.FORMAT,
        "suite": plan.resolved(),
        "protocol_fingerprint": fingerprints[0] if len(fingerprints) == 1 else fingerprint(fingerprints),
        "protocols": frames,
        "resolved": {"precision": plan.precision, "device": plan.device.type, "threads": plan.threads},
        "assets": asset_digests(plan.assets()),
        "encoders": plan.encoder_digests,
        "tasks": {name: data.digest for name, data in plan.tasks.items()},
        "labels": {name: list(data.labels) for name, data in plan.tasks.items()},
        "exclusions": [
            {"task": name, "dataset": entry.dataset, "reason": entry.reason, "count": entry.count}
            for name, data in plan.tasks.items()
            for entry in data.exclusions
        ],
    }


def _provenance() -> dict[str, Any]:
    own = Path(sys.argv[0]).name == "asa-bench"
    return {
        "versions": versions(),
        "git": git_state(Path.cwd()),
        "hardware": hardware(),
        "command": shlex.join(["asa-bench", *sys.argv[1:]]) if own else None,
    }


RECORDED = ("steps", "passes", "parameters", "examples", "tuned", "values", "validation_loss", "robust_accuracy")
"""What ``run.json`` tells of a cell besides how it ended, where it is known: its cost, and what tuning found."""


def _cell_record(cell: Cell, directory: RunDirectory) -> dict[str, Any]:
    state = directory.state(cell.name)
    status = directory.status(cell.name, cell.key)
    columns = {"kind": cell.kind, **cell.columns, "attack": cell.attack, "portion": cell.portion}
    ended = {key: state.get(key) for key in ("seconds", "error", "versions", "hardware")}
    ended |= {key: state[key] for key in RECORDED if key in state}
    return {**columns, "status": status, **ended}


def _failures(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    failed = [cell for cell in cells if cell["status"] == "failed"]
    return [
        f"{cell['kind']} {cell['defence']} seed {cell['seed']}{' ' + cell['attack'] if cell['attack'] else ''} failed: "
        f"{cell['error']}"
        for cell in failed
    ]


def _invalidity(entry: Mapping[str, str]) -> str:
    where = f"attack {entry['attack']} on {entry['task']} with {entry['encoder']}"
    return f"{where} is invalid: {entry['reason']}; it says nothing about robustness"
