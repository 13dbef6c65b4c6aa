"""Data to attack a ready-made model on: labels are matched to the model's, rows for calibration are set apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.tasks import TASKS, choose
from asa_bench.tasks.base import Example, TaskData, TaskSettings
from asa_bench.tasks.columns import examples_from, label_values
from asa_bench.tasks.hub import read_split
from asa_bench.tasks.rows import SUFFIXES, read_rows

CALIBRATION_ROWS = (200, 1000)
"""Fewest rows that a temperature is fitted on, and the most that are set apart for it."""

Labelling = Mapping[str, str]
"""Label in the data → label of the model, by name or id."""


def load_attacked(
    settings: TaskSettings, split: str | None, model_labels: Sequence[str], labelling: Labelling
) -> tuple[Example, ...]:
    """The rows of ``settings.data``, labelled as the model labels.

    Args:
        settings: the data (a file, a folder, a Hub data set, or a shipped task's name) and its columns.
        split: of a folder or Hub data set, or of a shipped task; None: *test* where there is one.
        model_labels: the model's label names in the order of their ids.
        labelling: what the data's labels are called by the model, where that is not the same.

    Raises:
        InputError: when the data are missing or malformed, or their labels are not the model's.
    """
    name = settings.data or ""
    path = Path(name).expanduser()
    if name in TASKS and not path.exists():
        return _shipped(name, split or "test", model_labels, labelling)
    if path.suffix.lower() in SUFFIXES or path.is_file():
        frame, declared = read_rows(path), None
    else:
        frame, declared = read_split(settings, path, split)
        name = f"{name}: split '{split}'" if split else name
    frame = _named(frame, settings.label, declared, model_labels)
    return labelled(frame, settings.text, settings.label, model_labels, labelling, name)


def labelled(
    frame: pd.DataFrame,
    text: Sequence[str],
    label: str,
    model_labels: Sequence[str],
    labelling: Labelling,
    source: str,
) -> tuple[Example, ...]:
    """The rows of a table, labelled as the model labels.

    Args:
        frame: the table.
        text: its text columns.
        label: its label column.
        model_labels: the model's label names in the order of their ids.
        labelling: what the data's labels are called by the model, where that is not the same.
        source: named in errors.

    Raises:
        InputError: for missing columns and empty fields, or labels that are not the model's.
    """
    frame = _relabelled(frame, label, source, model_labels, labelling)
    return examples_from(frame, text, label, model_labels, source)


def _shipped(name: str, split: str, model_labels: Sequence[str], labelling: Labelling) -> tuple[Example, ...]:
    data = TASKS[name].load()
    parts = {"train": data.train, "validation": data.validation, "test": data.test, **data.out_of_domain}
    if split not in parts:
        raise InputError(f"{name}: no split '{split}' (splits: {', '.join(parts)})")
    frame = pd.DataFrame({"label": [data.labels[example.label] for example in parts[split]]})
    known = {label.casefold() for label in model_labels}
    if not labelling and not known & {label.casefold() for label in data.labels} and len(known) == len(data.labels):
        return parts[split]  # a model that calls them LABEL_0, LABEL_1: the ids are the task's
    texts = pd.DataFrame([example.fields for example in parts[split]], columns=list(data.text_columns))
    return labelled(texts.join(frame), data.text_columns, "label", model_labels, labelling, name)


def _named(
    frame: pd.DataFrame, label: str, declared: Sequence[str] | None, model_labels: Sequence[str]
) -> pd.DataFrame:
    """``frame`` with names in place of a data set's own ids, where the model knows all the names."""
    known = {name.casefold() for name in model_labels}
    if not declared or label not in frame or not {name.casefold() for name in declared} <= known:
        return frame
    return frame.assign(**{label: [declared[value] if isinstance(value, int) else value for value in frame[label]]})


def _relabelled(
    frame: pd.DataFrame, label: str, source: str, model_labels: Sequence[str], labelling: Labelling
) -> pd.DataFrame:
    """``frame`` with the model's names for its labels.

    Raises:
        InputError: when a label is no label of the model; says which were found and which the model knows.
    """
    found = label_values(frame, label, source)
    targets = {value: labelling.get(value, value) for value in dict.fromkeys(found)}
    known = {name.casefold() for name in model_labels} | set(map(str, range(len(model_labels))))
    strangers = [value for value, target in targets.items() if target.casefold() not in known]
    if strangers:
        names = ", ".join(f"{position} = {name}" for position, name in enumerate(model_labels))
        shown = ", ".join(f"'{value}'" for value in sorted(strangers)[:5]) + (", …" if len(strangers) > 5 else "")
        raise InputError(
            f"{source}: field '{label}': found {shown}; the model knows {names}; "
            f"map them with --labels {sorted(strangers)[0]}={model_labels[0]},…"
        )
    return frame.assign(**{label: pd.Series([targets[value] for value in found], index=frame.index, dtype=object)})


def with_calibration(
    name: str, columns: tuple[str, ...], labels: tuple[str, ...], rows: Sequence[Example], attacked: int,
    validation: Sequence[Example] | None,
) -> TaskData:  # fmt: skip
    """The task: ``rows`` to test on, and rows for calibration, which are no test rows.

    Without ``validation``, up to 1,000 rows that are not attacked are set apart if there are at least 200 of them.

    Args:
        name: the task's.
        columns: its text columns.
        labels: the model's.
        rows: all rows.
        attacked: how many of them will be attacked: the first in hash order.
        validation: rows of a file of the user's for calibration.
    """
    test = tuple(rows)
    if validation is None:
        order = choose(rows, len(rows), "attack")
        spare = order[attacked:]
        validation = spare[-CALIBRATION_ROWS[1] :] if len(spare) >= CALIBRATION_ROWS[0] else ()
        apart = {example.id for example in validation}
        test = tuple(row for row in rows if row.id not in apart)
    return TaskData(name, columns, labels, (), tuple(validation), test, out_of_domain={}, exclusions=())
