"""Masked language models, asked in canonical batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cachetools import LRUCache
from torch import Tensor

from asa_bench.models.batched import BatchedModel
from asa_bench.models.batching import Encoded

KEPT = 2**30
"""Bytes of answers that are kept; one at a single token of a vocabulary of 30,000 takes 120 kB."""


class Masked(NamedTuple):
    """A text that a masked language model is asked about."""

    ids: tuple[int, ...]
    """Its tokens, without padding."""
    place: int | None
    """The token whose logits are wanted; None for all of them."""


class MaskedModel:
    """A masked language model; an answer is logits, ``(vocabulary,)`` at one token or ``(tokens, vocabulary)``."""

    def __init__(self, model: Any, tokenizer: Any, max_length: int) -> None:
        self._all = _AllLogits(model, tokenizer, max_length, "fp32")
        self.mask_token: int = tokenizer.mask_token_id
        self.batch_size = self._all.batch_size
        self.known: LRUCache[Masked, Tensor] = LRUCache(KEPT, getsizeof=lambda answer: answer.nbytes)
        """A memory for who asks: the model proposes the same for every victim."""

    def encode(self, items: Sequence[Masked]) -> list[Encoded]:
        """The items, padded to their canonical length."""
        rows = [{"input_ids": list(item.ids), "attention_mask": [1] * len(item.ids)} for item in items]
        padded = map(self._all.padded, rows)
        return [Encoded(text.length, (text, item)) for text, item in zip(padded, items, strict=True)]

    def forward(self, batch: Sequence[Encoded]) -> list[Tensor]:
        """Logits for the items of one batch, in float32 on the CPU."""
        texts, items = zip(*(encoded.inputs for encoded in batch), strict=True)
        rows = zip(self._all.forward(texts), items, strict=True)  # copied: a view would keep the whole batch
        return [(row[: len(item.ids)] if item.place is None else row[item.place]).clone() for row, item in rows]


class _AllLogits(BatchedModel):
    """Its answers are logits ``(texts, tokens, vocabulary)``."""

    def _answer(self, inputs: dict[str, Tensor]) -> Tensor:
        logits: Tensor = self.model(**inputs).logits
        return logits
