from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asa_bench.core.seeding import seed_everything
from asa_bench.defences import build_defence
from asa_bench.defences.asa import Adversary, binarise, reverse_gradient, symmetric_kl, valid_units
from asa_bench.defences.base import inputs_of

Batch = dict[str, Tensor]


def attached(model: Any, **settings: Any) -> Any:
    seed_everything(0)
    defence = build_defence("asa", settings, "test")
    defence.attach(model)
    return defence


def reference(model: Any, adversaries: Any, batch: Batch, penalty: Any) -> tuple[Tensor, list[Tensor]]:
    """ASA's loss on BERT with explicit attention, two passes, no hooks: a naive reading of the formulas.

    Returns the loss that the *model* descends (penalty apart) and the kept units per layer.
    """
    bert, mask = model.bert, batch["attention_mask"]
    heads = model.config.num_attention_heads
    padding = (1.0 - mask[:, None, None, :].to(torch.float64)) * torch.finfo(torch.float64).min

    def encode(masked: bool) -> tuple[Tensor, list[Tensor]]:
        hidden, kept = bert.embeddings(input_ids=batch["input_ids"]), []
        for layer, adversary in zip(bert.encoder.layer, adversaries, strict=True):
            bias = torch.zeros(())
            if masked:
                source = hidden.detach()
                scores = adversary.query(source) @ adversary.key(source).transpose(1, 2) / source.shape[-1] ** 0.5
                keep = reverse_gradient(binarise(scores))
                kept.append(keep)
                bias = ((1 - keep) * -10_000.0)[:, None]
            attention = layer.attention.self

            def split(x: Tensor) -> Tensor:
                return x.view(*x.shape[:2], heads, -1).transpose(1, 2)

            q, k, v = (split(part(hidden)) for part in (attention.query, attention.key, attention.value))
            weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5 + padding + bias).softmax(dim=-1)
            mixed = (weights @ v).transpose(1, 2).flatten(2)
            attended = layer.attention.output(mixed, hidden)
            hidden = layer.output(layer.intermediate(attended), attended)
        return model.classifier(bert.pooler(hidden)), kept

    clean, _ = encode(masked=False)
    masked_logits, kept = encode(masked=True)
    p, q = clean.softmax(-1), masked_logits.softmax(-1)
    divergence = 0.5 * ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean()
    return F.cross_entropy(clean, batch["labels"]) + divergence + penalty(kept), kept


@pytest.mark.parametrize("penalty", ["sum", "ratio"])
def test_loss_and_all_gradients_equal_a_naive_reference(tiny_model: Any, batch: Batch, penalty: str) -> None:
    defence = attached(tiny_model, penalty=penalty)
    losses = defence.backward(tiny_model, batch)
    owned = [*tiny_model.parameters(), *defence.parameters()]
    found = [p.grad.clone() for p in owned if p.grad is not None]
    for parameter in owned:
        parameter.grad = None
    units = valid_units(batch["attention_mask"])

    def expected_penalty(kept: list[Tensor]) -> Tensor:
        total = torch.stack([(keep * units).sum() for keep in kept]).sum()
        return 0.25 * total / 3 if penalty == "sum" else 30.0 * total / units.sum()

    loss, _ = reference(tiny_model, defence._adversaries, batch, expected_penalty)
    loss.backward()
    expected = [p.grad for p in owned if p.grad is not None]
    assert losses["loss"] + losses["divergence"] + losses["penalty"] == pytest.approx(loss.item(), rel=1e-9)
    assert len(found) == len(expected)
    for mine, naive in zip(found, expected, strict=True):
        assert torch.allclose(mine, naive, rtol=0, atol=1e-9)


def test_no_gradient_leaks_from_the_adversary_into_the_encoder(tiny_model: Any, batch: Batch) -> None:
    """With the divergence cut out, only the task's gradient may reach the encoder."""
    defence = attached(tiny_model)
    hidden = torch.randn(2, 7, 32, dtype=torch.float64, requires_grad=True)
    defence._layer_bias(0, hidden).sum().backward()
    assert hidden.grad is None
    assert all(p.grad is not None for p in defence._adversaries[0].parameters() if p.ndim > 1)


def test_the_adversarys_gradient_is_exactly_reversed() -> None:
    torch.manual_seed(0)
    adversary = Adversary(8, 0.5).double()
    hidden = torch.randn(2, 5, 8, dtype=torch.float64)

    def gradient(reverse: bool) -> Tensor:
        adversary.zero_grad()
        keep = binarise(adversary(hidden))
        ((reverse_gradient(keep) if reverse else keep) ** 2).sum().backward()
        return adversary.query.weight.grad.clone()  # type: ignore[union-attr]

    assert torch.equal(gradient(reverse=True), -gradient(reverse=False))


def test_the_mask_is_binary_and_its_gradient_a_sigmoids() -> None:
    scores = torch.tensor([-2.0, -1e-6, 0.0, 1e-6, 3.0], requires_grad=True)
    keep = binarise(scores)
    assert keep.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]
    keep.sum().backward()
    soft = scores.detach().sigmoid()
    assert torch.allclose(scores.grad, soft * (1 - soft))  # type: ignore[arg-type]


def test_divergence_is_symmetric_and_zero_on_equals() -> None:
    first, second = torch.randn(2, 4, 3)
    assert symmetric_kl(first, second) == pytest.approx(symmetric_kl(second, first).item())
    assert symmetric_kl(first, first + 7.0).item() == pytest.approx(0.0, abs=1e-6)


def test_masked_ratio_counts_valid_units_only(tiny_model: Any, batch: Batch) -> None:
    defence = attached(tiny_model)
    losses = defence.backward(tiny_model, batch)
    _, kept = reference(tiny_model, defence._adversaries, batch, lambda kept: torch.zeros(()))
    valid = valid_units(batch["attention_mask"]).bool()
    assert valid.sum() == 6 * 6 + 4 * 4 + 7 * 7
    for layer, keep in enumerate(kept):
        assert losses[f"masked_ratio_{layer}"] == pytest.approx(1 - keep[valid].mean().item())


def test_a_larger_tau_masks_less(tiny_model: Any, batch: Batch) -> None:
    def ratio_after_training(tau: float) -> float:
        defence = attached(tiny_model, tau=tau)
        optimizer = torch.optim.AdamW(defence.parameters(), lr=1e-2)
        for _ in range(30):
            losses = defence.backward(tiny_model, batch)
            optimizer.step()
            optimizer.zero_grad()
        defence.detach()
        return float(losses["masked_ratio_0"] + losses["masked_ratio_1"])

    assert ratio_after_training(2.0) < ratio_after_training(0.001)


def test_clean_half_equals_a_plain_forward_pass(tiny_model: Any, batch: Batch) -> None:
    losses = attached(tiny_model).backward(tiny_model, batch)
    plain = F.cross_entropy(tiny_model(**inputs_of(batch)).logits, batch["labels"])
    assert losses["loss"] == pytest.approx(plain.item(), rel=1e-12)
