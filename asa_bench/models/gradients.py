"""A classifier's gradient at its word embeddings, asked for in canonical batches as its answers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from asa_bench.models.batched import Text
from asa_bench.models.batching import Encoded
from asa_bench.models.classifier import Classifier
from asa_bench.models.precision import autocast

ROWS = 64
"""Most rows of a batch whose activations are kept for the backward pass."""


def for_gradients(classifier: Classifier) -> Classifier:
    """The classifier in batches that its backward pass has room for, too."""
    return replace(classifier, batch_size=min(classifier.batch_size, ROWS))


@dataclass(frozen=True)
class EmbeddingGradients:
    """For each text the gradient ``(L, H)`` of the margin against the label that the model predicts."""

    classifier: Classifier

    @property
    def batch_size(self) -> int:
        """Rows of a batch, but for very long texts."""
        return self.classifier.batch_size

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """The texts as the classifier takes them."""
        return self.classifier.encode(texts)

    def forward(self, batch: Sequence[Encoded]) -> Tensor:
        """Gradients ``(len(batch), L, H)`` in float32 on the CPU, in eval mode.

        Raises:
            RuntimeError: when the model is in training mode.
        """
        classifier = self.classifier
        inputs = classifier.inputs(batch)
        with torch.inference_mode(mode=False), torch.enable_grad(), autocast(classifier.precision, classifier.device):
            logits, embedded = embedded_pass(classifier.model, inputs)
            (gradient,) = torch.autograd.grad(margin(logits.float(), logits.argmax(dim=1)), embedded)
        return gradient[: len(batch)].float().cpu()


def embedded_pass(model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Logits ``(B, labels)``, and the word embeddings ``(B, L, H)`` that they come from, inside one graph."""
    embedded: list[Tensor] = []
    hook = model.get_input_embeddings().register_forward_hook(lambda _, __, output: embedded.append(output))
    try:
        return model(**inputs).logits, embedded[0]
    finally:
        hook.remove()


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """How far the best other label's logit lies above that of ``labels``, summed over rows.

    Its gradient does not vanish where a model is sure, as that of the loss does (Carlini & Wagner 2017, arXiv
    1608.04644).
    """
    right = logits.gather(1, labels[:, None])  # (B, 1)
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return (others.amax(dim=1, keepdim=True) - right).sum()
