"""Sentence vectors of the pre-trained all-MiniLM-L6-v2 encoder: mean-pooled token states, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asa_bench.models.classifier import encode

JUDGE = "minilm"
"""The asset that judges how alike two texts are."""

BATCH = 32


def sentence_vectors(folder: Path, texts: Sequence[str]) -> Tensor:
    """One vector per text, ``(texts, width)``, by the sentence encoder in ``folder``."""
    tokenizer, model = _encoder(folder)
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    return torch.cat([_embed(model, tokenizer, batch) for batch in batches])


@lru_cache(maxsize=1)
def _encoder(folder: Path) -> tuple[Any, torch.nn.Module]:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return tokenizer, AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False).eval()


@torch.inference_mode()
def _embed(model: torch.nn.Module, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    inputs = tokenizer.pad(encode(tokenizer, [(text,) for text in texts], max_length=256), return_tensors="pt")
    states = model(**inputs).last_hidden_state  # (B, L, H)
    mask = inputs["attention_mask"].unsqueeze(-1)
    mean: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1)
    return mean
