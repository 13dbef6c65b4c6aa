"""The user's own data as a task: files, folders, data sets of the Hub."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.tasks.base import Example, TaskData, TaskSettings
from asa_bench.tasks.columns import examples_from, label_names
from asa_bench.tasks.grouping import split_by_group
from asa_bench.tasks.hub import read_splits
from asa_bench.tasks.rows import SUFFIXES, read_rows

HELD_OUT = {"validation": 0.1, "test": 0.2}
"""Share of the training data that stands in for a part that the user does not give."""


def load_own(settings: TaskSettings, root: Path) -> TaskData:
    """The task that ``settings`` describe.

    Args:
        settings: with ``data``.
        root: folder that relative paths start from.

    Raises:
        InputError: when the data are missing, malformed, or do not fit the settings.
    """
    frames, declared = _frames(settings, root)
    sources = {part: source for part, (source, _) in frames.items()}
    labels = settings.labels or declared or label_names(frames["train"][1], settings.label, sources["train"])
    parts = {
        part: examples_from(frame, settings.text, settings.label, labels, source)
        for part, (source, frame) in frames.items()
    }
    parts = _hold_out(parts, sources["train"])
    _check_classes(parts["train"], labels, settings.label, sources["train"])
    return TaskData(settings.name, settings.text, labels, **parts, out_of_domain={}, exclusions=())


def _frames(settings: TaskSettings, root: Path) -> tuple[dict[str, tuple[str, pd.DataFrame]], tuple[str, ...] | None]:
    """Name of the source and table by part, and the label names that a data set declares."""
    frames, declared = _training_frames(settings, root)
    for part, name in (("validation", settings.validation), ("test", settings.test)):
        if name is not None:
            frames[part] = (str(root / name), read_rows(root / name))
    return frames, declared


def _training_frames(
    settings: TaskSettings, root: Path
) -> tuple[dict[str, tuple[str, pd.DataFrame]], tuple[str, ...] | None]:
    name = settings.data or ""
    path = root / name
    if not path.is_dir() and (path.is_file() or path.suffix.lower() in SUFFIXES):
        for field in ("revision", "subset", "splits"):
            if getattr(settings, field) is not None:
                raise InputError(f"{path}: field '{field}' goes with a folder or a Hub data set, not with a file")
        return {"train": (str(path), read_rows(path))}, None
    splits, declared = read_splits(settings, path)
    return {part: (f"{name}: split '{part}'", frame) for part, frame in splits.items()}, declared


def _hold_out(parts: dict[str, tuple[Example, ...]], source: str) -> dict[str, tuple[Example, ...]]:
    """``parts`` with a validation and a test part, held out of the training part where the user gives none."""
    held = [(part, share) for part, share in HELD_OUT.items() if part not in parts]
    if not held:
        return parts
    rest = ("train", 1 - sum(share for _, share in held))
    split = split_by_group(parts["train"], [*held, rest], "held-out")
    if empty := [part for part, rows in split.items() if not rows]:
        raise InputError(f"{source}: {len(parts['train'])} rows are too few to hold out a {empty[0]} part")
    return {**parts, **split}


def _check_classes(train: tuple[Example, ...], labels: tuple[str, ...], label: str, source: str) -> None:
    found = {example.label for example in train}
    if len(found) < 2:
        names = ", ".join(f"'{labels[position]}'" for position in found)
        raise InputError(f"{source}: field '{label}' has one class only: {names}")
