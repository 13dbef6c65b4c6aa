"""What is predicted from what: shipped tasks, and the user's own data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asa_bench.core.errors import InputError
from asa_bench.core.registry import Registry
from asa_bench.core.seeding import hash_order
from asa_bench.tasks import movie_sentiment
from asa_bench.tasks.base import Example, Exclusion, TaskData, TaskSettings
from asa_bench.tasks.columns import examples_from, label_names
from asa_bench.tasks.files import load_own
from asa_bench.tasks.rows import read_rows

__all__ = [
    "TASKS",
    "Example",
    "Exclusion",
    "ShippedTask",
    "TaskData",
    "TaskSettings",
    "choose",
    "examples_from",
    "label_names",
    "load_task",
    "read_rows",
]


@dataclass(frozen=True)
class ShippedTask:
    """A task that comes with asa-bench."""

    description: str
    assets: tuple[str, ...]
    """Assets that it is made from."""
    load: Callable[[], TaskData]


TASKS: Registry[ShippedTask] = Registry(
    "task",
    [
        (
            movie_sentiment.NAME,
            ShippedTask("sentiment of movie review snippets, two classes", ("hutto",), movie_sentiment.load),
        )
    ],
)
"""The tasks that come with asa-bench."""


def load_task(settings: TaskSettings, root: Path) -> TaskData:
    """The examples of a task.

    Args:
        settings: the ``[task]`` table of a suite.
        root: the suite file's folder, from which relative data paths start.

    Raises:
        InputError: when the task or its data do not exist or are malformed.
        MissingAssetError: when a shipped task's asset is neither cached nor reachable.
    """
    return TASKS[settings.name].load() if settings.data is None else load_own(settings, root)


def choose(examples: Sequence[Example], n: int, *salt: object) -> tuple[Example, ...]:
    """The ``n`` first examples in hash order: a smaller choice is a part of a larger one.

    Raises:
        InputError: when there are fewer than ``n``.
    """
    if n > len(examples):
        raise InputError(f"fewer examples than asked: asked for {n}, there are {len(examples)}")
    order = hash_order([example.id for example in examples], *salt)
    return tuple(examples[position] for position in order[:n])
