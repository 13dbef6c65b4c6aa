from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from asa_bench.core.errors import InputError
from asa_bench.defences.base import inputs_of
from asa_bench.models.score_bias import ScoreBias

from .families import INNER

Batch = dict[str, Tensor]

NO_ATTENTION = (
    r"^Linear: no self-attention module found \(none is named self, attn, attention\); "
    r"add its name to ATTENTION_NAMES in asa_bench/models/score_bias.py$"
)


def attentions(model: Any, batch: Batch) -> list[Tensor]:
    """Attention probabilities ``(B, heads, L, L)`` per layer."""
    return list(model(**inputs_of(batch), output_attentions=True).attentions)


def test_clean_logits_are_bit_identical_with_the_hooks_installed(tiny_model: Any, batch: Batch) -> None:
    expected = tiny_model(**inputs_of(batch)).logits
    with ScoreBias(tiny_model, lambda layer, hidden: None):
        assert torch.equal(tiny_model(**inputs_of(batch)).logits, expected)


def test_masked_units_get_no_attention_in_any_layer_or_head(tiny_model: Any, batch: Batch) -> None:
    def bias(layer: int, hidden: Tensor) -> Tensor:
        mask = torch.zeros(len(hidden), 1, hidden.shape[1], hidden.shape[1], dtype=hidden.dtype)
        mask[:, :, :, 1 + layer] = -10_000.0  # another key column in each layer
        return mask

    with ScoreBias(tiny_model, bias):
        for layer, probabilities in enumerate(attentions(tiny_model, batch)):
            assert probabilities[:, :, :, 1 + layer].abs().max() == 0
            assert torch.allclose(probabilities.sum(dim=-1), torch.ones_like(probabilities[..., 0]))


def test_a_fully_masked_row_falls_back_to_tokens_only(tiny_model: Any, batch: Batch) -> None:
    length = batch["input_ids"].shape[1]
    with ScoreBias(tiny_model, lambda layer, hidden: torch.full((1, 1, length, length), -10_000.0)):
        probabilities = attentions(tiny_model, batch)[0]
    padding = batch["attention_mask"][:, None, None, :].expand_as(probabilities) == 0
    assert probabilities[padding].abs().max() == 0


def test_eager_and_sdpa_agree(tiny_encoder: Any, batch: Batch) -> None:
    from asa_bench.models.classifier import new_classifier

    def logits(attention: str) -> Tensor:
        model, _ = new_classifier(tiny_encoder, ("neg", "pos"), seed=0, attention=attention, max_length=40)
        with ScoreBias(model.eval(), lambda layer, hidden: (hidden @ hidden.transpose(1, 2)).unsqueeze(1)):
            found: Tensor = model(**inputs_of(batch)).logits
        return found

    assert torch.allclose(logits("eager"), logits("sdpa"), atol=1e-5)


def test_hooks_live_inside_the_block_alone(tiny_model: Any, batch: Batch) -> None:
    expected = tiny_model(**inputs_of(batch)).logits
    length = batch["input_ids"].shape[1]
    with ScoreBias(tiny_model, lambda layer, hidden: torch.randn(1, 1, length, length)):
        assert not torch.equal(tiny_model(**inputs_of(batch)).logits, expected)
    assert torch.equal(tiny_model(**inputs_of(batch)).logits, expected)


def test_an_error_inside_the_model_leaves_no_mode_behind(tiny_model: Any, batch: Batch) -> None:
    expected = tiny_model(**inputs_of(batch)).logits
    wrong = torch.zeros(1, 1, 3, 3)
    with ScoreBias(tiny_model, lambda layer, hidden: wrong), pytest.raises(RuntimeError, match="must match the size"):
        tiny_model(**inputs_of(batch))
    assert torch.equal(tiny_model(**inputs_of(batch)).logits, expected)


def test_a_kernel_that_passes_by_the_hook_is_an_error() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.Identity()

        def forward(self, hidden: Tensor) -> Tensor:
            out: Tensor = self.attention(hidden)
            return out

    model = Model()
    message = r"^Identity: 0 score calls seen, expected 1; use eager or sdpa attention$"
    with ScoreBias(model, lambda layer, hidden: hidden), pytest.raises(RuntimeError, match=message):
        model(torch.zeros(1, 2, 2))


def test_attention_that_cannot_look_ahead_is_refused() -> None:
    sizes = {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0}
    causal = GPT2ForSequenceClassification(GPT2Config(**sizes))
    decoder = BertForSequenceClassification(BertConfig(**INNER, is_decoder=True))
    for model in (causal, decoder):
        message = rf"^{type(model).__name__}: its attention is causal; expected an encoder$"
        with pytest.raises(InputError, match=message):
            ScoreBias(model, lambda layer, hidden: None)


def test_a_model_without_attention_is_refused() -> None:
    with pytest.raises(InputError, match=NO_ATTENTION):
        ScoreBias(nn.Linear(2, 2), lambda layer, hidden: None)
