"""A run's attacked examples for other tools: TextAttack's CSV, JSON lines, a data set to train on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.core.files import write_text
from asa_bench.records.store import Run, write_csv

RESULT_TYPES = {"succeeded": "Successful", "failed": "Failed", "skipped": "Skipped"}
"""What TextAttack calls the outcomes; *error* and *timeout* it does not have."""

PLACE = ["task", "encoder", "defence", "seed", "attack", "example_id"]


def export_run(run: Run, form: str, out: Path) -> Path:
    """Write the attacked examples of ``run`` to ``out``, which must not exist.

    Args:
        run: the run.
        form: ``textattack-csv``, ``jsonl`` or ``datasets``.
        out: a file, or for ``datasets`` a folder.

    Raises:
        InputError: when ``out`` exists, the run has no texts, or nothing in it can be exported.
    """
    if out.exists():
        raise InputError(f"--out {out}: exists already")
    if run.examples["original_text"].isna().all():
        raise InputError(f"{run.path}: no texts of attacked examples in it")
    FORMATS[form](run, out)
    return out


def _textattack_csv(run: Run, out: Path) -> None:
    """The columns of TextAttack's CSV log, then ours; scores are the goal function's, changed words are not marked."""
    rows = run.worded
    unchanged = rows["adversarial_text"].fillna(rows["original_text"])
    scores = [[step[1] for step in json.loads(trace)] or [None] for trace in rows["trace"].fillna("[]")]
    ends = (rows["outcome"] == "succeeded").map({True: -1, False: 0})
    table = {
        "original_text": rows["original_text"],
        "perturbed_text": unchanged,
        "original_score": [steps[0] for steps in scores],
        "perturbed_score": [steps[end] for steps, end in zip(scores, ends, strict=True)],
        "original_output": rows["original_prediction"],
        "perturbed_output": rows["adversarial_prediction"].fillna(rows["original_prediction"]),
        "ground_truth_output": rows["label"],
        "num_queries": rows["queries"],
        "result_type": rows["outcome"].map(lambda outcome: RESULT_TYPES.get(outcome, outcome.capitalize())),
    }
    write_csv(out, pd.DataFrame(table).join(rows[PLACE]))


def _jsonl(run: Run, out: Path) -> None:
    """One object per attacked example, with the columns of ``examples.parquet``."""
    plain = run.examples.astype(object).where(run.examples.notna(), None)
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in plain.to_dict("records"))
    write_text(out, "".join(f"{line}\n" for line in lines))


def _datasets(run: Run, out: Path) -> None:
    """The adversarial texts of successful attacks of kind *text* with their gold labels, as *datasets* saves it.

    The labels have their names where the rows are of one task, as far as the run knows them; names that are numbers
    are left out, since they would be taken for ids.
    """
    import datasets

    text = {entry["name"] for entry in run.suite.get("attack") or [] if entry.get("kind", "text") == "text"}
    rows = run.examples[(run.examples["outcome"] == "succeeded") & run.examples["attack"].isin(text)]
    if rows.empty:
        raise InputError(f"{run.path}: no successful attack in it")
    columns = {entry["name"]: list(entry.get("text") or ["text"]) for entry in run.suite.get("task") or []}
    records = [{**_fields(row, columns.get(row["task"], ["text"])), **_origin(row)} for _, row in rows.iterrows()]
    datasets.disable_progress_bars()
    found = datasets.Dataset.from_list(records)
    tasks = rows["task"].unique()
    names = run.info.get("labels", {}).get(tasks[0]) if len(tasks) == 1 else None
    if names and not any(name.lstrip("-").isdigit() for name in names):
        found = found.cast_column("label", datasets.ClassLabel(names=names))
    found.save_to_disk(str(out))


def _fields(row: pd.Series, names: list[str]) -> dict[str, str]:
    texts = [row["adversarial_text"]] if len(names) == 1 else json.loads(row["adversarial_text"])
    return dict(zip(names, texts, strict=True))


def _origin(row: pd.Series) -> dict[str, Any]:
    return {"label": int(row["label"]), **{name: str(row[name]) for name in PLACE}, "original": row["original_text"]}


FORMATS: dict[str, Callable[[Run, Path], None]] = {
    "textattack-csv": _textattack_csv,
    "jsonl": _jsonl,
    "datasets": _datasets,
}
"""Writers by the names of their formats."""
