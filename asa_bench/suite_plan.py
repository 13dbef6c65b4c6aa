"""The plan of a suite: every defence is trained on every task and encoder once per seed, then attacked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from asa_bench.attacking.planned import PlannedAttack, refuse_unavailable
from asa_bench.core.errors import InputError
from asa_bench.defences import build_defence
from asa_bench.defences.training import REVISION, TrainSettings
from asa_bench.models.classifier import check_encoder
from asa_bench.models.encoder import Encoder, resolve_encoder
from asa_bench.models.kinds import kernel
from asa_bench.models.precision import Kernel, default_device, resolve_precision
from asa_bench.plan import Cell, Plan, content
from asa_bench.probes import attention
from asa_bench.suite import DefenceEntry, LoadedSuite, Suite
from asa_bench.tasks import Example, TaskSettings, choose, load_task


@dataclass(frozen=True)
class SuitePlan(Plan):
    """A suite with its data and encoders at hand, on this machine."""

    loaded: LoadedSuite
    encoders: dict[str, Encoder]

    @property
    def suite(self) -> Suite:
        """The suite itself."""
        return self.loaded.suite

    @override
    def resolved(self) -> dict[str, Any]:
        return self.loaded.resolved()

    @property
    @override
    def encoder_digests(self) -> dict[str, str]:
        return {name: encoder.digest for name, encoder in self.encoders.items()}

    @override
    def assets(self) -> list[str]:
        return self.loaded.assets()

    @override
    def keeps(self, cell: Cell) -> bool:
        return self.suite.keep_models and cell.portion is None

    @override
    def floor(self, task: str) -> float | None:
        return self.task_settings(task).clean_accuracy_floor

    @override
    def attention(self, encoder: str) -> Kernel:
        chosen = next(entry.attention for entry in self.suite.encoder if entry.label == encoder)
        return kernel(self.encoders[encoder].folder, chosen, self.device)

    def training_examples(self, task: str, portion: int | None = None) -> tuple[Example, ...]:
        """The examples that every defence is trained on, or those of a point of the learning curve."""
        examples, asked = self.tasks[task].train, portion or self.suite.train.examples
        field = "curve.examples" if portion else "train.examples"
        return examples if asked is None else self._choose(task, examples, asked, field, "train")

    def train_settings(self, task: str, portion: int | None = None) -> TrainSettings:
        """The ``[train]`` table; at a point of the learning curve with as many steps as away from it."""
        settings = self.suite.train
        if portion is None:
            return settings
        return settings.model_copy(update={"steps": settings.steps_on(len(self.training_examples(task)))})

    @override
    def attacks_on(self, portion: int | None) -> Iterable[PlannedAttack]:
        """The suite's attacks; on the learning curve without controls, and on as many examples as it says."""
        if portion is None or self.suite.curve is None:
            return self.attacks
        most = self.suite.curve.attack_examples
        return [attack.on_at_most(most) for attack in self.attacks if attack.kind != "control"]

    def viewed_examples(self, task: str) -> tuple[Example, ...]:
        """The test examples on which the models' attention is looked at."""
        views = self.suite.views
        return self._choose(task, self.tasks[task].test, views.examples, "views.examples", "views") if views else ()

    @override
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

    @override
    def _cells(self) -> Iterator[Cell]:
        suite = self.suite
        for task, encoder, seed, entry in itertools.product(self.tasks, self.encoders, suite.seeds, suite.defence):
            yield from self._model_cells(task, encoder, entry, seed)
        curve = suite.curve
        if curve is None:
            return
        entries = [self.defence(name) for name in curve.defences or [entry.name for entry in suite.defence]]
        points = itertools.product(curve.examples, self.tasks, self.encoders, curve.seeds or suite.seeds, entries)
        for portion, task, encoder, seed, entry in points:
            yield from self._model_cells(task, encoder, entry, seed, portion)

    def _model_cells(
        self, task: str, encoder: str, entry: DefenceEntry, seed: int, portion: int | None = None
    ) -> Iterator[Cell]:
        train = self._train_cell(task, encoder, entry, seed, portion)
        model, origin, needs = (task, encoder, entry.name, seed), {"train": train.key}, (train.name,)
        yield train
        if self.suite.views and portion is None:
            settings = self.suite.views.model_dump(mode="json", exclude={"examples"})
            viewed = {
                "revision": attention.REVISION,
                "settings": settings,
                "examples": content(self.viewed_examples(task)),
            }
            yield Cell("view", *model, None, {**origin, **viewed}, needs)
        yield from self._judged(*model, origin, needs, portion)

    def _train_cell(self, task: str, encoder: str, entry: DefenceEntry, seed: int, portion: int | None) -> Cell:
        ingredients = self._training(task, encoder, entry, seed, portion)
        needs: tuple[str, ...] = ()
        source = build_defence(entry.method, entry.settings, "suite").source
        if source is not None:
            learnt = self._train_cell(task, encoder, self.defence(source), seed, portion)
            ingredients, needs = {**ingredients, "source": learnt.key}, (learnt.name,)
        return Cell("train", task, encoder, entry.name, seed, None, ingredients, needs, portion)

    def _training(self, task: str, encoder: str, entry: DefenceEntry, seed: int, portion: int | None) -> dict[str, Any]:
        train = self.train_settings(task, portion)
        settings = build_defence(entry.method, entry.settings, "suite").settings
        return {
            "revision": REVISION,
            "examples": content(self.training_examples(task, portion)),
            "labels": self.tasks[task].labels,
            "encoder": self.encoders[encoder].digest,
            "attention": self.attention(encoder),
            "method": entry.method,
            "settings": settings.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude={"precision", "examples", "save_steps"}, exclude_none=True),
            "precision": self.precision,
            "device": self.device.type,
            "threads": train.threads,
            "seed": seed,
        }


def make_plan(loaded: LoadedSuite) -> SuitePlan:
    """Load tasks, find encoders, settle device and precision; nothing is computed yet.

    Raises:
        InputError: for anything wrong with data, encoders, or more examples asked than there are.
    """
    suite, root = loaded.suite, loaded.root
    refuse_unavailable(loaded.attacks, loaded.source)
    device = default_device()
    plan = SuitePlan(
        name=suite.name,
        source=loaded.source,
        tasks={settings.name: load_task(settings, root) for settings in suite.task},
        attacks=loaded.attacks,
        device=device,
        precision=resolve_precision(suite.train.precision, device),
        threads=suite.train.threads,
        loaded=loaded,
        encoders={settings.label: resolve_encoder(settings, root) for settings in suite.encoder},
    )
    for data, encoder in itertools.product(plan.tasks.values(), plan.encoders.values()):
        check_encoder(encoder.folder, len(data.labels), suite.train.max_length)
    for task in plan.tasks:
        if len({example.label for example in plan.training_examples(task)}) < 2:
            raise InputError(f"{loaded.source}: train.examples: too few: one class only (task '{task}')")
    _ = plan.cells  # choosing the examples finds out now whether there are enough
    return plan
