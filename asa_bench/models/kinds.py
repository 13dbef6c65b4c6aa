"""What the kinds of models in transformers differ in: positions, attention kernels, padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from asa_bench.core.errors import InputError, one_line
from asa_bench.models.precision import Attention, Kernel

OFFSET_POSITIONS = (
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod", "camembert", "mpnet"),
    *("data2vec-text", "esm", "ibert", "lilt", "longformer", "luke"),
)
"""Model types whose positions start behind the padding token's id."""

UNLIMITED = 2**20
"""Tokens of the longest text for models without positions, such as XLNet; more than any text has."""


def positions(config: Any) -> int:
    """The longest text, in tokens, that an encoder has positions for; RoBERTa's kin spend some on padding."""
    limit = int(getattr(config, "max_position_embeddings", None) or 512)
    if limit < 0:
        return UNLIMITED
    return limit - config.pad_token_id - 1 if config.model_type in OFFSET_POSITIONS else limit


def layers(folder: Path) -> int:
    """How many layers the encoder in ``folder`` has."""
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(folder, trust_remote_code=False).num_hidden_layers)


def kernel(folder: Path, attention: Attention, device: torch.device) -> Kernel:
    """The attention kernel for the model in ``folder``.

    *auto* becomes eager on a CPU, where it is faster on short texts, and sdpa on a GPU, if transformers has it for
    models of that kind.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    if attention != "auto":
        return attention
    if device.type == "cpu":
        return "eager"
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    model = AutoModelForSequenceClassification._model_mapping.get(type(config), None)
    return "sdpa" if getattr(model, "_supports_sdpa", False) else "eager"


def check_padding(folder: Path) -> None:
    """Find out, without loading its weights, whether the classifier in ``folder`` can read texts in batches.

    Raises:
        InputError: when there is no padding token, as in GPT-2's kin, or the tokenizer cannot be loaded.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, ImportError) as error:
        raise InputError(f"model {folder}: cannot be loaded: {one_line(error)}") from None
    for lacking, where in ((tokenizer.pad_token, "tokenizer.pad_token"), (config.pad_token_id, "config.pad_token_id")):
        if lacking is None:
            raise InputError(
                f"model {folder}: {where} is not set, so texts cannot be read in batches; set tokenizer.pad_token and "
                "model.config.pad_token_id to the token that the model was trained with, and save both"
            )
