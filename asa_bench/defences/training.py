"""The one training loop: the same optimizer, schedule, clipping and order of the data for every defence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from asa_bench.core.errors import AsaBenchError
from asa_bench.core.memory import peak_bytes, standing_bytes
from asa_bench.core.seeding import derive_seed, seed_everything
from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Defence
from asa_bench.defences.unfinished import Unfinished
from asa_bench.models.batched import encode
from asa_bench.models.precision import Precision, Resolved, default_device
from asa_bench.tasks import Example

REVISION = 2
"""Raised whenever a change here or in a defence changes trained weights: it is part of a training cell's key."""

POOL = 8
"""Batches are formed by length within pools of this many batches, so that little is padded."""


MEASURED = 2
"""The step whose memory is measured: by then the optimizer has its state."""


class TrainSettings(Settings):
    """The ``[train]`` table: equal for all defences of a suite."""

    examples: int | None = Field(default=None, ge=2)
    """Training examples, drawn by the hash of their ids; all by default."""
    epochs: int = Field(default=3, ge=1)
    """Passes over the training examples."""
    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps, in the place of epochs."""
    equal_compute: bool = False
    """Give every defence as many forward and backward passes as the most expensive one of the suite has, by more
    optimizer steps for the cheaper ones."""
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
    save_steps: int = Field(default=500, ge=1)
    """Optimizer steps after which the training is put on disk, so that a killed one goes on from there."""

    def steps_on(self, examples: int) -> int:
        """Optimizer steps of a training on so many examples."""
        return self.steps or self.epochs * math.ceil(examples / self.batch_size)


class TrainingFailedError(AsaBenchError):
    """No model comes of this training: its loss is no longer a number, or there is nothing to learn from."""


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
    resume: Path | None = None,
) -> list[dict[str, float]]:
    """Train ``model`` in place and return one record per step.

    Everything random is drawn from ``seed`` alone: equal seeds give equal weights whatever ran before. Under several
    processes (``accelerate launch``) each takes its share of every batch, and gradients are averaged.

    Args:
        model: a sequence classifier with a fresh head.
        tokenizer: its tokenizer.
        examples: texts and label ids.
        defence: owner of the gradient; attached here and detached at the end.
        settings: the ``[train]`` table.
        seed: the training seed.
        precision: the resolved one.
        on_step: told the steps done and in all.
        resume: the file that keeps an unfinished training; one that is there is gone on with, to the same weights.

    Raises:
        TrainingFailedError: when a loss is not finite.
        AsaBenchError: when several processes are to resume.
    """
    accelerator = make_accelerator(precision)
    if resume is not None and accelerator.num_processes > 1:
        raise AsaBenchError("resume: expected one process; the random states of several are not kept")
    torch.set_num_threads(settings.threads)
    batches = list(batch_order(labelled_rows(tokenizer, examples, settings.max_length), settings, seed))
    model = model.to(accelerator.device).train()
    seed_everything(derive_seed("defence", seed))
    defence.attach(model)
    descent = Descent(model, defence, settings, len(batches))
    # Our own averaging of gradients takes the place of accelerate's wrapper, whose hooks know the model's alone.
    model = accelerator.prepare_model(model, evaluation_mode=True)
    seed_everything(derive_seed("training", seed, *([accelerator.process_index] if accelerator.process_index else [])))
    unfinished = Unfinished(resume, model, defence, descent.optimizer, descent.schedule)
    for step in range(unfinished.load(), len(batches)):
        share, weight = _share(tokenizer, batches[step], accelerator)
        descend = partial(_descend, defence, model, share, descent, accelerator, weight)
        record = _measured(descend, descent.optimizer) if step == MEASURED else descend()
        if not all(math.isfinite(value) for value in record.values()):
            raise TrainingFailedError(f"step {step}: the loss is not finite; lower train.learning_rate")
        unfinished.records.append({"step": step, **record})
        if (step + 1) % settings.save_steps == 0 and step + 1 < len(batches):
            unfinished.save()
        on_step(step + 1, len(batches))
    defence.detach()
    accelerator.unwrap_model(model, keep_fp32_wrapper=False).eval()
    vars(model).pop("forward", None)  # what is left of accelerate's wrapper: the class's own method bound again
    return unfinished.records


def _descend(
    defence: Defence[Any], model: Any, share: Batch, descent: Descent, accelerator: Any, weight: float
) -> dict[str, float]:
    """One optimizer step: its losses and its seconds."""
    started = time.perf_counter()
    losses = defence.backward(model, share)
    descent.step(accelerator, weight)
    return {"seconds": time.perf_counter() - started, **losses}


def _measured(descend: Callable[[], dict[str, float]], optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """One optimizer step that also tells the memory of the training at its peak."""
    record: dict[str, float] = {}
    peak = peak_bytes(lambda: record.update(descend()))
    return {**record, "peak_bytes": peak + standing_bytes(optimizer)}


def _share(tokenizer: Any, rows: Sequence[Mapping[str, Any]], accelerator: Any) -> tuple[dict[str, Tensor], float]:
    """This process's rows of a batch, padded alike in all processes, and what its gradient counts in their mean."""
    whole = tokenizer.pad(list(rows), return_tensors="pt")
    own = range(accelerator.process_index, len(rows), accelerator.num_processes)
    chosen = list(own) or [0]  # a batch of fewer rows than processes: a gradient that counts nothing
    share = {name: tensor[chosen].to(accelerator.device) for name, tensor in whole.items()}
    return share, len(own) * accelerator.num_processes / len(rows)


class Descent:
    """AdamW with a linear schedule, stepping on whatever gradient the defence gave.

    The model's parameters and the defence's own are clipped apart, so that the size of an adversary's gradient does
    not shrink the model's.
    """

    def __init__(self, model: nn.Module, defence: Defence[Any], settings: TrainSettings, steps: int) -> None:
        self._owners = [list(model.parameters()), list(defence.parameters())]
        self._max_grad_norm = settings.max_grad_norm
        rates = [settings.learning_rate, defence.learning_rate or settings.learning_rate]
        groups = [
            group
            for owner, rate in zip(self._owners, rates, strict=True)
            for group in _decayed(owner, settings.weight_decay, rate)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _linear(steps, settings.warmup))

    def step(self, accelerator: Any, weight: float) -> None:
        """Average over processes, this one's share counting ``weight``; then clip, step, and clear the gradient."""
        for owner in self._owners:
            if accelerator.num_processes > 1:
                _average([p.grad for p in owner if p.grad is not None], accelerator, weight)
            torch.nn.utils.clip_grad_norm_(owner, self._max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()


def _average(gradients: Sequence[Tensor], accelerator: Any, weight: float) -> None:
    """Replace each process's gradients by their weighted mean over the processes, in one message."""
    if not gradients:
        return
    mean = accelerator.reduce(torch.cat([g.flatten() for g in gradients]) * weight, reduction="mean")
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def make_accelerator(precision: Resolved) -> Any:
    """Accelerate's object for this machine's default device."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # a process may train in both precisions, one after the other
    cpu = default_device().type == "cpu"
    return Accelerator(mixed_precision="bf16" if precision == "bf16" else "no", cpu=cpu)


def labelled_rows(tokenizer: Any, examples: Sequence[Example], max_length: int) -> list[dict[str, Any]]:
    """Token ids, mask of special tokens and label of each example, unpadded; ``tokenizer.pad`` makes a batch."""
    encoded = encode(tokenizer, [example.fields for example in examples], max_length, special_tokens=True)
    return [{**row, "labels": example.label} for row, example in zip(encoded, examples, strict=True)]


def batch_order(rows: list[dict[str, Any]], settings: TrainSettings, seed: int) -> Iterator[list[dict[str, Any]]]:
    """All batches: shuffled anew in each epoch, grouped by length within pools; the same for every defence."""
    return islice(_endless(rows, settings.batch_size, seed), settings.steps_on(len(rows)))


def _endless(rows: list[dict[str, Any]], size: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    for epoch in count():
        generator = torch.Generator().manual_seed(derive_seed("order", seed, epoch))
        order: list[int] = torch.randperm(len(rows), generator=generator).tolist()
        batches = []
        for start in range(0, len(order), size * POOL):
            pool = sorted(order[start : start + size * POOL], key=lambda i: len(rows[i]["input_ids"]))
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield [rows[i] for i in batches[index]]


def _decayed(parameters: Sequence[nn.Parameter], weight_decay: float, rate: float) -> list[dict[str, Any]]:
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [{**group, "lr": rate} for group in groups if group["params"]]


def _linear(steps: int, warmup: float) -> Callable[[int], float]:
    rising = math.ceil(steps * warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return max(0.0, (steps - step) / max(1, steps - rising))

    return factor
