"""Sentence vectors of the pre-trained all-MiniLM-L6-v2 encoder: mean-pooled token states, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from lru import LRU
from torch import Tensor

from asa_bench.models.batched import TextModel
from asa_bench.models.batching import answers

JUDGE = "minilm"
"""The asset that judges how alike two texts are."""

MAX_LENGTH = 256
"""Tokens that it was trained to read."""

KEPT = 2**16
"""Sentence vectors that are kept."""


@dataclass(frozen=True)
class SentenceModel(TextModel):
    """A sentence encoder; its answers are vectors ``(texts, width)``."""

    known: Any = field(default_factory=lambda: LRU(KEPT), compare=False)
    """A memory for who asks, by text."""

    def _answer(self, inputs: dict[str, Tensor]) -> Tensor:
        return mean_pooled(self.model(**inputs).last_hidden_state, inputs["attention_mask"])


def mean_pooled(states: Tensor, mask: Tensor) -> Tensor:
    """The mean ``(B, H)`` of token states ``(B, L, H)`` where ``mask`` ``(B, L)`` is 1."""
    weights = mask.unsqueeze(-1)
    mean: Tensor = (states * weights).sum(dim=1) / weights.sum(dim=1)
    return mean


def sentence_vectors(folder: Path, texts: Sequence[str]) -> Tensor:
    """One vector per text, ``(texts, width)``, by the sentence encoder in ``folder``."""
    return torch.stack(answers(sentence_model(folder), [(text,) for text in texts]))


@lru_cache(maxsize=1)
def sentence_model(folder: Path) -> SentenceModel:
    """The sentence encoder in ``folder``, loaded once."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False).eval()
    return SentenceModel(model, tokenizer, MAX_LENGTH, "fp32")
