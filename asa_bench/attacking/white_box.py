"""Attacks that change what a model computes, not its text: they see its gradients, and say what no text attack can.

Each tries ascending strengths (a radius, a share of masked units). What it finds is judged here, on the model's own
answers, so that no method judges itself. Kind *model*: these numbers are no robust accuracy of texts. Needs no
TextAttack.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.rows import Row, empty_row, failed_row
from asa_bench.core.errors import one_line
from asa_bench.core.seeding import derive_seed
from asa_bench.core.validation import Settings, validated
from asa_bench.models.batching import Encoded, batches
from asa_bench.models.classifier import Classifier
from asa_bench.models.gradients import for_gradients
from asa_bench.models.precision import autocast
from asa_bench.tasks import Example


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)) or values[0] <= 0:
        raise ValueError(f"expected rising numbers > 0, got {list(values)}")
    return values


Ascending = Annotated[tuple[float, ...], Field(min_length=1), AfterValidator(_ascending)]
"""Strengths to try."""


@dataclass(frozen=True)
class Rows:
    """Examples of one length, as the model takes them."""

    inputs: dict[str, Tensor]
    """Tensors ``(B, L)`` by the model's argument."""
    labels: Tensor
    """``(B,)``."""
    seeds: Sequence[int]
    """One for each row: its randomness is its own."""

    @property
    def batch(self) -> dict[str, Tensor]:
        """Inputs and labels in one."""
        return {**self.inputs, "labels": self.labels}

    def draws(self, *shape: int) -> Iterator[Tensor]:
        """Numbers between −1 and 1 ``(B, *shape)``, ever new ones, each row's from its own seed."""
        generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        while True:
            drawn = [torch.rand(shape, generator=generator) * 2 - 1 for generator in generators]
            yield torch.stack(drawn).to(self.labels.device)


class WhiteBox(Settings, ABC):
    """An attack inside a model; its fields are the options of a recipe."""

    measure: ClassVar[str]
    """What a strength is, in words."""

    guided: bool = True
    """False: a control, as many random perturbations of full strength."""

    @classmethod
    def build(cls, victim: Any, **options: Any) -> Self:
        """The attack with a recipe's ``options``; ``victim`` is not looked at.

        Raises:
            InputError: naming the wrong option.
        """
        del victim
        return validated(cls, options, "options")

    @property
    @abstractmethod
    def strengths(self) -> tuple[float, ...]:
        """What is tried, ascending; whatever a strength allows, the next ones allow, too."""

    @abstractmethod
    def attempts(self, model: Any, rows: Rows, strength: float) -> Iterator[Tensor]:
        """Logits ``(B, labels)`` of each forward pass, the perturbation of every row within ``strength``."""


class WhiteBoxEngine:
    """The white-box attack of one job, ready to run.

    Args:
        job: what to do.
        classifier: the model, in eval mode.
        on_call: told of every sign of life.
    """

    def __init__(self, job: AttackJob, classifier: Classifier, on_call: Callable[[], None] = lambda: None) -> None:
        self._job = job
        self._classifier = for_gradients(classifier)
        self._on_call = on_call
        self._attack: WhiteBox = job.recipe.made(classifier)
        if job.search == "random":
            self._attack = self._attack.model_copy(update={"guided": False})

    def run(self, on_row: Callable[[Row], None], on_start: Callable[[str], None] = lambda example_id: None) -> None:
        """Attack every example; ``on_start`` gets the id of each that begins, ``on_row`` each row as it comes."""
        examples = self._job.examples
        encoded = self._classifier.encode([example.fields for example in examples])
        for places, texts in batches(encoded, self._classifier.batch_size):
            chosen = [examples[place] for place in places]
            for example in chosen:
                on_start(example.id)
            for row in self._attacked(chosen, texts):
                on_row(row)

    def _attacked(self, examples: Sequence[Example], texts: Sequence[Encoded]) -> list[Row]:
        started = time.perf_counter()
        try:
            found = self._search(examples, texts)
        except Exception as error:
            if len(examples) > 1:  # its neighbours are not to blame
                pairs = zip(examples, texts, strict=True)
                return [row for example, text in pairs for row in self._attacked([example], [text])]
            found = [failed_row(examples[0], "error", one_line(error))]
        seconds = time.perf_counter() - started
        return [{**row, "seconds": seconds} for row in found]

    def _search(self, examples: Sequence[Example], texts: Sequence[Encoded]) -> list[Row]:
        """The weakest strength that turns each example's prediction wrong, where one does."""
        model, rows = self._classifier.model, self._rows(examples, texts)
        passes = _Passes(model, self._on_call)
        with passes, autocast(self._classifier.precision, self._classifier.device):
            with torch.no_grad():
                clean = _predictions(model(**rows.inputs).logits)
            found = [_Found(example, clean[place]) for place, example in enumerate(examples)]
            for strength in self._attack.strengths:
                for logits in self._attack.attempts(model, rows, strength):
                    for one, prediction in zip(found, _predictions(logits), strict=False):  # rows that fill up are last
                        one.judge(prediction, strength, passes.count)
                if all(one.settled for one in found):
                    break
        return [one.row(passes.count) for one in found]

    def _rows(self, examples: Sequence[Example], texts: Sequence[Encoded]) -> Rows:
        """The batch, filled up as the model's own are."""
        inputs = self._classifier.inputs(texts)
        size = len(next(iter(inputs.values())))
        filled = [*examples, *[examples[0]] * (size - len(examples))]
        labels = torch.tensor([example.label for example in filled], device=self._classifier.device)
        seeds = [derive_seed("attack", self._job.seed, self._job.recipe.name, example.id) for example in filled]
        return Rows(inputs, labels, seeds)


class _Found:
    """What is known of one example."""

    def __init__(self, example: Example, prediction: int) -> None:
        self._example = example
        self._clean = prediction
        self._strength: float | None = None
        self._prediction: int | None = None
        self._passes: int | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more can come: it was wrong before, or is now."""
        return self._clean != self._example.label or self._strength is not None

    def judge(self, prediction: int, strength: float, passes: int) -> None:
        """The first wrong prediction counts."""
        if not self.settled and prediction != self._example.label:
            self._strength, self._prediction, self._passes = strength, prediction, passes

    def row(self, passes: int) -> Row:
        """The example's row; ``passes`` is what the batch took in all."""
        skipped = self._clean != self._example.label
        outcome = "skipped" if skipped else "failed" if self._strength is None else "succeeded"
        return {
            **empty_row(self._example),
            "outcome": outcome,
            "original_prediction": self._clean,
            "adversarial_prediction": self._prediction,
            "queries": 1 if skipped else self._passes or passes,
            "strength": self._strength,
        }


class _Passes:
    """Counts the model's forward passes inside the block; each is a sign of life."""

    def __init__(self, model: Any, on_call: Callable[[], None]) -> None:
        self.count = 0
        self._model = model
        self._on_call = on_call

    def __enter__(self) -> Self:
        self._hook = self._model.register_forward_pre_hook(self._pass)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _pass(self, *_: object) -> None:
        self.count += 1
        self._on_call()


def _predictions(logits: Tensor) -> list[int]:
    return [int(label) for label in logits.detach().float().argmax(dim=1)]
