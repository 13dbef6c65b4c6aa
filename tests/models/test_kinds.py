"""What kinds of models differ in, found out from configurations alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.core.errors import InputError
from asa_bench.models.kinds import UNLIMITED, check_padding, kernel, positions
from asa_bench.models.precision import Attention

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def config(kind: str, **settings: Any) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(kind, **settings)


@pytest.mark.parametrize(
    ("kind", "settings", "longest"),
    [
        ("bert", {"max_position_embeddings": 64}, 64),
        ("roberta", {"max_position_embeddings": 66, "pad_token_id": 1}, 64),
        ("longformer", {"max_position_embeddings": 4098, "pad_token_id": 1}, 4096),
        ("gpt2", {"n_positions": 48}, 48),
        ("xlnet", {}, UNLIMITED),
    ],
)
def test_positions(kind: str, settings: dict[str, Any], longest: int) -> None:
    assert positions(config(kind, **settings)) == longest


@pytest.mark.parametrize(
    ("kind", "attention", "device", "expected"),
    [
        ("bert", "auto", CPU, "eager"),
        ("bert", "auto", GPU, "sdpa"),
        ("deberta-v2", "auto", GPU, "eager"),
        ("xlnet", "auto", GPU, "eager"),
        ("bert", "eager", GPU, "eager"),
    ],
)
def test_a_kernel_that_the_kind_has(
    tmp_path: Path, kind: str, attention: Attention, device: torch.device, expected: str
) -> None:
    config(kind).save_pretrained(tmp_path)
    assert kernel(tmp_path, attention, device) == expected


def test_without_padding_texts_cannot_be_batched(tiny_encoder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    config("gpt2").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    advice = (
        "is not set, so texts cannot be read in batches; set tokenizer.pad_token and model.config.pad_token_id to the "
        "token that the model was trained with, and save both"
    )
    with pytest.raises(InputError) as caught:
        check_padding(tmp_path)
    assert str(caught.value) == f"model {tmp_path}: config.pad_token_id {advice}"
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError) as caught:
        check_padding(tmp_path)
    assert str(caught.value) == f"model {tmp_path}: tokenizer.pad_token {advice}"
    check_padding(tiny_encoder)
