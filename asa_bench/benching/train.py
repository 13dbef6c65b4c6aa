"""What a step of each defence costs, as ratios to the baseline's, taken in one process in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pandas as pd
import torch

from asa_bench.defences import DEFENCES, build_defence
from asa_bench.defences.base import Batch, Defence
from asa_bench.defences.baseline import Baseline, NoSettings
from asa_bench.defences.training import Descent, TrainSettings, _accelerator, labelled_rows
from asa_bench.models.classifier import new_classifier
from asa_bench.models.encoder import EncoderSettings, resolve_encoder
from asa_bench.models.precision import Precision, default_device, resolve_attention, resolve_precision
from asa_bench.models.score_bias import ScoreBias
from asa_bench.tasks import choose
from asa_bench.tasks.movie_sentiment import load

WARM_UP = 2
"""Steps of each defence before anything is timed."""

IDLE = "idle hooks"
"""The baseline with the hooks of score bias installed that leave every layer alone."""


class _IdleHooks(Baseline):
    def attach(self, model: torch.nn.Module) -> None:
        self._scores = ScoreBias(model, lambda layer, hidden: None)

    def backward(self, model: Any, batch: Batch) -> dict[str, float]:
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


def bench_training(
    methods: Sequence[str] | None = None,
    *,
    encoder: EncoderSettings | None = None,
    batch_size: int = 32,
    length: int = 128,
    steps: int = 20,
    precision: Precision = "auto",
    threads: int = 2,
) -> list[dict[str, Any]]:
    """Time and peak memory of each method's step over the baseline's, on the same batches of movie snippets.

    The methods take turns on every batch. The time ratio is the median over batches of the ratio within the batch; the
    memory is that of parameters, optimizer and everything allocated in a step at its peak.

    Args:
        methods: names of the registry; all by default. The baseline and the idle hooks are always there.
        encoder: the encoder; MiniLM by default.
        batch_size: examples per step.
        length: longest text in tokens.
        steps: timed steps per method.
        precision: of the forward pass.
        threads: CPU threads.

    Returns:
        Records ``{defence, passes, time_ratio, memory_ratio, precision, device}``.
    """
    torch.set_num_threads(threads)
    names = [name for name in methods or DEFENCES if name != "baseline"]
    settings = TrainSettings(batch_size=batch_size, max_length=length, threads=threads)
    resolved = resolve_precision(precision, default_device())
    trainees = [_trainee(name, encoder or EncoderSettings(), settings, resolved, steps) for name in ("baseline", IDLE, *names)]
    for number, batch in enumerate(_batches(encoder or EncoderSettings(), settings, WARM_UP + steps)):
        for trainee in trainees:
            spent = _seconds(lambda: trainee.step(batch))  # noqa: B023 - called at once
            if number >= WARM_UP:
                trainee.seconds.append(spent)
        if number == WARM_UP:
            for trainee in trainees:
                trainee.peak = _standing(trainee) + _peak(lambda: trainee.step(batch))  # noqa: B023 - called at once
    return [_record(trainee, trainees[0], resolved) for trainee in trainees]


def _record(trainee: Trainee, base: Trainee, precision: str) -> dict[str, Any]:
    ratios = [own / other for own, other in zip(trainee.seconds, base.seconds, strict=True)]
    return {
        "defence": trainee.name,
        "passes": trainee.defence.passes,
        "time_ratio": median(ratios),
        "memory_ratio": trainee.peak / base.peak,
        "precision": precision,
        "device": default_device().type,
    }


def _trainee(name: str, encoder: EncoderSettings, settings: TrainSettings, precision: Any, steps: int) -> Trainee:
    from pathlib import Path

    device = default_device()
    folder, labels = resolve_encoder(encoder, Path.cwd()).folder, load().labels
    model, _ = new_classifier(folder, labels, 0, resolve_attention(encoder.attention, device), settings.max_length)
    model = model.to(device).train()
    defence: Defence[Any] = _IdleHooks(NoSettings()) if name == IDLE else build_defence(name, {}, "bench")
    if defence.source is not None:
        layers = range(model.config.num_hidden_layers)
        defence.learn_from(pd.DataFrame({f"masked_ratio_{i}": [0.2] * (WARM_UP + steps + 1) for i in layers}))
    defence.attach(model)
    accelerator = _accelerator(precision)
    descent = Descent(model, defence, settings, steps)
    return Trainee(name, defence, accelerator.prepare_model(model, evaluation_mode=True), descent, accelerator)


def _batches(encoder: EncoderSettings, settings: TrainSettings, count: int) -> Iterator[Batch]:
    from pathlib import Path

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve_encoder(encoder, Path.cwd()).folder, trust_remote_code=False)
    examples = choose(load().train, count * settings.batch_size, "bench")
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


def _standing(trainee: Trainee) -> int:
    """Bytes of parameters and optimizer state."""
    optimizer = trainee.descent.optimizer
    held = [p for group in optimizer.param_groups for p in group["params"]]
    held += [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    return sum(tensor.numel() * tensor.element_size() for tensor in held)


def _peak(call: Callable[[], None]) -> int:
    """Most bytes that ``call`` has allocated at one time, on top of what was there."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
