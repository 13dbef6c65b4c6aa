"""The one training loop: the same optimizer, schedule, clipping and order of the data for every defence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import nn

from asa_bench.core.errors import AsaBenchError
from asa_bench.core.seeding import derive_seed, seed_everything
from asa_bench.core.validation import Settings
from asa_bench.defences.base import Defence
from asa_bench.models.classifier import encode
from asa_bench.models.precision import Precision, Resolved, default_device
from asa_bench.tasks import Example

REVISION = 1
"""Raised whenever a change here or in a defence changes trained weights: it is part of a training cell's key."""

POOL = 8
"""Batches are formed by length within pools of this many batches, so that little is padded."""


class TrainSettings(Settings):
    """The ``[train]`` table: equal for all defences of a suite."""

    examples: int | None = Field(default=None, ge=2)
    """Training examples, drawn by the hash of their ids; all by default."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the training examples."""
    batch_size: int = Field(default=32, ge=1)
    """Examples per optimizer step."""
    learning_rate: float = Field(default=5e-5, gt=0)
    """Peak learning rate of AdamW, for the model and for a defence's own parameters."""
    warmup: float = Field(default=0.06, ge=0, lt=1)
    """Share of the steps over which the rate rises linearly; it then falls linearly to zero."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's, on weight matrices (not on biases and LayerNorm)."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The gradient is clipped (never normalised) to this norm."""
    max_length: int = Field(default=128, ge=4)
    """Tokens per example in training and under attack."""
    precision: Precision = "auto"
    """*auto* is bf16 where the device computes in it."""
    threads: int = Field(default=2, ge=1)
    """CPU threads of torch; fixed, since results depend on it."""


class TrainingFailedError(AsaBenchError):
    """The loss is no longer a number."""


def train(
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    defence: Defence[Any],
    settings: TrainSettings,
    *,
    seed: int,
    precision: Resolved,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, float]]:
    """Train ``model`` in place and return one record per step.

    Everything random is drawn from ``seed`` alone: equal seeds give equal weights whatever ran before.

    Args:
        model: a sequence classifier with a fresh head.
        tokenizer: its tokenizer.
        examples: texts and label ids.
        defence: owner of the gradient; attached here and detached at the end.
        settings: the ``[train]`` table.
        seed: the training seed.
        precision: the resolved one.
        on_step: told the steps done and in all.

    Raises:
        TrainingFailedError: when a loss is not finite.
    """
    accelerator = _accelerator(precision)
    torch.set_num_threads(settings.threads)
    batches = list(batch_order(labelled_rows(tokenizer, examples, settings.max_length), settings, seed))
    model = model.to(accelerator.device).train()
    seed_everything(derive_seed("defence", seed))
    defence.attach(model)
    descent = Descent(model, defence, settings, len(batches))
    model = accelerator.prepare(model)
    seed_everything(derive_seed("training", seed))
    records = []
    for step, rows in enumerate(batches):
        started = time.perf_counter()
        losses = defence.backward(model, dict(tokenizer.pad(rows, return_tensors="pt").to(accelerator.device)))
        descent.step()
        if not all(math.isfinite(value) for value in losses.values()):
            raise TrainingFailedError(f"step {step}: the loss is not finite; lower train.learning_rate")
        records.append({"step": step, "seconds": time.perf_counter() - started, **losses})
        on_step(step + 1, len(batches))
    defence.detach()
    accelerator.unwrap_model(model, keep_fp32_wrapper=False).eval()
    vars(model).pop("forward", None)  # what is left of accelerate's wrapper: the class's own method bound again
    return records


class Descent:
    """AdamW with a linear schedule, stepping on whatever gradient the defence gave.

    The model's parameters and the defence's own are clipped apart, so that the size of an adversary's gradient does
    not shrink the model's.
    """

    def __init__(self, model: nn.Module, defence: Defence[Any], settings: TrainSettings, steps: int) -> None:
        self._owners = [list(model.parameters()), list(defence.parameters())]
        self._max_grad_norm = settings.max_grad_norm
        parameters = [parameter for owner in self._owners for parameter in owner]
        self._optimizer = torch.optim.AdamW(_decayed(parameters, settings.weight_decay), lr=settings.learning_rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, _linear(steps, settings.warmup))

    def step(self) -> None:
        """Clip, step, and clear the gradient."""
        for owner in self._owners:
            torch.nn.utils.clip_grad_norm_(owner, self._max_grad_norm)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()


def _accelerator(precision: Resolved) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # a process may train in both precisions, one after the other
    cpu = default_device().type == "cpu"
    return Accelerator(mixed_precision="bf16" if precision == "bf16" else "no", cpu=cpu)


def labelled_rows(tokenizer: Any, examples: Sequence[Example], max_length: int) -> list[dict[str, Any]]:
    """Token ids and label of each example, unpadded; ``tokenizer.pad`` makes a batch of some of them."""
    encoded = encode(tokenizer, [example.fields for example in examples], max_length)
    return [{**row, "labels": example.label} for row, example in zip(encoded, examples, strict=True)]


def batch_order(rows: list[dict[str, Any]], settings: TrainSettings, seed: int) -> Iterator[list[dict[str, Any]]]:
    """Batches of all epochs: shuffled anew in each, grouped by length within pools; the same for every defence."""
    size = settings.batch_size
    for epoch in range(settings.epochs):
        generator = torch.Generator().manual_seed(derive_seed("order", seed, epoch))
        order: list[int] = torch.randperm(len(rows), generator=generator).tolist()
        batches = []
        for start in range(0, len(order), size * POOL):
            pool = sorted(order[start : start + size * POOL], key=lambda i: len(rows[i]["input_ids"]))
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield [rows[i] for i in batches[index]]


def _decayed(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _linear(steps: int, warmup: float) -> Callable[[int], float]:
    rising = math.ceil(steps * warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return max(0.0, (steps - step) / max(1, steps - rising))

    return factor
