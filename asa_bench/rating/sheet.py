"""A blinded sheet for raters: pairs of texts in random order, with nothing in it of who made them or how it ended."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.core.files import write_text
from asa_bench.core.seeding import hash_order
from asa_bench.rating.items import controls, originals, texts
from asa_bench.records.store import Run
from asa_bench.reporting.texts import fields, visible
from asa_bench.stats.ratings import COPY

FILLED = ("label_read", "meaning", "grammar")
"""Columns that a rater fills in for each pair."""

COLUMNS = ("item", "original_text", "changed_text", "labels", *FILLED, "rater")

UNCLEAR = "unclear"
"""What a rater writes who can read no label."""

BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets take the file for one in the machine's old code page."""

FORMULA = re.compile(r"((?:^|;)[ \"]*)(?=[=+\-@＝＋－＠])")
"""Where a spreadsheet would begin to calculate. Those of many countries split lines at semicolons, quoted or not."""


def write_sheet(run: Run, out: Path, per_attack: int, each_control: int, seed: int) -> pd.DataFrame:
    """Write a sheet to ``out``, which must not exist.

    Args:
        run: a finished run.
        out: the CSV file.
        per_attack: successes of each attack, task and encoder, evenly over its defences; no example twice of one.
        each_control: controls of either kind for each task and encoder.
        seed: of the choice and the order. A smaller sheet of the same seed is a part of a larger one.

    Returns:
        What stands in it, a row per pair; ``control`` is null for the adversarial texts.

    Raises:
        InputError: when ``out`` exists, nothing succeeded, or the run does not know its labels' names.
    """
    if out.exists():
        raise InputError(f"--out {out}: exists already")
    rows = originals(run)
    found = texts(rows)
    if found.empty:
        raise InputError(f"{run.path}: no successful attack in it")
    known = controls(rows)
    chosen = _in_order(known, seed).groupby(["task", "encoder", "control"]).head(each_control)
    chosen = chosen.assign(changed_text=[_changed(row, known) for _, row in chosen.iterrows()])
    asked = _sample(_in_order(found, seed), per_attack)
    pairs = _in_order(pd.concat([asked.assign(changed_text=asked["adversarial_text"]), chosen]), seed)
    write_text(out, BYTE_ORDER_MARK + _csv(run, pairs))
    return pairs


def label_names(run: Run, task: str) -> list[str]:
    """The names of a task's labels, by their ids.

    Raises:
        InputError: when the run does not know them.
    """
    names: list[str] | None = (run.info.get("labels") or {}).get(task)
    if not names:
        raise InputError(f"{run.path / 'run.json'}: field 'labels': nothing on task '{task}'")
    return names


def safe(text: str) -> str:
    """``text`` on one line, with hidden characters shown, and an apostrophe before what would be a formula."""
    return FORMULA.sub(r"\1'", " ".join(visible(text).split()))


def _in_order(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    return rows.iloc[hash_order(rows["item"].tolist(), seed)]


def _sample(rows: pd.DataFrame, per_attack: int) -> pd.DataFrame:
    """The first of each attack in turns of its defences; of one example under several seeds only the first."""
    place = ["task", "encoder", "attack"]
    once = rows.drop_duplicates([*place, "defence", "example_id"])
    turns = once.assign(turn=once.groupby([*place, "defence"]).cumcount()).sort_values("turn", kind="stable")
    return turns.groupby(place).head(per_attack)


def _changed(row: pd.Series, known: pd.DataFrame) -> str:
    """What stands beside a control's original: itself but for the last full stop, or another example's text."""
    text = fields(str(row["original_text"]))
    if row["control"] == COPY:
        return text[:-1] if text.endswith(".") else f"{text}." if text[-1:].isalnum() else text
    alike = (known["task"] == row["task"]) & (known["encoder"] == row["encoder"])
    others = known[alike & (known["original_text"] != row["original_text"])]
    unlike = others[others["label"] != row["label"]]
    pool = unlike if len(unlike) else others
    return str(pool["original_text"].iloc[int(str(row["item"])[1:], 16) % len(pool)])


def _csv(run: Run, pairs: pd.DataFrame) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    labels = {task: " / ".join([*label_names(run, task), UNCLEAR]) for task in pairs["task"].unique()}
    for item, task, original, changed in _columns(pairs, ("item", "task", "original_text", "changed_text")):
        shown = (item, fields(original), fields(changed), labels[task])
        writer.writerow([*map(safe, shown), *[""] * (len(COLUMNS) - len(shown))])
    return stream.getvalue()


def _columns(frame: pd.DataFrame, names: Sequence[str]) -> zip[tuple[str, ...]]:
    return zip(*(frame[name] for name in names), strict=True)
