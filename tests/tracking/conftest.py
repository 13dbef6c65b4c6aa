"""Runs made of tables, with outcomes that are given letter by letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from asa_bench.core.files import write_json
from asa_bench.records import schema
from asa_bench.records.store import TABLES, Run, load_run, write_table
from asa_bench.stats.metrics import results

OUTCOMES = {"1": "failed", "0": "succeeded", "s": "skipped", "e": "error", "t": "timeout"}

MakeRun = Callable[..., Run]


def outcomes(robust: int, n: int = 200, skipped: int = 0) -> str:
    """``n`` letters: first the robust ones, then the fooled ones, then the skipped ones."""
    return "1" * robust + "0" * (n - robust - skipped) + "s" * skipped


def example_rows(cell: Mapping[str, Any], attack: str, letters: str, first: int, candidates: int | None) -> Any:
    for i, letter in enumerate(letters, start=first):
        outcome = OUTCOMES[letter]
        fooled = outcome == "succeeded"
        yield {
            **cell, "attack": attack, "example_id": f"id{i:05}", "label": i % 2, "outcome": outcome,
            "original_text": f"the text | number <b>{i}</b>",
            "adversarial_text": f"teh text | number <b>{i}</b> \u202e]]>" if fooled else None,
            "original_prediction": None if letter in "et" else i % 2 if outcome != "skipped" else 1 - i % 2,
            "adversarial_prediction": 1 - i % 2 if fooled else None,
            "queries": 20, "words_changed": 1 if fooled else None, "similarity": 0.9 if fooled else None,
            "candidates": candidates, "protocol": "p",
        }  # fmt: skip


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A function that writes a run directory and loads it.

    ``attacks`` maps names to letters, or to a list of letters, one for each seed; ``clean`` is the number of right ones
    among 400 test examples, or a list.
    """

    def make(
        name: str,
        attacks: Mapping[str, str | Sequence[str]] | None = None,
        clean: int | Sequence[int] = 340,
        *,
        defence: str = "model",
        method: str = "given",
        encoder: str = "bert",
        task: str = "reviews",
        seeds: Sequence[int] = (0,),
        first: int = 0,
        candidates: int | None = 9,
        **info: Any,
    ) -> Run:
        chosen = {"pwws": outcomes(60)} if attacks is None else attacks
        rows: list[Any] = []
        predictions: list[Any] = []
        for position, seed in enumerate(seeds):
            cell = {"task": task, "encoder": encoder, "defence": defence, "seed": seed}
            for attack, letters in chosen.items():
                own = letters if isinstance(letters, str) else letters[position]
                rows += example_rows(cell, attack, own, first, candidates)
            right = clean if isinstance(clean, int) else clean[position]
            predictions += [
                {**cell, "dataset": "test", "example_id": f"id{i:05}", "label": i % 2,
                 "prediction": i % 2 if i < right else 1 - i % 2, "truncated": False}
                for i in range(400)
            ] if right >= 0 else []  # fmt: skip
        frames = {name: schema.table([], kind) for name, kind in TABLES.items()}
        frames["examples"] = schema.table(rows, schema.EXAMPLES)
        frames["predictions"] = schema.table(predictions, schema.PREDICTIONS)
        frames["results"] = results(frames["examples"], frames["predictions"], frames["calibration"])
        path = tmp_path / name
        path.mkdir()
        for table, frame in frames.items():
            write_table(path / f"{table}.parquet", frame, TABLES[table])
        write_json(path / "run.json", _info(chosen, defence, method) | info)
        return load_run(path)

    return make


def frame(**changes: Any) -> dict[str, Any]:
    """An attack's protocol."""
    plain = {"recipe": "pwws", "query_budget": 500, "temperature": "calibrated", "textattack": "0.3.11"}
    merged = {**plain, "assets": {"wordnet": "a" * 64}, **changes}
    return {**merged, "fingerprint": repr(sorted(merged.items()))}


def _info(attacks: Mapping[str, Any], defence: str, method: str) -> dict[str, Any]:
    return {
        "format": 1,
        "suite": {
            "name": "model-on-reviews",
            "defence": [{"name": defence, "method": method}],
            "attack": [{"name": name, "recipe": name, "kind": "text", "query_budget": 500} for name in attacks],
        },
        "protocols": {name: frame() for name in attacks},
        "versions": {"torch": "2.13.0", "transformers": "4.57.6"},
        "start": "2026-01-01T10:00:00+00:00",
        "end": "2026-01-01T10:12:00+00:00",
        "warnings": [],
        "cells": [
            {"kind": "attack", "defence": defence, "seed": 0, "attack": name, "status": "done"} for name in attacks
        ],
    }
