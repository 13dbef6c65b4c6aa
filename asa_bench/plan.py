"""From a suite to its cells: what has to be trained, evaluated and attacked, and the key that decides each result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from asa_bench.assets import asset_digests
from asa_bench.attacking.recipe import Recipe, recipes
from asa_bench.attacking.settings import AttackSettings, protocol
from asa_bench.core.errors import InputError
from asa_bench.core.fingerprint import fingerprint
from asa_bench.defences import build_defence
from asa_bench.defences.training import REVISION, TrainSettings
from asa_bench.models.classifier import check_encoder
from asa_bench.models.encoder import Encoder, resolve_encoder
from asa_bench.models.precision import Kernel, Resolved, default_device, resolve_attention, resolve_precision
from asa_bench.probes import evaluation
from asa_bench.probes.similarity import JUDGE
from asa_bench.records.directory import RunDirectory, Status
from asa_bench.suite import DefenceEntry, LoadedSuite, Suite
from asa_bench.tasks import Example, TaskData, TaskSettings, choose, load_task

Kind = Literal["train", "evaluate", "attack"]


@dataclass(frozen=True)
class Cell:
    """One stage of work on one model: it has a key, and is done again only when its key changes."""

    kind: Kind
    task: str
    encoder: str
    defence: str
    seed: int
    attack: str | None
    ingredients: dict[str, Any] = field(repr=False)
    """Everything that decides the result, as plain data."""
    needs: tuple[str, ...] = ()
    """Names of the cells whose results it works on."""

    @cached_property
    def key(self) -> str:
        """Fingerprint of the ingredients."""
        return fingerprint(self.ingredients)

    @property
    def model(self) -> str:
        """Path of the trained model inside ``models/``."""
        return f"{self.task}/{self.encoder}/{self.defence}/{self.seed}"

    @property
    def name(self) -> str:
        """The cell's path inside ``cells/``."""
        return "/".join([self.kind, self.model, *([self.attack] if self.attack else [])])

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that open each of its rows."""
        columns: dict[str, Any] = {"task": self.task, "encoder": self.encoder}
        columns |= {"defence": self.defence, "seed": self.seed}
        return {**columns, "attack": self.attack} if self.attack else columns


@dataclass(frozen=True)
class Plan:
    """A suite with its data and encoders at hand, on this machine."""

    suite: Suite
    source: str
    """The suite's file, which opens messages about it."""
    tasks: dict[str, TaskData]
    encoders: dict[str, Encoder]
    device: torch.device
    precision: Resolved

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells in the order of work: each after those that it needs."""
        return list(_cells(self))

    def attention(self, encoder: str) -> Kernel:
        """The attention kernel for an encoder, in training and under attack."""
        chosen = next(entry.attention for entry in self.suite.encoder if entry.label == encoder)
        return resolve_attention(chosen, self.device)

    def training_examples(self, task: str) -> tuple[Example, ...]:
        """The examples that every defence is trained on."""
        examples, asked = self.tasks[task].train, self.suite.train.examples
        return examples if asked is None else self._choose(task, examples, asked, "train.examples", "train")

    def attacked_examples(self, task: str, attack: AttackSettings) -> tuple[Example, ...]:
        """The test examples that every model is attacked on."""
        return self._choose(task, self.tasks[task].test, attack.examples, f"attack.{attack.name}.examples", "attack")

    def _choose(self, task: str, examples: Sequence[Example], asked: int, key: str, salt: str) -> tuple[Example, ...]:
        try:
            return choose(examples, asked, salt)
        except InputError as error:
            raise InputError(f"{self.source}: {key}: {error} (task '{task}')") from None

    def clean_datasets(self, task: str) -> dict[str, tuple[Example, ...]]:
        """The data sets that every model predicts; out-of-domain sets may be smaller than asked."""
        data, sizes = self.tasks[task], self.suite.evaluation
        chosen = {"validation": data.validation, "test": data.test}
        for name, asked in (("validation", sizes.validation), ("test", sizes.test)):
            if asked is not None:
                chosen[name] = self._choose(task, chosen[name], asked, f"evaluation.{name}", "evaluation")
        for name, examples in data.out_of_domain.items():
            size = min(len(examples), sizes.out_of_domain or len(examples))
            chosen[name] = choose(examples, size, "evaluation")
        return chosen

    def task_settings(self, task: str) -> TaskSettings:
        """The suite's ``[[task]]`` of that name."""
        return next(settings for settings in self.suite.task if settings.name == task)

    def defence(self, name: str) -> DefenceEntry:
        """The suite's ``[[defence]]`` of that name."""
        return next(entry for entry in self.suite.defence if entry.name == name)

    def attack(self, name: str) -> tuple[AttackSettings, Recipe]:
        """The suite's ``[[attack]]`` of that name, and its recipe."""
        settings = next(attack for attack in self.suite.attack if attack.name == name)
        return settings, recipes()[settings.recipe]


def make_plan(loaded: LoadedSuite) -> Plan:
    """Load tasks, find encoders, settle device and precision; nothing is computed yet.

    Raises:
        InputError: for anything wrong with data, encoders, or more examples asked than there are.
    """
    suite, root = loaded.suite, loaded.root
    device = default_device()
    plan = Plan(
        suite=suite,
        source=loaded.source,
        tasks={settings.name: load_task(settings, root) for settings in suite.task},
        encoders={settings.label: resolve_encoder(settings, root) for settings in suite.encoder},
        device=device,
        precision=resolve_precision(suite.train.precision, device),
    )
    for data, encoder in itertools.product(plan.tasks.values(), plan.encoders.values()):
        check_encoder(encoder.folder, len(data.labels), suite.train.max_length)
    for task in plan.tasks:
        if len({example.label for example in plan.training_examples(task)}) < 2:
            raise InputError(f"{loaded.source}: train.examples: too few: one class only (task '{task}')")
    _ = plan.cells  # choosing the examples finds out now whether there are enough
    return plan


def _cells(plan: Plan) -> Iterator[Cell]:
    suite = plan.suite
    frames = {attack.name: protocol(attack, recipes()[attack.recipe]) for attack in suite.attack}
    for task, encoder, seed, entry in itertools.product(plan.tasks, plan.encoders, suite.seeds, suite.defence):
        model = (task, encoder, entry.name, seed)
        train = Cell("train", *model, None, _train_ingredients(plan, task, encoder, entry, seed))
        evaluate = Cell("evaluate", *model, None, _evaluate_ingredients(plan, task, train), (train.name,))
        yield from (train, evaluate)
        for attack in suite.attack:
            calibrated = attack.temperature == "calibrated"
            ingredients = _attack_ingredients(plan, task, attack, frames[attack.name], train)
            needs = (train.name, evaluate.name) if calibrated else (train.name,)
            yield Cell("attack", *model, attack.name, ingredients, needs)


def _train_ingredients(plan: Plan, task: str, encoder: str, entry: DefenceEntry, seed: int) -> dict[str, Any]:
    data = plan.tasks[task]
    settings = build_defence(entry.method, entry.settings, "suite").settings
    return {
        "revision": REVISION,
        "examples": _content(plan.training_examples(task)),
        "labels": data.labels,
        "encoder": plan.encoders[encoder].digest,
        "attention": plan.attention(encoder),
        "method": entry.method,
        "settings": settings.model_dump(mode="json"),
        "train": plan.suite.train.model_dump(mode="json", exclude={"precision", "examples"}),
        **_machine(plan, plan.suite.train),
        "seed": seed,
    }


def _evaluate_ingredients(plan: Plan, task: str, train: Cell) -> dict[str, Any]:
    datasets = {name: _content(examples) for name, examples in plan.clean_datasets(task).items()}
    return {"revision": evaluation.REVISION, "train": train.key, "datasets": datasets}


def _attack_ingredients(
    plan: Plan, task: str, attack: AttackSettings, frame: dict[str, Any], train: Cell
) -> dict[str, Any]:
    ingredients = {
        "train": train.key,
        "protocol": frame,
        "examples": _content(plan.attacked_examples(task, attack)),
        "judge": asset_digests([JUDGE]),
        "seed": train.seed,
    }
    if attack.temperature == "calibrated":
        ingredients["calibration"] = [evaluation.REVISION, _content(plan.clean_datasets(task)["validation"])]
    return ingredients


def _machine(plan: Plan, train: TrainSettings) -> dict[str, Any]:
    return {"precision": plan.precision, "device": plan.device.type, "threads": train.threads}


def _content(examples: Sequence[Example]) -> str:
    return fingerprint([[example.id, list(example.fields), example.label] for example in examples])


def statuses(plan: Plan, directory: RunDirectory) -> dict[str, Status]:
    """Where each cell of the plan stands in a run directory, by the cell's name."""
    return {cell.name: directory.status(cell.name, cell.key) for cell in plan.cells}


def refuse_changed(plan: Plan, directory: RunDirectory) -> None:
    """Refuse to overwrite cells that were done with other settings.

    Raises:
        InputError: listing the changed cells.
    """
    changed = [name for name, status in statuses(plan, directory).items() if status == "changed"]
    if changed:
        listed = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise InputError(
            f"--out {directory.path}: {len(changed)} cells were done with other settings ({listed}); "
            "use another --out, or --fresh to do them again"
        )


def default_directory(suite: Suite) -> Path:
    """Where a suite's run goes unless ``--out`` says otherwise."""
    return Path("runs") / suite.name
