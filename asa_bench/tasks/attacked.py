"""Data to attack a ready-made model on: labels are matched to the model's, rows for calibration are set apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
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

Ids = Mapping[str, int]
"""Label ids by what a label may be called."""


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
    ids = _ids(frame, label, source, model_labels, labelling)
    frame = frame.assign(**{label: pd.Series(ids, index=frame.index, dtype=object)})
    return examples_from(frame, text, label, [str(i) for i in range(len(model_labels))], source)


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


def _ids(frame: pd.DataFrame, label: str, source: str, model_labels: Sequence[str], labelling: Labelling) -> list[int]:
    """The model's label id of each row: a number is an id, text is a name, or an id where it cannot be a name.

    Raises:
        InputError: when a label is no label of the model, or might be either of two.
    """
    found = label_values(frame, label, source)
    numbers = {name for name, value in zip(found, frame[label], strict=True) if _is_number(value)} - set(labelling)
    by_name, by_id = _by_name(model_labels), {str(i): i for i in range(len(model_labels))}
    texts = list(dict.fromkeys(name for name in found if name not in numbers and name not in labelling))
    reading = _reading(texts, by_name, by_id)
    if reading is None:
        raise InputError(
            f"{source}: field '{label}': '{texts[0]}' may be an id or a name of the model's labels "
            f"({_shown(model_labels)}); say which name each has with --labels {texts[0]}={texts[0]},…"
        )
    known = {
        **{name: _find(name, *reading) for name in texts},
        **{name: _find(name, by_id) for name in numbers},
        **{name: _find(target, by_name, by_id) for name, target in labelling.items()},
    }
    if useless := [name for name in labelling if known[name] is None or name not in found]:
        what = "is no label of the model's" if useless[0] in found else "is not in the data"
        wrong = labelling[useless[0]] if useless[0] in found else useless[0]
        raise InputError(
            f"{source}: --labels {useless[0]}={labelling[useless[0]]}: '{wrong}' {what} (data: "
            f"{', '.join(sorted(set(found))[:5])}; model: {_shown(model_labels)})"
        )
    if strangers := sorted(name for name in set(found) if known[name] is None):
        shown = ", ".join(f"'{value}'" for value in strangers[:5]) + (", …" if len(strangers) > 5 else "")
        raise InputError(
            f"{source}: field '{label}': found {shown}; the model knows {_shown(model_labels)}; "
            f"map them with --labels {strangers[0]}={model_labels[0]},…"
        )
    return [position for name in found if (position := known[name]) is not None]


def _reading(texts: Sequence[str], by_name: Ids, by_id: Ids) -> tuple[Ids, ...] | None:
    """How to read the labels of a file without types, all of them alike; None when they may be names as well as ids.

    It matters only where a model's names are integers, but not its ids.
    """
    if all(_find(text, by_name, by_id) == _find(text, by_id, by_name) for text in texts):
        return (by_name, by_id)
    names, ids = (all(_find(text, known) is not None for text in texts) for known in (by_name, by_id))
    return None if names and ids else (by_id,) if ids else (by_name,)


def _find(label: str, *known: Ids) -> int | None:
    """The label's id in the first of ``known`` that has it, to the letter or whatever its case."""
    return next((ids[wanted] for ids in known for wanted in (label, label.casefold()) if wanted in ids), None)


def _by_name(model_labels: Sequence[str]) -> dict[str, int]:
    exact = {name: position for position, name in enumerate(model_labels)}
    return {**{name.casefold(): position for name, position in exact.items()}, **exact}


def _shown(model_labels: Sequence[str]) -> str:
    return ", ".join(f"{position} = {name}" for position, name in enumerate(model_labels))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


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
