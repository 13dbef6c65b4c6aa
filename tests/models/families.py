"""Tiny random classifiers of every encoder family that score bias supports, made from configs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SIZES = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
INNER = {**SIZES, "intermediate_size": 64, "max_position_embeddings": 64}

FAMILIES: dict[str, dict[str, Any]] = {
    "bert": INNER,
    "roberta": {**INNER, "pad_token_id": 1},
    "xlm-roberta": {**INNER, "pad_token_id": 1},
    "distilbert": {"vocab_size": 100, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "electra": {**INNER, "embedding_size": 16},
    "albert": {**INNER, "embedding_size": 16, "num_hidden_layers": 3},
    "albert-groups": {
        **INNER, "model_type": "albert", "embedding_size": 16, "num_hidden_layers": 4, "num_hidden_groups": 2,
        "inner_group_num": 2,
    },
    "mpnet": {**INNER, "pad_token_id": 1},
    "deberta-v2": {**INNER, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 16},
    "deberta-v3": {
        **INNER, "model_type": "deberta-v2", "relative_attention": True, "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8, "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False,
    },
    "modernbert": {
        **INNER,
        "num_hidden_layers": 3,
        "local_attention": 8,
        "pad_token_id": 0,
        "reference_compile": False,
    },
}  # fmt: skip
"""Model type, or a name for a second one of a type, → configuration. ModernBERT's layers 1 and 2 are local: four tokens
to each side."""

WITHOUT_SDPA = {"deberta-v2", "deberta-v3", "electra", "mpnet"}
"""Families that transformers computes eagerly only."""

CASES = [
    (family, attention)
    for family in FAMILIES
    for attention in ("eager", "sdpa")
    if not (attention == "sdpa" and family in WITHOUT_SDPA)
]


def tiny(family: str, attention: str, dtype: torch.dtype = torch.float64, **settings: Any) -> Any:
    """A random classifier of three labels, in eval mode; ``settings`` go into its configuration."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(0)
    chosen = {"model_type": family, **FAMILIES[family], **settings}
    config = AutoConfig.for_model(num_labels=3, **chosen)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
    return model.eval().to(dtype)


def padded_batch(model: Any, lengths: tuple[int, ...] = (9, 6, 7)) -> dict[str, Tensor]:
    """Random tokens of some lengths, padded, with first and last token special; labels 0, 1, 2 …"""
    generator = torch.Generator().manual_seed(1)
    width, pad = max(lengths), model.config.pad_token_id or 0
    ids = torch.randint(5, 100, (len(lengths), width), generator=generator)
    mask = torch.tensor([[1] * n + [0] * (width - n) for n in lengths])
    special = 1 - mask
    for row, n in enumerate(lengths):
        special[row, 0] = special[row, n - 1] = 1
    return {
        "input_ids": ids.masked_fill(mask == 0, pad),
        "attention_mask": mask,
        "special_tokens_mask": special,
        "labels": torch.arange(len(lengths)),
    }
