"""ASA on every encoder family, eager and SDPA, padded and not, one mask for all heads and one for each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asa_bench.core.seeding import seed_everything
from asa_bench.defences import build_defence
from asa_bench.defences.base import doubled, inputs_of
from asa_bench.models.score_bias import ScoreBias
from tests.models.families import CASES, padded_batch, tiny

Batch = dict[str, Tensor]

LENGTHS = {"padded": (9, 6, 7), "whole": (8, 8, 8)}
SCOPES = ("shared", "per-head")


def attached(model: Any, method: str = "asa", **settings: Any) -> Any:
    seed_everything(0)
    defence = build_defence(method, settings, "test")
    defence.attach(model)
    return defence


def probabilities(model: Any, inputs: Batch) -> list[Tensor]:
    """Attention ``(B, heads, L, L)`` of each layer, as the scores' softmax gives it."""
    seen: list[Tensor] = []
    softmax, attend = torch.nn.functional.softmax, torch.nn.functional.scaled_dot_product_attention

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func in (softmax, torch.softmax, Tensor.softmax):
                out = func(*args, **kwargs)
                seen.append(out.detach())
                return out
            if func is attend:
                names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
                given = {**dict(zip(names, args, strict=False)), **kwargs}
                value = given["value"]
                unit = torch.eye(value.shape[-2], dtype=value.dtype).expand(*value.shape[:-1], -1)
                seen.append(attend(**{**given, "value": unit, "dropout_p": 0.0}).detach())
            return func(*args, **kwargs)

    with Watch():
        model(**inputs)
    return seen


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_idle_hooks_leave_clean_logits_bit_identical(family: str, attention: str, lengths: str) -> None:
    model = tiny(family, attention)
    batch = padded_batch(model, LENGTHS[lengths])
    expected = model(**inputs_of(batch)).logits
    with ScoreBias(model, lambda layer, hidden: None):
        assert torch.equal(model(**inputs_of(batch)).logits, expected)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_attention_is_exactly_zero_where_masked_and_nowhere_else(
    family: str, attention: str, lengths: str, scope: str
) -> None:
    model = tiny(family, attention)
    batch = padded_batch(model, LENGTHS[lengths])
    defence = attached(model, mask_scope=scope)
    clean = probabilities(model, inputs_of(batch))
    defence._begin(batch)
    with defence._scores:
        found = probabilities(model, doubled(batch))
    assert len(found) == len(clean) == len(defence._kept) == defence._scores.layers
    for layer, both in enumerate(found):
        above, below = both.chunk(2)
        assert torch.allclose(above, clean[layer], rtol=0, atol=1e-12)
        keep, reachable = defence._kept[layer].detach().expand_as(below) > 0, clean[layer] > 0
        in_use = (keep & reachable).any(dim=-1, keepdim=True)  # else the row falls back to its unmasked columns
        in_use = in_use & batch["attention_mask"].bool()[:, None, :, None]  # what padding attends to is no matter
        assert below[(~keep | ~reachable) & in_use].abs().max() == 0
        assert (below[keep & reachable & in_use] > 0).all()
        assert (~keep & in_use).any()


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_clean_logits_are_those_of_a_plain_pass_beside_masked_ones(
    family: str, attention: str, lengths: str, scope: str
) -> None:
    model = tiny(family, attention)
    batch = padded_batch(model, LENGTHS[lengths])
    defence = attached(model, mask_scope=scope)
    defence._begin(batch)
    with defence._scores:
        clean, masked = model(**doubled(batch)).logits.chunk(2)
    plain = model(**inputs_of(batch)).logits
    assert torch.allclose(clean, plain, rtol=0, atol=1e-12)
    assert masked.isfinite().all()
    assert not torch.allclose(masked, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("family", "attention"), CASES)
def test_units_are_the_pairs_that_attend_to_each_other(family: str, attention: str) -> None:
    """Neither padding nor, in ModernBERT's local layers, what lies out of the window."""
    model = tiny(family, attention, torch.float32)  # in float64 ModernBERT's eager attention gives NaN out of padding
    batch = padded_batch(model, (14, 9))
    defence = attached(model)
    defence._begin(batch)
    queries = batch["attention_mask"].bool()[:, None, :, None]
    for layer, attended in enumerate(probabilities(model, inputs_of(batch))):
        assert torch.equal(defence._units(layer).bool().expand_as(attended), (attended > 0) & queries)


@pytest.mark.parametrize("method", ["asa", "asa-official", "smoothing-bias"])
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_bf16_gives_numbers_under_every_disturbance(family: str, attention: str, method: str) -> None:
    """Rounded to bf16, float32's lowest value is −∞; times 0, or filling a whole row, that gives NaN."""

    def clean_loss(autocast: bool) -> float:
        model = tiny(family, attention, torch.float32)
        defence, batch = attached(model, method), padded_batch(model, (14, 6))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            losses = defence.backward(model, batch)
        gradients = [p.grad for p in [*model.parameters(), *defence.parameters()] if p.grad is not None]
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert math.isfinite(losses["divergence"])
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast), defence.disturbing(model, batch):
            assert model(**inputs_of(batch)).logits.isfinite().all()
        return float(losses["loss"])

    assert clean_loss(autocast=True) == pytest.approx(clean_loss(autocast=False), rel=0.02)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_padding_changes_neither_loss_nor_gradient(family: str, attention: str, scope: str) -> None:
    """A batch of one row, with and without padding; the masks are the same ones."""

    def result(padding: int) -> tuple[dict[str, float], Tensor]:
        model = tiny(family, attention)
        whole = padded_batch(model, (8, 8 + padding))
        row = {name: tensor[:1] for name, tensor in whole.items()}
        defence = attached(model, mask_scope=scope, penalty="ratio")
        losses = defence.backward(model, row)
        owned = [*model.parameters(), *defence.parameters()]
        return losses, torch.cat([p.grad.flatten() for p in owned if p.grad is not None])

    (plain, gradient), (padded, same) = result(0), result(3)
    assert plain == pytest.approx(padded, rel=1e-9)
    assert torch.allclose(gradient, same, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_the_adversarys_gradient_is_reversed_and_stays_out_of_the_encoder(
    family: str, attention: str, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a defence without reversal: adversaries get the gradient times −2, the encoder the same."""

    def gradients() -> tuple[list[Tensor], list[Tensor]]:
        model = tiny(family, attention)
        defence = attached(model, mask_scope=scope, reversal=2.0)
        defence.backward(model, padded_batch(model))
        owners = (model.parameters(), defence.parameters())
        once, own = ([p.grad for p in owner if p.grad is not None] for owner in owners)
        return once, own

    encoder, reversed_ = gradients()
    monkeypatch.setattr("asa_bench.defences.asa.reverse_gradient", lambda keep, strength: keep)
    same, forward = gradients()
    assert all(torch.equal(a, b) for a, b in zip(encoder, same, strict=True))
    assert all(torch.equal(-2 * a, b) for a, b in zip(forward, reversed_, strict=True))
    assert any(gradient.abs().max() > 0 for gradient in forward)


@pytest.mark.parametrize(("family", "attention"), CASES)
def test_export_reloads_with_equal_logits(family: str, attention: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = tiny(family, attention, torch.float32)
    batch = padded_batch(model)
    names = set(model.state_dict())
    defence = attached(model)
    defence.backward(model, batch)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad)
    defence.detach()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path, attn_implementation=attention).eval()
    assert set(loaded.state_dict()) == names
    assert torch.equal(loaded(**inputs_of(batch)).logits, model(**inputs_of(batch)).logits)


CHECKPOINTED = [case for case in CASES if case[0] not in {"albert", "albert-groups", "mpnet"}]
"""transformers cannot checkpoint the activations of ALBERT and MPNet."""


@pytest.mark.parametrize(("family", "attention"), CHECKPOINTED)
def test_gradient_checkpointing_that_is_not_reentrant_is_right(family: str, attention: str) -> None:
    def gradients(checkpointing: bool) -> list[Tensor]:
        model = tiny(family, attention)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        defence = attached(model, binarisation="gumbel")  # the recomputed layer must draw the same noise
        defence.backward(model, padded_batch(model))
        return [p.grad for p in [*model.parameters(), *defence.parameters()] if p.grad is not None]

    for plain, checkpointed in zip(gradients(checkpointing=False), gradients(checkpointing=True), strict=True):
        assert torch.allclose(plain, checkpointed, rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", sorted({family for family, _ in CHECKPOINTED}))
def test_reentrant_gradient_checkpointing_is_refused(family: str) -> None:
    model = tiny(family, "eager")
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
    message = (
        rf"^{type(model).__name__}: re-entrant gradient checkpointing gives wrong gradients here; enable it with "
        r'gradient_checkpointing_kwargs=\{"use_reentrant": False\}$'
    )
    with pytest.raises(RuntimeError, match=message):
        attached(model).backward(model.train(), padded_batch(model))
