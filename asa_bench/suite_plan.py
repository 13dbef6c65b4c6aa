"""The plan of a suite: every defence is trained on every task and encoder once per seed, then attacked."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from typing_extensions import override

from asa_bench.attacking.planned import PlannedAttack, refuse_missing_layers, refuse_unavailable
from asa_bench.core.errors import InputError
from asa_bench.defences import build_defence
from asa_bench.defences.asa import ASA
from asa_bench.defences.base import Defence
from asa_bench.defences.training import REVISION, TrainSettings
from asa_bench.models.classifier import check_encoder
from asa_bench.models.encoder import Encoder, resolve_encoder
from asa_bench.models.kinds import kernel
from asa_bench.models.precision import Kernel, default_device, resolve_precision
from asa_bench.plan import Cell, Plan, content
from asa_bench.probes import attention, checks, evaluation, transfer
from asa_bench.suite import TUNED_TRAINING, DefenceEntry, Suite
from asa_bench.suite_file import LoadedSuite
from asa_bench.tasks import Example, TaskSettings, choose, load_task

NOT_IN_KEY = {"precision", "examples", "save_steps", "equal_compute"}
"""Settings of ``[train]`` that decide nothing by themselves: what follows from them is in a training cell's key."""


@dataclass(frozen=True)
class SuitePlan(Plan):
    """A suite with its data and encoders at hand, on this machine."""

    loaded: LoadedSuite
    encoders: dict[str, Encoder]
    _contents: dict[tuple[str, int | None], str] = field(default_factory=dict, repr=False, compare=False)

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

    def train_settings(
        self, task: str, entry: DefenceEntry, portion: int | None = None, values: Mapping[str, Any] | None = None
    ) -> TrainSettings:
        """The ``[train]`` table for one defence, with those of the tuned ``values`` that belong there.

        At a point of the learning curve, and with further examples from an attack, there are as many steps as on the
        suite's own examples.
        """
        tuned = {key: value for key, value in (values or {}).items() if key in TUNED_TRAINING}
        settings, defence = TrainSettings.model_validate({**self.suite.train.model_dump(), **tuned}), self.method(entry)
        if portion is None and defence.harvest is None and not settings.equal_compute:
            return settings
        steps = settings.steps_on(len(self.training_examples(task)))
        if settings.equal_compute:
            steps = max(1, round(steps * self._most_passes / defence.passes))
        return settings.model_copy(update={"steps": steps})

    @cached_property
    def _most_passes(self) -> int:
        """Passes of a step of the suite's most expensive method, with whatever values are tried."""
        entries = self.suite.defence
        variants = [entry.varied(values) for entry in entries for values in ({}, *entry.trials())]
        return max(self.method(variant).passes for variant in variants)

    def method(self, entry: DefenceEntry) -> Defence[Any]:
        """A new instance of the entry's method."""
        return build_defence(entry.method, entry.settings, "suite")

    @override
    def attacks_on(self, portion: int | None) -> Iterable[PlannedAttack]:
        """The suite's attacks; on the learning curve without controls and sweeps, on as many examples as it says."""
        if portion is None or self.suite.curve is None:
            return self.attacks
        most = self.suite.curve.attack_examples
        return [attack.on_at_most(most) for attack in self.attacks if attack.kind not in ("control", "sweep")]

    @override
    def attack(self, cell: Cell) -> PlannedAttack:
        if cell.kind == "harvest":
            assert cell.attack is not None
            return self.loaded.harvests[cell.attack]
        return super().attack(cell)

    @override
    def suits(self, attack: PlannedAttack, defence: str) -> bool:
        return super().suits(attack, defence) or isinstance(self.method(self.defence(defence)), ASA)

    @override
    def adversary(self, cell: Cell, tuned: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        entry = self.defence(cell.defence).varied(tuned)
        return entry.method, dict(entry.settings)

    @override
    def targets(self, cell: Cell) -> tuple[Example, ...]:
        if cell.kind == "harvest":
            return self._harvested(cell.task, self.attack(cell), cell.portion)
        if cell.kind == "trial":
            return self.tuned_on(cell.task)
        return super().targets(cell)

    def _harvested(self, task: str, attack: PlannedAttack, portion: int | None) -> tuple[Example, ...]:
        """The training examples that are attacked for a defence to learn from."""
        examples = self.training_examples(task, portion)
        return choose(examples, min(attack.settings.examples, len(examples)), "harvest")

    @override
    def seen_examples(self, task: str) -> tuple[Example, ...]:
        examples = self.training_examples(task)
        return choose(examples, min(checks.SEEN_EXAMPLES, len(examples)), "probe")

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
        models = itertools.product(self.tasks, self.encoders, suite.seeds, suite.defence)
        compared = [
            cell for task, encoder, seed, entry in models for cell in self._model_cells(task, encoder, entry, seed)
        ]
        yield from compared
        if suite.keep_models:
            yield from _transfers(compared, {attack.name for attack in self.attacks if attack.kind == "text"})
        curve = suite.curve
        if curve is None:
            return
        entries = [entry for entry in suite.defence if curve.defences is None or entry.name in curve.defences]
        points = itertools.product(curve.examples, self.tasks, self.encoders, curve.seeds or suite.seeds, entries)
        for portion, task, encoder, seed, entry in points:
            yield from self._model_cells(task, encoder, entry, seed, portion)

    def _model_cells(
        self, task: str, encoder: str, entry: DefenceEntry, seed: int, portion: int | None = None
    ) -> Iterator[Cell]:
        yield from self._harvest_cells(task, encoder, entry, seed, portion)
        if portion is None and seed == self.suite.seeds[0]:
            yield from self._trial_cells(task, encoder, entry)
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
        if learnt := self._learnt(task, encoder, entry, seed, portion):
            ingredients, needs = {**ingredients, "source": learnt.key}, (learnt.name,)
        trials = list(self._trial_cells(task, encoder, entry))
        if trials:
            ingredients |= {"criterion": self.suite.tune.criterion, "trials": [trial.key for trial in trials]}
        needs += tuple(trial.name for trial in trials)
        return Cell("train", task, encoder, entry.name, seed, None, ingredients, needs, portion)

    def _learnt(self, task: str, encoder: str, entry: DefenceEntry, seed: int, portion: int | None) -> Cell | None:
        """The cell that a defence learns from: an attack, or another one's training."""
        source = self.method(entry).source
        if source is None:
            return None
        harvests = self._harvest_cells(task, encoder, entry, seed, portion)
        return next(harvests, None) or self._train_cell(task, encoder, self.defence(source), seed, portion)

    def _trial_cells(self, task: str, encoder: str, entry: DefenceEntry) -> Iterator[Cell]:
        """A training for every combination of values to try, with the suite's first seed."""
        seed, attack = self.suite.seeds[0], self.loaded.tuning
        learnt = self._learnt(task, encoder, entry, seed, None)
        for index, values in enumerate(entry.trials()):
            ingredients = self._training(task, encoder, entry.varied(values), seed, None, values)
            ingredients |= {"source": learnt.key} if learnt else {}
            ingredients["validation"] = [evaluation.REVISION, content(self.clean_datasets(task)["validation"])]
            if attack:
                ingredients["attack"] = self._attacking(task, attack, self.tuned_on(task), seed)
            needs = (learnt.name,) if learnt else ()
            yield Cell("trial", task, encoder, entry.name, seed, str(index), ingredients, needs)

    def trial_values(self, cell: Cell) -> dict[str, Any]:
        """What a trial tries."""
        return self.defence(cell.defence).trials()[int(cell.attack or 0)]

    def tuned_on(self, task: str) -> tuple[Example, ...]:
        """The validation examples that are attacked to tune by."""
        return self._choose(task, self.tasks[task].validation, self.suite.tune.examples, "tune.examples", "tune")

    def _harvest_cells(
        self, task: str, encoder: str, entry: DefenceEntry, seed: int, portion: int | None
    ) -> Iterator[Cell]:
        """The attack whose successes a defence learns from, where there is one."""
        attack, source = self.loaded.harvests.get(entry.name), self.method(entry).source
        if attack is None or source is None:
            return
        attacked = self._train_cell(task, encoder, self.defence(source), seed, portion)
        ingredients = {
            "train": attacked.key,
            **self._attacking(task, attack, self._harvested(task, attack, portion), seed),
        }
        needs = (attacked.name, f"evaluate/{attacked.model}")  # which has the temperature
        yield Cell("harvest", task, encoder, source, seed, entry.name, ingredients, needs, portion)

    def _training_content(self, task: str, portion: int | None) -> str:
        """Fingerprint of the training examples, which many cells need."""
        if (task, portion) not in self._contents:
            self._contents[task, portion] = content(self.training_examples(task, portion))
        return self._contents[task, portion]

    def _training(
        self,
        task: str,
        encoder: str,
        entry: DefenceEntry,
        seed: int,
        portion: int | None,
        values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        train = self.train_settings(task, entry, portion, values)
        method = self.method(entry)
        return {
            "revision": REVISION,
            **({"method_revision": method.revision} if method.revision > 1 else {}),
            "examples": self._training_content(task, portion),
            "labels": self.tasks[task].labels,
            "encoder": self.encoders[encoder].digest,
            "attention": self.attention(encoder),
            "method": entry.method,
            "settings": method.settings.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude=NOT_IN_KEY, exclude_none=True),
            "precision": self.precision,
            "device": self.device.type,
            "threads": train.threads,
            "seed": seed,
        }


def _transfers(compared: Sequence[Cell], attacks: Collection[str]) -> Iterator[Cell]:
    """Each model asked about the texts by which ``attacks`` misled the others of its task, encoder and seed."""
    misled: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in compared:
        if cell.kind == "attack" and cell.attack in attacks:
            misled.setdefault((cell.task, cell.encoder, cell.seed), []).append(cell)
    for asked in (cell for cell in compared if cell.kind == "train"):
        place = (asked.task, asked.encoder, asked.seed)
        others = [cell for cell in misled.get(place, []) if cell.defence != asked.defence]
        if others:
            ingredients = {
                "revision": transfer.REVISION,
                "train": asked.key,
                "attacks": [cell.key for cell in others],
            }
            yield Cell(
                "transfer",
                *place[:2],
                asked.defence,
                asked.seed,
                None,
                ingredients,
                needs=(asked.name,),
                uses=tuple(cell.name for cell in others),
            )


def _check_defences(plan: SuitePlan, encoder: Path) -> None:
    for entry in plan.loaded.suite.defence:
        for values in ({}, *entry.trials()):
            try:
                plan.method(entry.varied(values)).check_encoder(encoder)
            except InputError as error:
                raise InputError(f"{plan.loaded.source}: defence '{entry.name}': {error}") from None


def make_plan(loaded: LoadedSuite) -> SuitePlan:
    """Load tasks, find encoders, settle device and precision; nothing is computed yet.

    Raises:
        InputError: for anything wrong with data, encoders, or more examples asked than there are.
    """
    suite, root = loaded.suite, loaded.root
    refuse_unavailable(loaded.all_attacks(), loaded.source)
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
    for encoder in plan.encoders.values():
        refuse_missing_layers(loaded.attacks, encoder.folder, loaded.source)
        _check_defences(plan, encoder.folder)
    for task in plan.tasks:
        if len({example.label for example in plan.training_examples(task)}) < 2:
            raise InputError(f"{loaded.source}: train.examples: too few: one class only (task '{task}')")
    for attack in plan.attacks:
        if not any(plan.suits(attack, entry.name) for entry in suite.defence):
            raise InputError(f"{loaded.source}: attack '{attack.name}': adversary: no defence here is trained by ASA")
    _ = plan.cells  # choosing the examples finds out now whether there are enough
    return plan
