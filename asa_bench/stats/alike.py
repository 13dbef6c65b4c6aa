"""Whether two runs measured the same thing: the same attacks, the same protocols, the same labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from asa_bench.records.store import Run
from asa_bench.stats.metrics import TEST


def text_attacks(run: Run) -> set[str]:
    """Attacks of kind *text* that have rows."""
    kinds = {
        entry.get("name") or entry.get("recipe"): entry.get("kind", "text") for entry in run.suite.get("attack") or []
    }
    return {str(name) for name in run.examples["attack"].dropna().unique() if kinds.get(name, "text") == "text"}


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], sides: tuple[str, str], prefix: str = ""
) -> Iterator[str]:
    """What differs between two protocols, field by field; ``sides`` says where each is found, *in the new run*."""
    for key in sorted({*old, *new} - {"fingerprint"}):
        left, right = old.get(key), new.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from differences(left, right, sides, f"{prefix}{key}.")
        elif left != right:
            yield f"{prefix}{key} {_shown(left)} {sides[0]}, {_shown(right)} {sides[1]}"


def _shown(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) < 40 else f"{text[:12]}…"


def relabelled(reference: Run, new: Run) -> dict[str, str]:
    """A sentence for each task whose common examples do not have the same labels on both sides, by its name."""
    labels = [_labels(run) for run in (reference, new)]
    both = pd.concat(labels, axis=1, join="inner", keys=["old", "new"])
    changed = both[both["old"] != both["new"]].groupby("task").size()
    return {str(task): f"task {task}: {count} examples have another label" for task, count in changed.items()}


def _labels(run: Run) -> pd.Series:
    test = run.predictions[run.predictions["dataset"] == TEST]  # another set may have the same text otherwise labelled
    frames = [frame[["task", "example_id", "label"]] for frame in (run.examples, test)]
    return pd.concat(frames).drop_duplicates(["task", "example_id"]).set_index(["task", "example_id"])["label"]
