"""Transformers asked in canonical batches, whatever they answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asa_bench.models.batching import ROWS, Encoded, canonical_length, rows_of
from asa_bench.models.precision import Resolved, autocast

Text = Sequence[str]
"""The text fields of one example: one, or two for a pair."""


@dataclass(frozen=True)
class BatchedModel(ABC):
    """A model with its tokenizer and the settings under which it is used."""

    model: Any
    tokenizer: Any
    max_length: int
    precision: Resolved
    batch_size: int = ROWS["cpu"]
    """Rows of a batch, but for very long texts."""

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        device: torch.device = self.model.device
        return device

    def padded(self, row: dict[str, list[int]]) -> Encoded:
        """Token ids of one text, padded to its canonical length."""
        length = canonical_length(len(row["input_ids"]), self.max_length)
        fills = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": self.tokenizer.pad_token_type_id}
        padded = {}
        for key, values in row.items():
            padding = [fills.get(key, 0)] * (length - len(values))
            padded[key] = padding + values if self.tokenizer.padding_side == "left" else values + padding
        return Encoded(length, padded)

    def forward(self, batch: Sequence[Encoded]) -> Tensor:
        """Answers to the texts of one batch, in float32 on the CPU, in eval mode.

        The batch is filled up to the rows of its length, so that a text's bits do not depend on how many came with it.

        Raises:
            RuntimeError: when the model is in training mode (dropout would be on).
        """
        inputs = self.inputs(batch)
        with torch.inference_mode(), autocast(self.precision, self.device):
            answers = self._answer(inputs)
        return answers[: len(batch)].float().cpu()

    def inputs(self, batch: Sequence[Encoded]) -> dict[str, Tensor]:
        """Tensors ``(rows, tokens)`` on the model's device: the batch, filled up with copies of its first text.

        Raises:
            RuntimeError: when the model is in training mode (dropout would be on).
        """
        if self.model.training:
            raise RuntimeError("the model is in training mode; call model.eval() first")
        rows = [text.inputs for text in batch]
        rows += [rows[0]] * (rows_of(batch[0].length, self.batch_size) - len(rows))
        return {key: torch.from_numpy(np.array([row[key] for row in rows])).to(self.device) for key in rows[0]}

    @abstractmethod
    def _answer(self, inputs: dict[str, Tensor]) -> Tensor:
        """One row for each row of ``inputs``: tensors of ids ``(rows, tokens)``."""


class TextModel(BatchedModel):
    """A model of texts."""

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """Token ids of each text, cut at ``max_length``, with the length that they take up in a batch."""
        return [self.padded(row) for row in encode(self.tokenizer, texts, self.max_length)]


def encode(
    tokenizer: Any, texts: Sequence[Text], max_length: int | None, *, special_tokens: bool = False
) -> list[dict[str, list[int]]]:
    """Token ids of each text, unpadded, truncated to ``max_length`` unless that is None; pairs are encoded as pairs.

    With ``special_tokens`` there is a ``special_tokens_mask`` beside them.
    """
    if not texts:
        return []
    columns = [list(column) for column in zip(*texts, strict=True)]
    encoded = tokenizer(
        *columns,
        truncation=max_length is not None,
        max_length=max_length,
        return_special_tokens_mask=special_tokens,
        verbose=False,
    ).data
    return [dict(zip(encoded, values, strict=True)) for values in zip(*encoded.values(), strict=True)]
