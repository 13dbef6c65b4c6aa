"""Small runs made of tables, with texts to rate, and raters who fill in sheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from asa_bench.core.files import read_text, write_json
from asa_bench.records import schema
from asa_bench.records.store import write_table
from asa_bench.stats.metrics import results

Row = dict[str, Any]
MakeRun = Callable[..., Path]
Answer = Callable[[Row], Row]

DEFENCES = ("baseline", "asa-ratio")
ATTACKS = ("pwws", "deepwordbug")


def example(i: int, defence: str = "baseline", attack: str = "pwws", **changes: Any) -> Row:
    """The attacked example ``i``: every third one held, the others were turned."""
    fell = i % 3 != 0
    row = {
        "task": "reviews", "encoder": "tiny", "defence": defence, "seed": 0, "attack": attack, "protocol": "p",
        "example_id": f"id{i:03}", "label": i % 2, "outcome": "succeeded" if fell else "failed",
        "original_text": f"Film number {i} is {'good' if i % 2 else 'bad'}.",
        "adversarial_text": f"{attack[0]}ilm {defence[0]}umber {i} is what it is." if fell else None,
        "original_prediction": i % 2, "adversarial_prediction": 1 - i % 2 if fell else None,
        "queries": 20, "candidates": 9, "moved": True, "words_changed": 1, "similarity": 0.9,
    }  # fmt: skip
    return row | changes


def examples(count: int = 12) -> list[Row]:
    return [example(i, defence, attack) for defence in DEFENCES for attack in ATTACKS for i in range(count)]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A function that writes a finished run of the given attacked examples."""

    def make(rows: Iterable[Row] | None = None, name: str = "run", **info: Any) -> Path:
        frame = schema.table(examples() if rows is None else rows, schema.EXAMPLES)
        predictions, calibration = [schema.table([], kind) for kind in (schema.PREDICTIONS, schema.CALIBRATION)]
        path = tmp_path / name
        path.mkdir()
        write_table(path / "examples.parquet", frame, schema.EXAMPLES)
        write_table(path / "results.parquet", results(frame, predictions, calibration), schema.RESULTS)
        known = {
            "format": schema.FORMAT,
            "suite": {
                "name": "tiny",
                "task": [{"name": "reviews"}],
                "defence": [{"name": name, "method": name} for name in DEFENCES],
                "attack": [{"name": name, "recipe": name, "kind": "text"} for name in ATTACKS],
            },
            "labels": {"reviews": ["neg", "pos"]},
            "start": "2026-01-01T10:00:00+00:00",
            "end": "2026-01-01T10:12:00+00:00",
        }
        write_json(path / "run.json", known | info)
        return path

    return make


def rows_of(sheet: Path) -> list[Row]:
    return list(csv.DictReader(io.StringIO(read_text(sheet))))


def fill(sheet: Path, filled: Path, answer: Answer) -> Path:
    """A copy of ``sheet`` at ``filled``, with what ``answer`` says to each row written into it."""
    rows = [{**row, **answer(row)} for row in rows_of(sheet)]
    with filled.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return filled


def careful(name: str, **changes: object) -> Answer:
    """A rater who reads the gold label and sees whether a pair speaks of the same film."""

    def answer(row: Row) -> Row:
        first, second = (next(word for word in row[text].split() if word.isdigit()) for text in row if "_text" in text)
        label = ("neg", "pos")[int(first) % 2]
        said = {"label_read": label, "meaning": 5 if first == second else 1, "grammar": 4, "rater": name}
        return said | changes

    return answer
