"""Broken victims that a check must catch, and a sound one that it must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asa_bench.models.classifier import Classifier
from asa_bench.models.predictor import Predictor
from asa_bench.probes.checks import checks, unlike_answers, zero_gradients
from asa_bench.tasks import Example

from ..conftest import sentences


@pytest.fixture(scope="module")
def examples() -> tuple[Example, ...]:
    rows = sentences(24).itertuples()
    return tuple(Example(str(i), (str(row.text),), int(str(row.label) == "pos")) for i, row in enumerate(rows))


def test_a_sound_model_gives_no_sign(classifier: Classifier, examples: tuple[Example, ...]) -> None:
    right = classifier.logits([example.fields for example in examples]).argmax(dim=1)
    accuracy = sum(int(p) == e.label for p, e in zip(right, examples, strict=True)) / len(examples)
    assert list(checks(classifier, examples, examples)) == [
        {"probe": "unlike_answers", "value": 0.0, "n": 24},
        {"probe": "zero_gradient", "value": 0.0, "n": 24},
        {"probe": "training_accuracy", "value": pytest.approx(accuracy), "n": 24},
    ]


def test_a_model_that_answers_at_random_is_caught(classifier: Classifier, examples: tuple[Example, ...]) -> None:
    class Noisy(Classifier):
        def _answer(self, inputs: dict[str, Tensor]) -> Tensor:
            logits = super()._answer(inputs)
            return logits + torch.randn_like(logits)

    settings = {name: getattr(classifier, name) for name in ("model", "tokenizer", "max_length", "precision")}
    assert unlike_answers(Noisy(**settings), examples).all()
    assert not unlike_answers(classifier, examples).any()


class Saturated(nn.Module):
    """The model with logits so large that float32 rounds its loss's gradient to nothing."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner, self.config, self.device = model, model.config, model.device
        self.get_input_embeddings = model.get_input_embeddings

    def forward(self, **inputs: Tensor) -> Any:
        out = self.inner(**inputs)
        out.logits = 1e6 * out.logits
        return out


def test_vanished_gradients_are_caught(classifier: Classifier, examples: tuple[Example, ...]) -> None:
    saturated = replace(classifier, model=Saturated(classifier.model).eval())
    predictions = saturated.logits([example.fields for example in examples]).argmax(dim=1).tolist()
    believed = [replace(example, label=label) for example, label in zip(examples, predictions, strict=True)]
    assert zero_gradients(saturated, believed).all()
    assert not zero_gradients(classifier, believed).any()


def test_the_model_is_as_it_was_afterwards(classifier: Classifier, examples: tuple[Example, ...]) -> None:
    zero_gradients(classifier, examples)
    embeddings = classifier.model.get_input_embeddings()
    assert not embeddings._forward_hooks
    assert all(parameter.grad is None for parameter in classifier.model.parameters())
    assert not classifier.model.training


def test_a_function_is_asked_twice_and_has_no_gradient(examples: tuple[Example, ...]) -> None:
    predictor = Predictor(lambda texts: [[0.25, 0.75]] * len(texts), ("neg", "pos"))
    assert list(checks(predictor, examples, ())) == [{"probe": "unlike_answers", "value": 0.0, "n": 24}]
