"""The example browser's data: every attacked example of a run, packed small, for the script in the page."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import pandas as pd

from asa_bench.records.store import Run
from asa_bench.reporting.texts import fields, visible

MOST = 20_000
"""Rows that go into the page; the others are in ``examples.parquet`` alone."""

PLAIN = ("seed", "label", "original_prediction", "adversarial_prediction", "queries", "words_changed")
"""Columns that are taken as whole numbers."""

SHARED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "places": lambda rows: rows["task"] + " with " + rows["encoder"],
    "defences": lambda rows: rows["defence"],
    "attacks": lambda rows: rows["attack"],
    "outcomes": lambda rows: rows["outcome"],
    "ids": lambda rows: rows["example_id"],
    "originals": lambda rows: rows["original_text"].map(fields, na_action="ignore"),
    "adversarials": lambda rows: rows["adversarial_text"].map(fields, na_action="ignore"),
    "messages": lambda rows: rows["message"],
}
"""Columns of texts: each text is packed once, a row has its position in the list of that name, or −1 for none."""


class Packed(NamedTuple):
    """The rows as base64 of zlib-compressed JSON, and how many there are, here and in all."""

    packed: str
    shown: int
    total: int


def packed(run: Run) -> Packed:
    """The rows: columns by name, hidden characters made visible.

    Where there are more than ``MOST``, they are those of the first examples by id, which is a hash: a fair sample.
    """
    examples = run.worded
    names = [entry.get("name") for entry in run.suite.get("defence") or []]
    ranks = examples["defence"].map({name: place for place, name in enumerate(names)}).rename("rank")
    ranked = examples.join(ranks).sort_values(["example_id", "attack", "rank", "seed"], kind="stable")
    rows = ranked.head(MOST)
    data: dict[str, Any] = {"total": len(examples), "columns": {}}
    for name, texts in SHARED.items():
        data[name], data["columns"][name] = _shared(texts(rows))
    for name in PLAIN:
        data["columns"][name] = [None if pd.isna(value) else int(value) for value in rows[name]]
    data["columns"]["similarity"] = [None if pd.isna(value) else round(float(value), 4) for value in rows["similarity"]]
    data["labels"] = {
        visible(place): [visible(str(label)) for label in run.info.get("labels", {}).get(task, [])]
        for place, task in dict(zip(SHARED["places"](rows), rows["task"], strict=True)).items()
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    small = base64.b64encode(zlib.compress(text.encode(), 9)).decode("ascii")
    return Packed(small, len(rows), len(examples))


def _shared(texts: pd.Series) -> tuple[list[str], list[int]]:
    """Each distinct text, visible, in the order of its first place, and the position of every row's."""
    places: dict[Hashable, int] = {}
    positions = [-1 if pd.isna(text) else places.setdefault(text, len(places)) for text in texts]
    return [visible(str(text)) for text in places], positions
