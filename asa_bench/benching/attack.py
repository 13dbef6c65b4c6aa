"""The attack engine's speed: ratios of times taken in one run, on the same examples with the same seeds and budget."""

from __future__ import annotations

import copy
import logging
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import torch

from asa_bench.assets import MANIFEST
from asa_bench.assets.textattack_home import import_textattack, no_nltk_downloads
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.recipe import recipes
from asa_bench.attacking.rows import Row
from asa_bench.attacking.scheduler import Scheduler
from asa_bench.benching.model import trained_baseline
from asa_bench.core.errors import InputError
from asa_bench.core.seeding import kept_random_state
from asa_bench.model_plan import ModelPlan, given_checkpoint, make_model_plan
from asa_bench.model_settings import ModelRun
from asa_bench.models.batching import Batchable, Encoded, answers, batches
from asa_bench.models.classifier import Classifier, load_classifier
from asa_bench.models.kinds import positions
from asa_bench.models.precision import Precision, Resolved, autocast, default_device, has_fast_bf16
from asa_bench.models.sentences import SentenceModel, mean_pooled
from asa_bench.models.tags import Tagger
from asa_bench.tasks.movie_sentiment import NAME

Result = TypeVar("Result")

ATTACKS = ("deepwordbug", "pwws", "textfooler-embedded")
"""What is timed by default, as far as it can run here."""

WARM_UP = 2
"""Examples that are attacked before anything is timed, so that no one pays for loading libraries and lexicons."""

ROUNDS = 5
"""How often attack and forward pass are timed one after the other."""

ALIKE = ("outcome", "adversarial_text", "queries")
"""What of an example's row has to equal stock TextAttack's."""


def bench_attacks(
    attacks: Sequence[str] | None,
    *,
    model: str | None = None,
    data: str = NAME,
    examples: int = 50,
    query_budget: int = 200,
    precision: Precision = "auto",
    threads: int = 2,
    stock_length: int | None = None,
    stock_examples: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Time each attack in each precision; one record each, as it is done.

    Args:
        attacks: recipes; by default those of :data:`ATTACKS` that lack nothing here.
        model: a folder or Hub name of a sequence classifier; by default the shipped encoder, trained for a short while.
        data: rows to attack.
        examples: how many of them.
        query_budget: most queries per example, on both sides.
        precision: *auto* is fp32, and bf16 where the device computes in it.
        threads: CPU threads.
        stock_length: tokens to which stock TextAttack pads each text; by default what the checkpoint's tokenizer says.
        stock_examples: how many of the examples stock TextAttack is asked for, which takes most of the time; the
            comparison is on these, the share of the forward pass on all. By default all.

    Raises:
        InputError: for anything wrong with model, data or recipes.
    """
    chosen_attacks = attacks or [name for name in ATTACKS if not recipes()[name].lacks()]
    with tempfile.TemporaryDirectory() as scratch, kept_random_state():
        given = given_checkpoint(model or str(trained_baseline(Path(scratch) / "model", threads)))
        for chosen in _precisions(precision):
            asked = ModelRun(
                attack=tuple(chosen_attacks), examples=examples, query_budget=query_budget, temperature="raw",
                precision=chosen, threads=threads, control_examples=0,
            )  # fmt: skip
            plan = make_model_plan(asked, given, data, None)
            for job in jobs_of(plan):
                yield {
                    "attack": job.recipe.name,
                    "precision": chosen,
                    "examples": examples,
                    **measured(job, stock_length, stock_examples),
                }


def _precisions(asked: Precision) -> tuple[Resolved, ...]:
    if asked != "auto":
        return (asked,)
    return ("fp32", "bf16") if has_fast_bf16(default_device()) else ("fp32",)


def jobs_of(plan: ModelPlan) -> Iterator[AttackJob]:
    """A job for each attack of the plan, on the model's raw probabilities."""
    (task,) = plan.tasks
    for attack in plan.attacks:
        yield AttackJob(
            recipe=attack.recipe,
            checkpoint=plan.given.folder or Path(),
            columns=plan.tasks[task].text_columns,
            examples=plan.attacked_examples(task, attack.settings),
            query_budget=attack.budget,
            temperature=None,
            seed=plan.settings.seed,
            precision=plan.precision,
            attention=plan.attention(plan.given.encoder),
            threads=plan.threads,
            device=str(plan.device),
        )


def measured(job: AttackJob, stock_length: int | None = None, stock_examples: int | None = None) -> dict[str, float]:
    """Speeds of one attack, and the share of examples that end as in stock TextAttack."""
    library = import_textattack(name for name in job.recipe.assets if MANIFEST[name].layout)
    library.shared.logger.setLevel(logging.ERROR)  # it does not know our classes, and says so
    torch.set_num_threads(job.threads)
    classifier = load_classifier(job.checkpoint, job.precision, torch.device(job.device), job.attention)
    stock_classifier = _padding_to(stock_length, classifier)
    warm_up, compared = (job.model_copy(update={"examples": job.examples[:n]}) for n in (WARM_UP, stock_examples))
    _engine_rows(warm_up, classifier)
    _stock_rows(warm_up, stock_classifier)
    stock, stock_seconds = _timed(partial(_stock_rows, compared, stock_classifier))
    rows, seconds = _timed(partial(_engine_rows, compared, classifier))
    count = len(compared.examples)
    return {
        "stock_examples": count,
        "stock_length": stock_classifier.tokenizer.model_max_length,
        "stock_examples_per_second": count / stock_seconds,
        "examples_per_second": count / seconds,
        "speedup": stock_seconds / seconds,
        "forward_share": _forward_share(job, classifier),
        "identical": sum(_alike(stock[name], row) for name, row in rows.items()) / count,
    }


def _forward_share(job: AttackJob, classifier: Classifier) -> float:
    """Time of the bare forward passes over the attack's: the median of a few, each taken right after the other.

    They are over the distinct items that the attack asks its models for, tokenized beforehand, in full batches.
    """
    shares = []
    for _ in range(ROUNDS):
        recorder = Recorder(job.in_flight)
        _, seconds = _timed(partial(_engine_rows, job, classifier, recorder))
        _, bare = _timed(partial(_forward_all, list(recorder.batches())))
        shares.append(bare / seconds)
    return median(shares)


def _forward_all(full: Sequence[tuple[Batchable, list[Encoded]]]) -> None:
    for model, batch in full:
        model.forward(batch)


def _padding_to(length: int | None, classifier: Classifier) -> Classifier:
    """The classifier with a tokenizer that makes stock pad to ``length``, or to what it says itself."""
    tokenizer, most = copy.deepcopy(classifier.tokenizer), positions(classifier.model.config)
    if length and length > most:
        raise InputError(f"--stock-length: expected <= {most} for this model, got {length}")
    tokenizer.model_max_length = length or min(tokenizer.model_max_length, most)
    return replace(classifier, tokenizer=tokenizer)


class Recorder(Scheduler[Row]):
    """A scheduler that remembers what each model was asked, each item once."""

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._asked: dict[int, tuple[Batchable, dict[Hashable, None]]] = {}
        """By the identity of the model, which is kept with its items."""

    def ask(self, model: Batchable, items: Sequence[Hashable]) -> list[Any]:
        """The model's answer to each of ``items``."""
        self._asked.setdefault(id(model), (model, {}))[1].update(dict.fromkeys(items))
        return super().ask(model, items)

    def batches(self) -> Iterator[tuple[Batchable, list[Encoded]]]:
        """All that transformers were asked, each with its own: in full batches, by the rule that shapes an attack's."""
        for model, items in self._asked.values():
            if not isinstance(model, Tagger):
                for _, batch in batches(model.encode([*items]), model.batch_size):
                    yield model, batch

    def forget(self) -> None:
        """Clear the memories of the models that were asked: the next attack is to find them as a new process does."""
        for model, _ in self._asked.values():
            if known := getattr(model, "known", None):
                known.clear()


def _engine_rows(job: AttackJob, classifier: Classifier, recorder: Recorder | None = None) -> dict[str, Row]:
    from asa_bench.attacking.engine import Engine

    rows: list[Row] = []
    recorder = recorder or Recorder(job.in_flight)
    Engine(job, classifier, scheduler=recorder).run(rows.append)
    recorder.forget()
    return {row["example_id"]: row for row in rows}


def _stock_rows(job: AttackJob, classifier: Classifier) -> dict[str, Row]:
    """Rows of the recipe with TextAttack's own goal function and wrapper, one example after the other."""
    from textattack.models.wrappers import HuggingFaceModelWrapper

    from asa_bench.attacking.driver import attack_example

    class InFloat32(HuggingFaceModelWrapper):  # type: ignore[misc]
        """Logits as NumPy can hold them, which TextAttack hands them to: of bf16 it cannot."""

        def __call__(self, texts: Sequence[str]) -> torch.Tensor:
            logits: torch.Tensor = super().__call__(texts)
            return logits.float()

    with no_nltk_downloads(), autocast(classifier.precision, classifier.device):
        victim = InFloat32(classifier.model, classifier.tokenizer)
        victim.ask = _as_stock
        attack = job.recipe.made(victim)
        attack.goal_function.query_budget = job.query_budget
        rows = [attack_example(attack, example, job.columns, job.seed, job.recipe.name) for example in job.examples]
    return {row["example_id"]: row for row in rows}


def _as_stock(model: Batchable, items: Sequence[Any]) -> Sequence[Any]:
    """Answers as TextAttack has them: windows tagged one by one, the sentences of a call padded to the longest."""
    if isinstance(model, Tagger):
        return [model.forward([window])[0] for window in model.encode(items)]
    if not isinstance(model, SentenceModel):
        return answers(model, items)
    texts = [text for (text,) in items]
    inputs = model.tokenizer(texts, padding=True, truncation=True, max_length=model.max_length, return_tensors="pt")
    mask = inputs["attention_mask"]
    with torch.inference_mode(), torch.autocast(model.device.type, enabled=False):
        return [*mean_pooled(model.model(**inputs.to(model.device)).last_hidden_state, mask.to(model.device)).cpu()]


def _alike(stock: Row, row: Row) -> bool:
    return all(stock[column] == row[column] for column in ALIKE)


def _timed(call: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started
