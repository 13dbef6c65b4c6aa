"""The plan of attacking one ready-made model: it is evaluated and attacked, nothing is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from asa_bench.attacking.planned import PlannedAttack, refuse_missing_layers
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json
from asa_bench.model_settings import EXAMPLES, SOURCE, ModelRun, requested_attacks, sized
from asa_bench.models.classifier import TextClassifier, classifier_labels
from asa_bench.models.encoder import checkpoint_digest, local_or_hub
from asa_bench.models.kinds import check_padding, kernel
from asa_bench.models.precision import Kernel, default_device, resolve_precision
from asa_bench.models.predictor import Predictor
from asa_bench.models.sentences import JUDGE
from asa_bench.plan import Cell, Plan
from asa_bench.probes.quality import LEXICON
from asa_bench.tasks import TASKS, Example, TaskData, TaskSettings
from asa_bench.tasks.attacked import load_attacked, with_calibration


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
            "attack": [attack.resolved() for attack in self.attacks],
            "threads": self.threads,
        }

    @property
    @override
    def encoder_digests(self) -> dict[str, str]:
        return {self.given.encoder: self.digest}

    @override
    def assets(self) -> list[str]:
        return sorted({JUDGE, LEXICON, *(name for attack in self.attacks for name in attack.assets)})

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
    local = local_or_hub(reference, Path(), f"--model {reference}")
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
    found = requested_attacks(settings)
    if given.predictor is not None:
        _refuse_gradients(found)
    if given.folder is not None:
        refuse_missing_layers(found, given.folder, SOURCE)
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
        attacks=sized(settings, found, asked, calibrated=bool(loaded.validation)),
        device=device,
        precision=resolve_precision(settings.precision, device),
        threads=settings.threads,
        settings=settings,
        given=given,
        digest=_digest(given, loaded.test),
        data={"data": _title(data), "split": settings.split, "validation": _calibration(loaded, data, validation)},
    )


def _refuse_gradients(attacks: Iterable[PlannedAttack]) -> None:
    """A function of the user's has answers alone."""
    for attack in attacks:
        if attack.recipe.access == "gradients":
            raise InputError(f"attack '{attack.name}' needs the model's gradients, which a function does not give")


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
