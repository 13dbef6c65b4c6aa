"""What a step of each defence costs, as ratios to the baseline's, taken in one process in turn."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch
from scipy.stats import quantile_test
from typing_extensions import override

from asa_bench.core.memory import peak_bytes, standing_bytes
from asa_bench.defences import DEFENCES, build_defence
from asa_bench.defences.base import Batch, Defence, Losses, NoSettings
from asa_bench.defences.baseline import Baseline
from asa_bench.defences.training import Descent, TrainSettings, labelled_rows, make_accelerator
from asa_bench.models.classifier import new_classifier
from asa_bench.models.encoder import EncoderSettings, resolve_encoder
from asa_bench.models.kinds import kernel
from asa_bench.models.precision import Precision, Resolved, default_device, resolve_precision
from asa_bench.models.score_bias import ScoreBias
from asa_bench.records.schema import masked_ratio
from asa_bench.tasks import Example, choose
from asa_bench.tasks.movie_sentiment import load

WARM_UP = 2
"""Steps of each defence before anything is measured."""

IDLE = "idle hooks"
"""The baseline with the hooks of score bias installed that leave every layer alone."""


class _IdleHooks(Baseline):
    @override
    def attach(self, model: torch.nn.Module) -> None:
        self._scores = ScoreBias(model, lambda layer, hidden: None)

    @override
    def backward(self, model: Any, batch: Batch) -> Losses:
        with self._scores:
            return super().backward(model, batch)


@dataclass
class Trainee:
    """One defence with a model of its own."""

    name: str
    defence: Defence[Any]
    model: Any
    descent: Descent
    accelerator: Any
    seconds: list[float] = field(default_factory=list)
    peak: int = 0

    def step(self, batch: Batch) -> None:
        """One optimizer step."""
        self.defence.backward(self.model, batch)
        self.descent.step(self.accelerator, 1.0)

    def warm_up(self, batch: Batch) -> None:
        """Steps that are not timed; the last one's peak of memory is kept."""
        for _ in range(WARM_UP):
            self.step(batch)
        self.peak = standing_bytes(self.descent.optimizer) + peak_bytes(partial(self.step, batch))


def bench_training(
    methods: Sequence[str] | None = None,
    *,
    encoder: EncoderSettings | None = None,
    examples: Sequence[Example] | None = None,
    batch_size: int = 32,
    max_length: int = 128,
    steps: int = 20,
    precision: Precision = "auto",
    threads: int = 2,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Time and peak memory of each method's step over the baseline's, on the same batches.

    The methods take turns on every batch, in one process, each batch beginning with another one, after a step that is
    not timed: the first step on tensors of a new shape costs more. The time ratio is the median over batches of the
    ratio within the batch; the memory is that of parameters, optimizer and what a step has allocated at its peak.

    Args:
        methods: names of the registry; all by default. The baseline and the idle hooks are always there.
        encoder: the encoder; MiniLM by default.
        examples: what is trained on, again and again if they are too few; movie snippets by default.
        batch_size: examples per step.
        max_length: longest text in tokens.
        steps: timed steps per method.
        precision: of the forward pass.
        threads: CPU threads.
        advance: told how many of how many timed batches are done.

    Returns:
        Records ``{defence, time_ratio, time_low, time_high, memory_ratio, passes, precision, device}``; *low* and
        *high* bound the median with 95 % confidence, by its order statistics (NaN for fewer than 6 steps).
    """
    torch.set_num_threads(threads)
    names = ["baseline", IDLE, *(name for name in methods or DEFENCES if name != "baseline")]
    settings = TrainSettings(batch_size=batch_size, max_length=max_length, threads=threads)
    resolved = resolve_precision(precision, default_device())
    folder = resolve_encoder(encoder or EncoderSettings(), Path.cwd()).folder
    rows = examples or _shipped((1 + steps) * batch_size)
    labels = [str(label) for label in range(max(example.label for example in rows) + 1)]
    trainees = [_trainee(name, folder, labels, settings, resolved, steps) for name in names]
    batches = itertools.cycle(_batches(folder, rows, settings))
    first = next(batches)
    for trainee in trainees:
        trainee.warm_up(first)
    for turn, batch in enumerate(itertools.islice(batches, steps)):
        advance(turn, steps)
        trainees[0].step(batch)
        for trainee in _from(turn, trainees):
            trainee.seconds.append(_seconds(partial(trainee.step, batch)))
    return [_record(trainee, trainees[0], resolved) for trainee in trainees]


def _shipped(wanted: int) -> tuple[Example, ...]:
    """So many movie snippets, or all."""
    snippets = load().train
    return choose(snippets, min(wanted, len(snippets)), "bench")


def _from(place: int, trainees: Sequence[Trainee]) -> list[Trainee]:
    first = place % len(trainees)
    return [*trainees[first:], *trainees[:first]]


def _record(trainee: Trainee, base: Trainee, precision: str) -> dict[str, Any]:
    ratios = [own / other for own, other in zip(trainee.seconds, base.seconds, strict=True)]
    bounds = quantile_test(ratios, q=median(ratios)).confidence_interval(0.95)
    return {
        "defence": trainee.name,
        "time_ratio": median(ratios),
        "time_low": float(bounds.low),
        "time_high": float(bounds.high),
        "memory_ratio": trainee.peak / base.peak,
        "passes": trainee.defence.passes,
        "precision": precision,
        "device": default_device().type,
    }


def _trainee(
    name: str, folder: Path, labels: Sequence[str], settings: TrainSettings, precision: Resolved, steps: int
) -> Trainee:
    device = default_device()
    model, _ = new_classifier(folder, labels, 0, kernel(folder, "auto", device), settings.max_length)
    model = model.to(device).train()
    defence: Defence[Any] = _IdleHooks(NoSettings()) if name == IDLE else build_defence(name, {}, "bench")
    if defence.source is not None:
        layers = range(ScoreBias(model, lambda layer, hidden: None).layers)
        defence.learn_from(pd.DataFrame({masked_ratio(i): [0.2] * (WARM_UP + 1 + steps) for i in layers}))
    defence.attach(model)
    accelerator = make_accelerator(precision)
    descent = Descent(model, defence, settings, steps)
    return Trainee(name, defence, accelerator.prepare_model(model, evaluation_mode=True), descent, accelerator)


def _batches(folder: Path, examples: Sequence[Example], settings: TrainSettings) -> Iterator[Batch]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    rows = labelled_rows(tokenizer, examples, settings.max_length)
    for start in range(0, len(rows), settings.batch_size):
        chosen = rows[start : start + settings.batch_size]
        yield dict(tokenizer.pad(chosen, return_tensors="pt").to(default_device()))


def _seconds(call: Callable[[], None]) -> float:
    _synchronize()
    started = time.perf_counter()
    call()
    _synchronize()
    return time.perf_counter() - started


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
