"""Makes ``tests/data/gold``: the records of a small finished run, and the tables and Markdown of its report.

``tests/reporting/test_gold.py`` makes the report again from the records and compares it word by word, so that whatever
changes a table is seen. Where the change is meant, ``python -m tests.reporting.gold`` writes the report anew, and its
diff tells what the change does to a reader. ``python -m tests.reporting.gold --run`` makes the records anew, too, which
only a change of their contract asks for: trained weights differ in their last digits from machine to machine.

The run: the encoder of ``tests/data/checkpoint`` on movie-sentiment with its out-of-domain sets, three seeds of three
defences, two attacks with their controls and another temperature, attention views. Texts, times and the machine are
left out.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import asa_bench
from asa_bench.core.files import write_json, write_text
from asa_bench.records.store import TABLES, Run, load_run, write_table
from asa_bench.reporting.report import write_report

DATA = Path(__file__).parents[1] / "data"
FOLDER = DATA / "gold"
REPORT = FOLDER / "report"

SUITE: dict[str, Any] = {
    "name": "gold",
    "seeds": [0, 1, 2],
    "task": {"name": "movie-sentiment"},
    "encoder": {"name": "checkpoint"},
    "train": {"examples": 256, "learning_rate": 3e-4, "max_length": 48, "precision": "fp32", "threads": 1},
    "evaluation": {"validation": 200, "test": 200, "out_of_domain": 100},
    "defence": [{"method": "baseline"}, {"method": "freelb"}, {"method": "asa"}],
    "attack": [
        {"recipe": "deepwordbug", "examples": 24, "query_budget": 40},
        {"recipe": "pwws", "examples": 24, "query_budget": 160},
    ],
    "control_examples": 12,
    "sweep": [0.25],
    "sweep_examples": 12,
    "views": {"examples": 10, "radii": [0.3, 3.0], "sentences": 0},
}

STEP = 0.01
"""Seconds that stand for each pass of a training step."""

WHEN = "2026-01-01T00:00:00+00:00"


def make_records() -> None:
    """Run the suite and keep its records."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(DATA):
        run = asa_bench.run(SUITE, Path(scratch) / "run")
        keep(run)


def keep(run: Run) -> None:
    """Write what a report needs of ``run``, without texts, times and the machine."""
    passes = {cell["defence"]: cell["passes"] for cell in run.info["cells"] if cell["kind"] == "train"}
    examples = run.examples.assign(original_text=None, adversarial_text=None, seconds=None)
    training = run.training.assign(seconds=run.training["defence"].map(passes) * STEP)
    changed = {"examples": examples, "training": training}
    for name, kind in TABLES.items():
        write_table(FOLDER / f"{name}.parquet", changed.get(name, getattr(run, name)), kind)
    neutral = {name: dict.fromkeys(run.info[name], "any") for name in ("versions", "hardware", "git")}
    cells = [{**cell, "seconds": 1.0, "versions": {}, "hardware": {}} for cell in run.info["cells"]]
    write_json(FOLDER / "run.json", {**run.info, **neutral, "cells": cells, "start": WHEN, "end": WHEN})


def report(folder: Path) -> dict[str, str]:
    """The report made from the records in ``folder``: the text of each compared file by its name."""
    write_report(load_run(FOLDER), folder)
    tables = {f"tables/{path.name}": settled(path.read_text("utf-8")) for path in (folder / "tables").glob("*.csv")}
    return {"report.md": (folder / "report.md").read_text("utf-8"), **tables}


def settled(text: str) -> str:
    """``text`` with its numbers cut to nine digits: the others are a matter of machine and libraries."""
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda found: _nine(float(found[0])), text)


def _nine(number: float) -> str:
    return f"{number:.9g}" if abs(number) >= 1e-9 else "0"


def committed() -> dict[str, str]:
    """The report that is committed: the text of each file by its name."""
    found = (path for path in REPORT.rglob("*") if path.is_file())
    return {path.relative_to(REPORT).as_posix(): path.read_text("utf-8") for path in found}


def renew() -> None:
    """Write the report anew; tables that are no longer made are removed."""
    with tempfile.TemporaryDirectory() as scratch:
        made = report(Path(scratch))
    for name in committed().keys() - made.keys():
        (REPORT / name).unlink()
    for name, text in made.items():
        write_text(REPORT / name, text)


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        make_records()
    renew()
