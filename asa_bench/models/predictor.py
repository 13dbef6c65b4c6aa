"""Any function from texts to class probabilities as a classifier: a scikit-learn pipeline, a client of an API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asa_bench.core.errors import InputError, one_line
from asa_bench.core.fingerprint import fingerprint
from asa_bench.models.batched import Text
from asa_bench.models.batching import Encoded

Predict = Callable[[list[Any]], Any]
"""Texts (strings, or tuples of strings where there are several fields) to probabilities ``(texts, labels)``."""

TOLERANCE = 1e-3
"""How far from 1 the probabilities of one text may add up."""

SMALLEST = 1e-12
"""Probabilities are raised to this before their logarithm is taken: a 0 would be an infinite loss."""


@dataclass(frozen=True)
class Predictor:
    """A function of the user's behind the interface of a classifier; its logits are log-probabilities."""

    predict: Predict
    labels: tuple[str, ...]
    batch_size: int = 32
    unknown_token: str = ""
    """There is no tokenizer to ask, so words are ranked by leaving each out."""

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """The texts as they are; what the function makes of their lengths is not known."""
        return [Encoded(0, text) for text in texts]

    def forward(self, batch: Sequence[Encoded]) -> Tensor:
        """Log-probabilities ``(len(batch), labels)`` of one batch.

        Raises:
            InputError: when the function gives another shape, or rows that are no probabilities.
        """
        return self._ask([text.inputs for text in batch])

    def logits(self, texts: Sequence[Text]) -> Tensor:
        """Log-probabilities ``(len(texts), labels)`` in float32.

        Raises:
            InputError: when the function gives another shape, or rows that are no probabilities.
        """
        rows = [self._ask(texts[start : start + self.batch_size]) for start in range(0, len(texts), self.batch_size)]
        return torch.cat(rows) if rows else torch.empty(0, len(self.labels))

    def truncated(self, texts: Sequence[Text]) -> list[bool | None]:
        """Not known: the function does not say how much it reads."""
        return [None] * len(texts)

    def identity(self, texts: Sequence[Text]) -> str:
        """Fingerprint of the answers to ``texts``: a function has no files to take a digest of."""
        return fingerprint(self.logits(texts).tolist())

    def _ask(self, texts: Sequence[Text]) -> Tensor:
        asked = [text[0] if len(text) == 1 else tuple(text) for text in texts]
        found = _numbers(self.predict(asked))
        if found.shape != (len(texts), len(self.labels)):
            expected = f"({len(texts)}, {len(self.labels)})"
            raise InputError(f"predict: expected probabilities of shape {expected}, got {tuple(found.shape)}")
        if not bool(((found >= 0).all(dim=1) & ((found.sum(dim=1) - 1).abs() <= TOLERANCE)).all()):
            raise InputError("predict: expected probabilities that add up to 1 for each text")
        return found.clamp_min(SMALLEST).log().float()


def _numbers(answer: Any) -> Tensor:
    """What a function gave (a tensor on any device, an array, a table, lists) as a tensor on the CPU.

    Raises:
        InputError: when it is none of these.
    """
    if isinstance(answer, Tensor):
        return answer.detach().cpu().double()
    try:
        return torch.from_numpy(np.array(answer, dtype=np.float64))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"predict: expected a table of probabilities, got {one_line(error)}") from None
