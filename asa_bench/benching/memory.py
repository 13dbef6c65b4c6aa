"""Whether an attack's memory grows with the number of its examples: the peaks of two processes, ten times apart."""

from __future__ import annotations

import logging
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from asa_bench.attacking.dispatch import engine_of
from asa_bench.attacking.job import AttackJob
from asa_bench.benching.attack import jobs_of
from asa_bench.benching.model import trained_baseline
from asa_bench.model_plan import given_checkpoint, make_model_plan
from asa_bench.model_settings import ModelRun
from asa_bench.models.classifier import load_classifier
from asa_bench.tasks.movie_sentiment import NAME

TIMES = 10
"""How many times as many examples the second process attacks."""

MIB = 2**20

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system tells a process's peak."""


def bench_memory(
    attacks: Sequence[str],
    *,
    model: str | None = None,
    data: str = NAME,
    examples: int = 195,
    query_budget: int = 30,
    threads: int = 2,
) -> Iterator[dict[str, Any]]:
    """Peak memory of each attack on ``examples`` and on ten times as many; one record each, as it is done.

    Args:
        attacks: recipes.
        model: a folder or Hub name of a sequence classifier; by default the shipped encoder, trained for a short while.
        data: rows to attack.
        examples: how many of them the first process attacks.
        query_budget: most queries per example.
        threads: CPU threads.

    Raises:
        InputError: for anything wrong with model, data or recipes, or fewer rows than ten times ``examples``.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given = given_checkpoint(model or str(trained_baseline(Path(scratch) / "model", threads)))
        asked = ModelRun(
            attack=tuple(attacks), examples=TIMES * examples, query_budget=query_budget, temperature="raw",
            precision="fp32", threads=threads, control_examples=0,
        )  # fmt: skip
        for job in jobs_of(make_model_plan(asked, given, data, None)):
            few, many = (peak_of(job.model_copy(update={"examples": part})) for part in _parts(job, examples))
            yield {
                "attack": job.recipe.name,
                "examples": examples,
                "peak_mib": few / MIB,
                "more_examples": TIMES * examples,
                "more_peak_mib": many / MIB,
                "ratio": many / few,
            }


def _parts(job: AttackJob, examples: int) -> Iterator[Any]:
    """The shortest and the longest text are in both, so that the largest batch is the same."""
    by_length = sorted(job.examples, key=lambda example: sum(map(len, example.fields)))
    step = max(1, (len(by_length) - 1) // max(examples - 1, 1))
    yield tuple(by_length[::-step][:examples])
    yield job.examples


def peak_of(job: AttackJob) -> int:
    """Most bytes that a new process had resident while it carried out ``job``."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_attack, job.model_dump_json()).result()


def _attack(text: str) -> int:
    job = AttackJob.model_validate_json(text)
    logging.disable(logging.WARNING)  # TextAttack does not know our classes, and says so
    torch.set_num_threads(job.threads)
    engine = engine_of(
        job, lambda: load_classifier(job.checkpoint, job.precision, torch.device(job.device), job.attention)
    )
    engine.run(lambda row: None)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
