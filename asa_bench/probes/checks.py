"""Signs that a model's numbers under attack may flatter it: answers that vary, gradients that vanish, overfitting.

Athalye et al. 2018 (arXiv 1802.00420) and Carlini et al. 2019 (arXiv 1902.06705) name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from asa_bench.models.batching import batches
from asa_bench.models.classifier import Classifier, TextClassifier
from asa_bench.models.gradients import embedded_pass
from asa_bench.tasks import Example

REVISION = 1
"""Raised whenever a change to the checks changes what they find: it is part of the cells' keys."""

UNLIKE, NO_GRADIENT, SEEN = "unlike_answers", "zero_gradient", "training_accuracy"
"""Names of what is measured, in the order of :func:`checks`."""

EXAMPLES = 64
"""Test examples that a model is checked on."""

SEEN_EXAMPLES = 200
"""Training examples that it is asked about."""


def checks(
    classifier: TextClassifier, examples: Sequence[Example], seen: Sequence[Example]
) -> Iterator[dict[str, Any]]:
    """Rows of ``probes.parquet``, without the columns that name the cell.

    Args:
        classifier: the model; its gradient is looked at where it has one.
        examples: test examples.
        seen: training examples; none where they are not known.
    """
    yield _row(UNLIKE, unlike_answers(classifier, examples))
    if isinstance(classifier, Classifier):
        yield _row(NO_GRADIENT, zero_gradients(classifier, examples))
    if seen:
        right = classifier.logits(_texts(seen)).argmax(dim=1) == _labels(seen)
        yield _row(SEEN, right)


def unlike_answers(classifier: TextClassifier, examples: Sequence[Example]) -> Tensor:
    """Whether each text gets other logits when it is asked about again: bool ``(texts,)``."""
    first, second = (classifier.logits(_texts(examples)) for _ in range(2))
    return (first != second).any(dim=1)


def zero_gradients(classifier: Classifier, examples: Sequence[Example]) -> Tensor:
    """Whether the loss of each text has no gradient at its word embeddings: bool ``(texts,)``."""
    found = torch.zeros(len(examples), dtype=torch.bool)
    for places, batch in batches(classifier.encode(_texts(examples)), classifier.batch_size):
        rows = [text.inputs for text in batch]
        inputs = {key: torch.tensor([row[key] for row in rows], device=classifier.device) for key in rows[0]}
        labels = _labels([examples[place] for place in places]).to(classifier.device)
        found[places] = (_gradient(classifier.model, inputs, labels).flatten(1) == 0).all(dim=1).cpu()
    return found


def _gradient(model: Any, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Gradient of the summed loss at the word embeddings, ``(B, L, H)``, in fp32."""
    with torch.enable_grad():
        logits, embedded = embedded_pass(model, inputs)
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), embedded)
    return gradient


def _row(name: str, found: Tensor) -> dict[str, Any]:
    return {"probe": name, "value": float(found.float().mean()), "n": len(found)}


def _texts(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    return [example.fields for example in examples]


def _labels(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([example.label for example in examples])
