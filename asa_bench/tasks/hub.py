"""Data sets of the Hub at a pinned commit, and local folders in their layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.core.registry import nearest
from asa_bench.tasks.base import TaskSettings

SPLITS = ("train", "validation", "test")


def read_splits(settings: TaskSettings, folder: Path) -> tuple[dict[str, pd.DataFrame], tuple[str, ...] | None]:
    """The splits of the data set ``settings.data`` by part, and the label names that it declares, if it does.

    Args:
        settings: name, subset, revision, splits and columns.
        folder: where the data set would lie if it is a local one.

    Raises:
        InputError: when there is no such data set, subset or split, or the Hub data set's revision is not pinned.
    """
    data = _load(settings, folder)
    names = settings.splits or {part: part for part in SPLITS if part in data}
    if "train" not in names:
        raise InputError(f"{settings.data}: no split 'train'; name one in 'splits' (splits: {', '.join(data)})")
    for name in names.values():
        if name not in data:
            raise InputError(f"{settings.data}: no split '{name}'{nearest(name, data)} (splits: {', '.join(data)})")
        if not len(data[name]):
            raise InputError(f"{settings.data}: split '{name}': no rows")
    feature = data[names["train"]].features.get(settings.label)
    return {part: _frame(data[name], settings) for part, name in names.items()}, _declared(feature)


def read_split(settings: TaskSettings, folder: Path, split: str | None) -> tuple[pd.DataFrame, tuple[str, ...] | None]:
    """One split of the data set ``settings.data``, and the label names that it declares, if it does.

    Args:
        settings: name, subset, revision and columns.
        folder: where the data set would lie if it is a local one.
        split: its name; None: *test*, else *validation*, else the only one.

    Raises:
        InputError: when there is no such data set or split, or the Hub data set's revision is not pinned.
    """
    data = _load(settings, folder)
    usual = [name for name in ("test", "validation") if name in data] or list(data)[: 1 if len(data) == 1 else 0]
    name = split or (usual[0] if usual else None)
    if name is None or name not in data:
        wanted = f"no split '{name}'{nearest(name, data)}" if name else "name a split with --split"
        raise InputError(f"{settings.data}: {wanted} (splits: {', '.join(data)})")
    return _frame(data[name], settings), _declared(data[name].features.get(settings.label))


def _frame(split: Any, settings: TaskSettings) -> pd.DataFrame:
    """The used columns only: others may hold images or audio that would be decoded for nothing."""
    wanted = list(dict.fromkeys([*settings.text, settings.label]))
    if not set(wanted) <= set(split.column_names):
        return pd.DataFrame(columns=split.column_names)  # whoever takes a column from it says which ones there are
    columns = split.select_columns(wanted).to_dict()
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def _declared(feature: Any) -> tuple[str, ...] | None:
    names = getattr(feature, "names", None)
    return tuple(names) if names else None


def _load(settings: TaskSettings, folder: Path) -> Mapping[str, Any]:
    import datasets

    try:
        if (folder / "dataset_dict.json").is_file():
            return datasets.load_from_disk(str(folder))  # type: ignore[no-any-return]
        if all(
            (folder / file).is_file() for file in ("state.json", "dataset_info.json")
        ):  # one data set, such as ``asa-bench export`` writes
            return {"train": datasets.load_from_disk(str(folder))}
        if folder.is_dir():
            return datasets.load_dataset(str(folder), settings.subset)  # type: ignore[no-any-return]
        _check_pinned(settings)
        return datasets.load_dataset(settings.data, settings.subset, revision=settings.revision)  # type: ignore[no-any-return]
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{settings.data}: cannot load the data set: {reason}") from None


def _check_pinned(settings: TaskSettings) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", settings.data or ""):
        raise InputError(f"{settings.data}: no such file or folder")
    if not re.fullmatch(r"[0-9a-f]{40}", settings.revision or ""):
        raise InputError(
            f"{settings.data}: no such file or folder; for the Hub data set of that name, "
            f"set field 'revision' to a commit (40 hex digits)"
        )
