"""What a task is: examples in splits, and the settings that choose them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import Field, model_validator

from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.validation import NAME, Settings

Name = Annotated[str, Field(min_length=1)]
"""What the user calls a file, a column or a label."""


@dataclass(frozen=True)
class Example:
    """One text to classify."""

    id: str
    """First 16 hex digits of the SHA-256 of the NFC-normalised fields; ``-2`` … for repeats."""
    fields: tuple[str, ...]
    """Its texts, one per text column."""
    label: int
    """Position of its label in the task's ``labels``."""


@dataclass(frozen=True)
class Exclusion:
    """Rows that were left out of a data set, and why."""

    dataset: str
    reason: str
    count: int


@dataclass(frozen=True)
class TaskData:
    """The examples of a task, split once and for all."""

    name: str
    text_columns: tuple[str, ...]
    labels: tuple[str, ...]
    """Names of the labels; an example's ``label`` is a position in here."""
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    out_of_domain: dict[str, tuple[Example, ...]]
    """Further test sets from other sources, by name."""
    exclusions: tuple[Exclusion, ...]

    @cached_property
    def digest(self) -> str:
        """Fingerprint of ids, fields, labels and their names over all splits."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test, **self.out_of_domain}
        rows = {name: [[row.id, row.fields, row.label] for row in split] for name, split in splits.items()}
        return fingerprint({"labels": self.labels, "rows": rows})


class TaskSettings(Settings):
    """The ``[task]`` table of a suite."""

    name: str = Field(pattern=NAME)
    """Name in tables. Without ``data`` it names a shipped task."""
    data: Name | None = None
    """File (.csv, .tsv, .jsonl, .parquet), folder or Hub name of the training data; null for a shipped task."""
    validation: Name | None = None
    """File of the validation data; without it and without such a split, 10 % of the training data are held out."""
    test: Name | None = None
    """File of the test data; without it and without such a split, 20 % of the training data are held out."""
    text: tuple[Name, ...] = Field(default=("text",), min_length=1, max_length=2)
    """Column of the text; two make a pair, in the order in which a model reads them."""
    label: Name = "label"
    """Column of the labels: names, or integers."""
    labels: tuple[Name, ...] | None = Field(default=None, min_length=2)
    """Names of the labels in the order of their ids; without it, those of the training data, sorted."""
    revision: Name | None = None
    """Commit of the Hub data set (40 hex digits); required there, since a name alone does not say which data."""
    subset: Name | None = None
    """Configuration of the Hub data set or folder."""
    splits: dict[str, Name] | None = None
    """Splits of the Hub data set or folder to use as ``train``, ``validation`` and ``test``."""
    clean_accuracy_floor: float | None = Field(default=None, ge=0, le=1)
    """Clean accuracy under which a comparison of models is not meaningful; null: what a constant answer reaches."""

    @model_validator(mode="after")
    def _consistent(self) -> TaskSettings:
        if self.data is None and (stray := self.model_fields_set - {"name", "data", "clean_accuracy_floor"}):
            raise ValueError(f"expected 'data' beside '{min(stray)}', which describes the user's own data")
        for field in ("text", "labels"):
            names = getattr(self, field) or ()
            if len(set(names)) < len(names):
                raise ValueError(f"expected distinct names in '{field}', got {list(names)}")
        known = {"train", "validation", "test"}
        if unknown := set(self.splits or {}) - known:
            raise ValueError(f"expected splits among train, validation, test, got '{min(unknown)}'")
        return self
