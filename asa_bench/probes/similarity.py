"""How much of its meaning an adversarial text kept, by a judge that is no part of the attack.

The judge is the pre-trained all-MiniLM-L6-v2 sentence encoder: mean-pooled token states, cosine. It is the shipped
encoder before any fine-tuning, never the victim; recipes without it as a constraint are judged by it fairly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from asa_bench.models.classifier import encode

JUDGE = "minilm"
"""The asset that judges."""

BATCH = 32


def similarities(folder: Path, pairs: Sequence[Sequence[str]]) -> list[float]:
    """Cosine in [−1, 1] between the two texts of each pair, computed by the sentence encoder in ``folder`` in fp32."""
    from transformers import AutoModel, AutoTokenizer

    if not pairs:
        return []
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False).eval()
    texts = [text for pair in pairs for text in pair]
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    vectors = torch.cat([_embed(model, tokenizer, batch) for batch in batches])  # (2 · pairs, H)
    return [float(value) for value in F.cosine_similarity(vectors[0::2], vectors[1::2])]


@torch.inference_mode()
def _embed(model: torch.nn.Module, tokenizer: object, texts: list[str]) -> Tensor:
    encoded = encode(tokenizer, [(text,) for text in texts], max_length=256)
    inputs = tokenizer.pad(encoded, return_tensors="pt")  # type: ignore[attr-defined]
    states = model(**inputs).last_hidden_state  # (B, L, H)
    mask = inputs["attention_mask"].unsqueeze(-1)
    mean: Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1)
    return mean
