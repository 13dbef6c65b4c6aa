"""Searches that share a model but nothing else."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from asa_bench.attacking.scheduler import Ask, Scheduler
from asa_bench.core.seeding import seed_everything
from asa_bench.models.batching import answers
from asa_bench.models.classifier import Classifier
from asa_bench.models.predictor import Predictor

TEXTS = [("a good film",), ("this dull story",), ("the music was good and lovely",)]


def drawing(ask: Ask, classifier: Classifier, seed: int) -> list[float]:
    """A search that draws from every global generator between its questions."""
    seed_everything(seed)
    drawn = []
    for i in range(seed % 3 + 1):
        logits = ask(classifier, [TEXTS[i], TEXTS[seed % 3]])
        drawn += [float(sum(map(torch.sum, logits))), random.gauss(), float(np.random.normal()), float(torch.rand(()))]
    return drawn


def test_random_states_belong_to_each_search(classifier: Classifier) -> None:
    expected = sorted(drawing(answers, classifier, seed) for seed in range(9))
    scheduler: Scheduler[list[float]] = Scheduler(in_flight=4)
    found: list[list[float]] = []
    scheduler.run([partial(drawing, scheduler.ask, classifier, seed) for seed in range(9)], found.append)
    assert sorted(found) == expected


def test_grad_mode_belongs_to_each_search(classifier: Classifier) -> None:
    scheduler: Scheduler[list[bool]] = Scheduler(in_flight=2)

    def work(i: int) -> list[bool]:
        seen = []
        with torch.set_grad_enabled(bool(i)):
            for text in TEXTS:
                scheduler.ask(classifier, [text])
                seen.append(torch.is_grad_enabled())
        return seen

    found: list[list[bool]] = []
    scheduler.run([partial(work, i) for i in (0, 1)], found.append)
    assert sorted(found) == [[False] * 3, [True] * 3]
    assert torch.is_grad_enabled()


def test_no_more_searches_than_asked_are_in_flight(classifier: Classifier) -> None:
    scheduler: Scheduler[int] = Scheduler(in_flight=3)
    running: set[int] = set()
    most = 0

    def work(i: int) -> int:
        nonlocal most
        running.add(i)
        most = max(most, len(running))
        for text in TEXTS[: i % 3]:
            scheduler.ask(classifier, [text])
        running.remove(i)
        return i

    found: list[int] = []
    scheduler.run((partial(work, i) for i in range(20)), found.append)
    assert sorted(found) == list(range(20))
    assert most == 3


def test_a_text_that_several_ask_for_is_computed_once() -> None:
    asked: list[str] = []

    def predict(texts: list[Any]) -> list[list[float]]:
        asked.extend(texts)
        return [[0.25, 0.75]] * len(texts)

    predictor = Predictor(predict, ("neg", "pos"))
    scheduler: Scheduler[list[Tensor]] = Scheduler(in_flight=5)
    found: list[list[Tensor]] = []
    scheduler.run([partial(scheduler.ask, predictor, [("one",), ("two",), ("one",)])] * 5, found.append)
    assert sorted(asked) == ["one", "two"]
    assert [len(rows) for rows in found] == [3] * 5


def test_a_text_that_the_model_refuses_costs_no_other_search() -> None:
    def predict(texts: list[Any]) -> list[list[float]]:
        if "bad" in texts:
            raise ZeroDivisionError("bad")
        return [[0.25, 0.75]] * len(texts)

    predictor = Predictor(predict, ("neg", "pos"))
    scheduler: Scheduler[str] = Scheduler(in_flight=5)

    def work(text: str) -> str:
        try:
            return f"{text}: {float(scheduler.ask(predictor, [('shared',), (text,)])[1].exp()[1]):.2f}"
        except ZeroDivisionError as error:
            return f"refused {error}"

    found: list[str] = []
    scheduler.run([partial(work, text) for text in ("one", "bad", "two")], found.append)
    assert sorted(found) == ["one: 0.75", "refused bad", "two: 0.75"]


def test_what_is_no_error_of_a_search_ends_the_run(classifier: Classifier) -> None:
    scheduler: Scheduler[None] = Scheduler(in_flight=2)

    def work(i: int) -> None:
        scheduler.ask(classifier, TEXTS)
        if i:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scheduler.run([partial(work, i) for i in (0, 1)], lambda _: None)


def test_each_model_is_asked_its_own_share(classifier: Classifier) -> None:
    def predict(texts: list[Any]) -> list[list[float]]:
        return [[0.25, 0.75]] * len(texts)

    other = Predictor(predict, ("neg", "pos"))
    scheduler: Scheduler[bool] = Scheduler(in_flight=4)

    def work(i: int) -> bool:
        first, second = (classifier, other) if i % 2 else (other, classifier)
        found = [torch.stack(scheduler.ask(model, TEXTS[: i % 3 + 1])) for model in (first, second)]
        expected = [torch.stack(answers(model, TEXTS[: i % 3 + 1])) for model in (first, second)]
        return all(map(torch.equal, found, expected))

    found: list[bool] = []
    scheduler.run([partial(work, i) for i in range(10)], found.append)
    assert found == [True] * 10
