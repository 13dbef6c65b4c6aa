"""What has to be done for a run: cells (train, evaluate, attack), each with the key that decides its result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from asa_bench.assets import asset_digests
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.planned import PlannedAttack
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.fingerprint import fingerprint
from asa_bench.models.classifier import TextClassifier, load_classifier
from asa_bench.models.precision import Kernel, Resolved
from asa_bench.models.sentences import JUDGE
from asa_bench.probes import checks, evaluation, quality
from asa_bench.records.directory import RunDirectory, Status
from asa_bench.tasks import Example, TaskData, choose

Kind = Literal["train", "view", "evaluate", "attack", "quality", "probe", "transfer", "harvest", "trial"]
"""*harvest*: an attack on training examples, whose successes another model is trained on. *trial*: a training with some
values that are tried, judged on validation examples. *quality*: what an attack did to the texts. *probe*: signs that a
model's numbers flatter it. *transfer*: a model asked about the texts that misled others."""


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
    portion: int | None = None
    """Training examples of a point of the learning curve; None for the comparison itself."""
    uses: tuple[str, ...] = ()
    """Names of cells whose results it takes as far as they are there; it is done again with them."""

    @property
    def secondary(self) -> bool:
        """Whether it is done again without asking when its key changes: it takes seconds, and nothing rests on it."""
        return self.kind in ("quality", "probe", "transfer")

    @cached_property
    def key(self) -> str:
        """Fingerprint of the ingredients."""
        return fingerprint(self.ingredients)

    @property
    def model(self) -> str:
        """Path of the trained model inside ``models/``."""
        point = "" if self.portion is None else f"curve-{self.portion}/"
        return f"{point}{self.task}/{self.encoder}/{self.defence}/{self.seed}"

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
class Plan(ABC):
    """Models to attack, with their data, on this machine. What the models are, a subclass knows."""

    name: str
    """The suite's name: a run directory belongs to it."""
    source: str
    """The suite's file, or the command, which opens messages about it."""
    tasks: dict[str, TaskData]
    attacks: tuple[PlannedAttack, ...]
    device: torch.device
    precision: Resolved
    threads: int

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells in the order of work: each after those that it needs."""
        return list(self._cells())

    @abstractmethod
    def _cells(self) -> Iterator[Cell]: ...

    @abstractmethod
    def resolved(self) -> dict[str, Any]:
        """The suite with every default filled in, as plain data for ``run.json``."""

    @property
    @abstractmethod
    def encoder_digests(self) -> dict[str, str]:
        """Digest of each encoder's files, by its name in the records."""

    @abstractmethod
    def assets(self) -> list[str]:
        """Names of the assets that the run needs."""

    @abstractmethod
    def attention(self, encoder: str) -> Kernel:
        """The attention kernel for an encoder, in training and under attack."""

    @abstractmethod
    def clean_datasets(self, task: str) -> dict[str, tuple[Example, ...]]:
        """The data sets that every model predicts: *test*, *validation* where there is one, out-of-domain sets."""

    def keeps(self, cell: Cell) -> bool:
        """Whether the checkpoint of the cell's model stays after its last use."""
        del cell
        return True

    def floor(self, task: str) -> float | None:
        """Clean accuracy that the user asks for at least; None: more than a constant answer gives."""
        del task
        return None

    def checkpoint(self, cell: Cell, models: Path) -> Path:
        """The folder of the cell's model; ``models`` is the run directory's folder for trained ones."""
        return models / cell.model

    def classifier(self, cell: Cell, models: Path) -> TextClassifier:
        """The cell's model, ready to be asked."""
        return load_classifier(self.checkpoint(cell, models), self.precision, self.device, self.attention(cell.encoder))

    def attacks_on(self, portion: int | None) -> Iterable[PlannedAttack]:
        """The attacks of the comparison, or of a point of the learning curve."""
        del portion
        return self.attacks

    def attack(self, cell: Cell) -> PlannedAttack:
        """A cell's attack."""
        return next(attack for attack in self.attacks_on(cell.portion) if attack.name == cell.attack)

    def probed_examples(self, task: str) -> tuple[Example, ...]:
        """The test examples on which every model is checked."""
        test = self.tasks[task].test
        return choose(test, min(checks.EXAMPLES, len(test)), "probe")

    def seen_examples(self, task: str) -> tuple[Example, ...]:
        """Training examples that every model is asked about; none where they are not known."""
        del task
        return ()

    def adversary(self, cell: Cell, tuned: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Method and settings of what a cell's model was trained against, with the values that were ``tuned``."""
        raise NotImplementedError

    def suits(self, attack: PlannedAttack, defence: str) -> bool:
        """Whether a defence's models get an attack: one that knows an adversary, those that have one."""
        del defence
        return attack.settings.adversary == "off"

    def targets(self, cell: Cell) -> tuple[Example, ...]:
        """The examples that a cell attacks."""
        return self.attacked_examples(cell.task, self.attack(cell).settings)

    def job(self, cell: Cell, attack: PlannedAttack, checkpoint: Path, temperature: float | None) -> AttackJob:
        """What attacks a cell's examples, on the model in the folder ``checkpoint``."""
        return AttackJob(
            recipe=attack.recipe,
            frame=attack.frame,
            search=attack.settings.search,
            checkpoint=checkpoint,
            columns=self.tasks[cell.task].text_columns,
            examples=self.targets(cell),
            query_budget=attack.budget,
            temperature=temperature,
            seed=cell.seed,
            precision=self.precision,
            attention=self.attention(cell.encoder),
            threads=self.threads,
            device=str(self.device),
        )

    def attacked_examples(self, task: str, attack: AttackSettings) -> tuple[Example, ...]:
        """The test examples that every model is attacked on."""
        return self._choose(task, self.tasks[task].test, attack.examples, f"attack.{attack.name}.examples", "attack")

    def _choose(self, task: str, examples: Sequence[Example], asked: int, key: str, salt: str) -> tuple[Example, ...]:
        try:
            return choose(examples, asked, salt)
        except InputError as error:
            raise InputError(f"{self.source}: {key}: {error} (task '{task}')") from None

    def _judged(
        self,
        task: str,
        encoder: str,
        defence: str,
        seed: int,
        origin: Mapping[str, Any],
        needs: tuple[str, ...] = (),
        portion: int | None = None,
    ) -> Iterator[Cell]:
        """The cells that evaluate and attack one model, which ``origin`` identifies and the cells ``needs`` make."""
        model = (task, encoder, defence, seed)
        evaluate = Cell("evaluate", *model, None, self._evaluation(task, origin), needs, portion)
        yield evaluate
        for attack in (one for one in self.attacks_on(portion) if self.suits(one, defence)):
            calibrated = attack.settings.temperature == "calibrated"
            ingredients = {
                **origin,
                **self._attacking(task, attack, self.attacked_examples(task, attack.settings), seed),
            }
            wanted = (*needs, evaluate.name) if calibrated else needs
            made = Cell("attack", *model, attack.name, ingredients, wanted, portion)
            yield made
            if portion is None and attack.kind == "text":
                judged = {"revision": quality.REVISION, "attack": made.key, "lexicon": asset_digests([quality.LEXICON])}
                yield Cell("quality", *model, attack.name, judged, (made.name,), uses=(made.name,))
        if portion is None:
            yield Cell("probe", *model, None, self._probing(task, origin), needs)

    def _probing(self, task: str, origin: Mapping[str, Any]) -> dict[str, Any]:
        asked = content(self.probed_examples(task)), content(self.seen_examples(task))
        return {"revision": checks.REVISION, **origin, "examples": asked}

    def _evaluation(self, task: str, origin: Mapping[str, Any]) -> dict[str, Any]:
        datasets = {name: content(examples) for name, examples in self.clean_datasets(task).items()}
        return {"revision": evaluation.REVISION, **origin, "datasets": datasets}

    def _attacking(self, task: str, attack: PlannedAttack, examples: Sequence[Example], seed: int) -> dict[str, Any]:
        ingredients = {
            "protocol": attack.protocol(),
            "examples": content(examples),
            "judge": asset_digests([JUDGE]),
            "seed": seed,
        }
        if attack.settings.temperature == "calibrated":
            ingredients["calibration"] = [evaluation.REVISION, content(self.clean_datasets(task)["validation"])]
        return ingredients


def content(examples: Sequence[Example]) -> str:
    """Fingerprint of ids, texts and labels, in order."""
    return fingerprint([[example.id, list(example.fields), example.label] for example in examples])


def statuses(plan: Plan, directory: RunDirectory) -> dict[str, Status]:
    """Where each cell of the plan stands in a run directory, by the cell's name."""
    return {cell.name: directory.status(cell.name, cell.key) for cell in plan.cells}


def refuse_changed(plan: Plan, directory: RunDirectory) -> None:
    """Refuse to overwrite cells that were done with other settings.

    Raises:
        InputError: listing the changed cells.
    """
    changed = [
        cell.name for cell in plan.cells if not cell.secondary and directory.status(cell.name, cell.key) == "changed"
    ]
    if changed:
        listed = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise InputError(
            f"--out {directory.path}: {len(changed)} cells were done with other settings ({listed}); "
            "use another --out, or --fresh to do them again"
        )


def default_directory(name: str) -> Path:
    """Where a run of that name goes unless ``--out`` says otherwise."""
    return Path("runs") / name
