"""How much of its meaning an adversarial text kept, by a judge that is no part of the attack.

The judge is the pre-trained all-MiniLM-L6-v2 sentence encoder: mean-pooled token states, cosine. It is the shipped
encoder before any fine-tuning, never the victim; attacks without it as a constraint are judged by it fairly. Under a
protocol with a similarity floor it is the constraint, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F

from asa_bench.models.sentences import sentence_vectors


def similarities(folder: Path, pairs: Sequence[Sequence[str]]) -> list[float]:
    """Cosine in [−1, 1] between the two texts of each pair, computed by the sentence encoder in ``folder``."""
    if not pairs:
        return []
    vectors = sentence_vectors(folder, [text for pair in pairs for text in pair])  # (2 · pairs, H)
    return [float(value) for value in F.cosine_similarity(vectors[0::2], vectors[1::2])]
