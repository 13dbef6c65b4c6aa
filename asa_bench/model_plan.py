"""The plan of attacking one ready-made model: it is evaluated and attacked, nothing is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from typing_extensions import override

from asa_bench.attacking.recipe import recipes
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json
from asa_bench.core.registry import unknown
from asa_bench.core.validation import NAME, Settings
from asa_bench.models.classifier import TextClassifier, classifier_labels
from asa_bench.models.encoder import checkpoint_digest, from_hub
from asa_bench.models.kinds import check_padding, kernel
from asa_bench.models.precision import Kernel, Precision, default_device, resolve_precision
from asa_bench.models.predictor import Predictor
from asa_bench.plan import Cell, Plan
from asa_bench.probes.similarity import JUDGE
from asa_bench.suite import Seed
from asa_bench.tasks import TASKS, Example, TaskData, TaskSettings
from asa_bench.tasks.attacked import load_attacked, with_calibration
from asa_bench.tasks.base import Name

EXAMPLES = 200
"""Examples that are attacked unless the user says how many, or has fewer."""

SOURCE = "attack"
"""What opens messages about the command's options."""


class ModelRun(Settings):
    """What ``asa-bench attack`` is asked to do; each field is an option of the command."""

    name: str = Field(default="model", pattern=NAME)
    """The model's name in the tables (in the column *defence*)."""
    task_name: str | None = Field(default=None, pattern=NAME)
    """The task's name; by default the stem of the data's name."""
    text: tuple[Name, ...] = Field(default=("text",), min_length=1, max_length=2)
    """Columns of the texts; two make a pair."""
    label: Name = "label"
    """Column of the labels: integers are ids, strings the model's label names (whatever their case)."""
    labelling: dict[str, str] = Field(default_factory=dict)
    """Label in the data → label of the model, by name or id, where they differ."""
    split: str | None = None
    """Split of a folder, a Hub data set or a shipped task; *test* by default, where there is one."""
    attack: tuple[str, ...] = Field(min_length=1)
    """Recipes, see ``asa-bench list attacks``."""
    examples: int | None = Field(default=None, ge=1)
    """Rows to attack, drawn by the hash of their ids; 200, or all where there are fewer."""
    query_budget: int | None = Field(default=None, ge=1)
    """Most model queries per example; each recipe's own by default."""
    temperature: Literal["calibrated", "raw"] = "calibrated"
    """*calibrated* needs validation rows; without them it is *raw*, and the record says so."""
    precision: Precision = "auto"
    """*auto* is bf16 where the device computes in it."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """*auto* is the first GPU where there is one."""
    threads: int = Field(default=2, ge=1)
    """CPU threads of torch; fixed, since results depend on it."""
    seed: Seed = 0
    """Seed of the attacks' randomness."""

    @field_validator("text")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"expected distinct columns, got {','.join(value)}")
        return value

    @field_validator("attack", mode="before")
    @classmethod
    def _several_in_one(cls, value: Any) -> Any:
        """``pwws,deepwordbug`` is two attacks."""
        names = [value] if isinstance(value, str) else value
        return tuple(dict.fromkeys(part.strip() for name in names for part in name.split(",")))


@dataclass(frozen=True)
class Given:
    """A model that the user has: a checkpoint, or a function."""

    title: str
    """What the user calls it: a path, a Hub name, a function's name."""
    labels: tuple[str, ...]
    encoder: str
    """What stands in the column *encoder*: the architecture's name."""
    folder: Path | None = None
    predictor: Predictor | None = None


@dataclass(frozen=True)
class ModelPlan(Plan):
    """One ready-made model with its data."""

    settings: ModelRun
    given: Given
    digest: str
    """Identifies the model by content: its files, or its answers."""
    data: dict[str, str | None] = field(default_factory=dict)
    """Where test and validation rows came from, for the record."""

    @override
    def resolved(self) -> dict[str, Any]:
        defence = {"name": self.settings.name, "method": "given", "model": self.given.title, "digest": self.digest}
        attacks = [
            {**attack.model_dump(mode="json"), "kind": recipe.kind, "query_budget": attack.budget(recipe)}
            for attack, recipe in ((attack, recipes()[attack.recipe]) for attack in self.attacks)
        ]
        columns: dict[str, Any] = {
            "text": list(self.settings.text),
            "label": self.settings.label,
            "labels": list(self.given.labels),
            "labelling": dict(self.settings.labelling),
        }
        return {
            "name": self.name,
            "seeds": [self.settings.seed],
            "task": [{"name": name, **self.data, **columns} for name in self.tasks],
            "encoder": [{"name": self.given.encoder}],
            "defence": [defence],
            "attack": attacks,
            "threads": self.threads,
        }

    @property
    @override
    def encoder_digests(self) -> dict[str, str]:
        return {self.given.encoder: self.digest}

    @override
    def assets(self) -> list[str]:
        return sorted({JUDGE, *(name for attack in self.attacks for name in recipes()[attack.recipe].assets)})

    @override
    def attention(self, encoder: str) -> Kernel:
        return "eager" if self.given.folder is None else kernel(self.given.folder, "auto", self.device)

    @override
    def clean_datasets(self, task: str) -> dict[str, tuple[Example, ...]]:
        data = self.tasks[task]
        return {"test": data.test, **({"validation": data.validation} if data.validation else {})}

    @override
    def checkpoint(self, cell: Cell, models: Path) -> Path:
        return self.given.folder or models

    @override
    def classifier(self, cell: Cell, models: Path) -> TextClassifier:
        return self.given.predictor or super().classifier(cell, models)

    @override
    def _cells(self) -> Iterator[Cell]:
        settings = self.settings
        origin: dict[str, Any] = {
            "model": self.digest,
            "labels": self.given.labels,
            "attention": self.attention(self.given.encoder),
        }
        origin |= {"precision": self.precision, "device": self.device.type, "threads": self.threads}
        for task in self.tasks:
            yield from self._judged(task, self.given.encoder, settings.name, settings.seed, origin)


def given_checkpoint(reference: str) -> Given:
    """The classifier in a local folder, or on the Hub as ``name`` or ``name@revision``.

    Raises:
        InputError: when it cannot be had, or is no safe, complete checkpoint of a sequence classifier.
    """
    local = Path(reference).expanduser()
    if not local.is_dir():
        if local.exists() or reference.startswith((".", "/", "~")):
            raise InputError(f"--model {reference}: no such folder")
        name, _, revision = reference.partition("@")
        local = from_hub(name, revision or None, f"--model {reference}")
    labels = classifier_labels(local)
    check_padding(local)
    kind = str(read_json(local / "config.json").get("model_type") or "encoder")
    return Given(reference, labels, kind, folder=local)


def make_model_plan(
    settings: ModelRun, given: Given, data: str | tuple[Example, ...], validation: str | tuple[Example, ...] | None
) -> ModelPlan:
    """Load the data, match their labels to the model's, settle device, precision and temperature.

    Args:
        settings: what is asked.
        given: the model.
        data: rows to attack: a file, a folder, a Hub or shipped data set, or examples at hand.
        validation: rows for calibration, likewise; None: rows of ``data`` that are not attacked.

    Raises:
        InputError: for anything wrong with data, labels, recipes or sizes.
    """
    for name in settings.attack:
        if name not in recipes():
            raise InputError(f"--attack: {unknown('attack', name, recipes())}")
    rows = _rows(settings, given, data, "--data")
    asked = min(EXAMPLES, len(rows)) if settings.examples is None else settings.examples
    if asked > len(rows):
        raise InputError(f"--examples {asked}: fewer examples than asked: there are {len(rows)}")
    held_out = _held_out(settings, given, data, validation)
    task = settings.task_name or _stem(data)
    loaded = with_calibration(task, settings.text, given.labels, rows, asked, held_out)
    device = default_device() if settings.device == "auto" else torch.device(settings.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {settings.device}: no such device here")
    return ModelPlan(
        name=f"{settings.name}-on-{task}",
        source=SOURCE,
        tasks={task: loaded},
        attacks=_attacks(settings, asked, calibrated=bool(loaded.validation)),
        device=device,
        precision=resolve_precision(settings.precision, device),
        threads=settings.threads,
        settings=settings,
        given=given,
        digest=_digest(given, loaded.test),
        data={"data": _title(data), "split": settings.split, "validation": _calibration(loaded, data, validation)},
    )


def _rows(settings: ModelRun, given: Given, data: str | tuple[Example, ...], option: str) -> tuple[Example, ...]:
    if not isinstance(data, str):
        return data
    name, _, revision = data.partition("@")
    if "@" in data and Path(data).exists():
        name, revision = data, ""
    if not name.strip():
        raise InputError(f"{option}: expected a file, a folder or a data set, got '{data}'")
    columns = {} if _is_shipped(name) else {"text": settings.text, "label": settings.label}
    task = TaskSettings(name="data", data=name, revision=revision or None, **columns)
    return load_attacked(task, settings.split, given.labels, settings.labelling)


def _held_out(
    settings: ModelRun, given: Given, data: str | tuple[Example, ...], validation: str | tuple[Example, ...] | None
) -> tuple[Example, ...] | None:
    """Rows for calibration: what the user names, a shipped task's own validation split, or None."""
    if validation is not None:
        return _rows(settings.model_copy(update={"split": None}), given, validation, "--validation")
    if _is_shipped(data):
        return _rows(settings.model_copy(update={"split": "validation"}), given, data, "--data")
    return None


def _is_shipped(data: str | tuple[Example, ...]) -> bool:
    return isinstance(data, str) and data in TASKS and not Path(data).exists()


def _attacks(settings: ModelRun, examples: int, *, calibrated: bool) -> tuple[AttackSettings, ...]:
    temperature = settings.temperature if calibrated else "raw"
    common: Mapping[str, Any] = {
        "examples": examples,
        "query_budget": settings.query_budget,
        "temperature": temperature,
    }
    return tuple(AttackSettings(name=name, recipe=name, **common) for name in settings.attack)


def _digest(given: Given, test: tuple[Example, ...]) -> str:
    if given.folder is not None:
        return checkpoint_digest(given.folder)
    assert given.predictor is not None
    return given.predictor.identity([example.fields for example in test])


def _calibration(
    loaded: TaskData, data: str | tuple[Example, ...], validation: str | tuple[Example, ...] | None
) -> str:
    if validation is not None:
        return _title(validation)
    if not loaded.validation:
        return "none, so the attacks see raw probabilities"
    return (
        f"{data}: split 'validation'"
        if _is_shipped(data)
        else f"{len(loaded.validation):,} rows of the data, set apart"
    )


def _title(data: str | tuple[Example, ...]) -> str:
    return data if isinstance(data, str) else f"{len(data)} examples given in Python"


def _stem(data: str | tuple[Example, ...]) -> str:
    """The default name of the task, made fit for a folder's name."""
    stem = Path(data.partition("@")[0]).stem if isinstance(data, str) else "examples"
    return re.sub(r"[^A-Za-z0-9._+-]", "-", stem).lstrip("._+-") or "data"
