"""ASA's controls disturb as they say: each differs from ASA by what it does to the second pass, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asa_bench.defences.base import inputs_of
from asa_bench.models.classifier import new_classifier

from .conftest import Build

Batch = dict[str, Tensor]


def attention(model: Any, inputs: Batch) -> tuple[Tensor, ...]:
    with torch.no_grad():
        found: tuple[Tensor, ...] = model(**inputs, output_attentions=True).attentions
    return found


def test_two_passes_differ_by_dropout_alone(tiny_model: Any, batch: Batch, build: Build) -> None:
    defence = build("two-pass")
    defence.attach(tiny_model)
    assert defence.backward(tiny_model, batch)["divergence"] == pytest.approx(0.0, abs=1e-15)
    assert defence.backward(tiny_model.train(), batch)["divergence"] > 1e-6


def test_s_attend_hides_whole_words_from_all_and_no_special_token(tiny_model: Any, batch: Batch, build: Build) -> None:
    torch.manual_seed(0)
    defence: Any = build("s-attend", probability=0.4)
    defence.attach(tiny_model)
    tokens, special = batch["attention_mask"].bool(), batch["special_tokens_mask"].bool()
    hidden, seen = 0, 0
    for _ in range(50):
        with defence.disturbing(tiny_model, batch):
            found = attention(tiny_model, inputs_of(batch))
        for layer in found:
            dark = (layer == 0).all(dim=1)  # (B, L, L): by all heads
            assert torch.equal(dark, dark[:, :1].expand_as(dark))  # a column is dark to all queries, or to none
            assert torch.equal(dark.any(dim=1), (layer == 0).any(dim=1).any(dim=1))
            assert not dark[:, 0][special & tokens].any()
            hidden += int(dark[:, 0][tokens & ~special].sum())
            seen += int((tokens & ~special).sum())
    assert hidden / seen == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("sharpness", [0.5, 0.25])
def test_smoothing_scales_every_score(tiny_model: Any, batch: Batch, build: Build, sharpness: float) -> None:
    """In the first layer, whose input is the clean one: attention² or ⁴ is the clean one, normalised."""
    defence: Any = build("smoothing-bias", sharpness=sharpness)
    defence.attach(tiny_model)
    clean = attention(tiny_model, inputs_of(batch))
    with defence.disturbing(tiny_model, batch):
        smooth = attention(tiny_model, inputs_of(batch))
    sharpened = smooth[0] ** (1 / sharpness)
    assert torch.allclose(sharpened / sharpened.sum(dim=-1, keepdim=True), clean[0], rtol=0, atol=1e-12)
    assert not torch.allclose(smooth[0], clean[0], atol=1e-3)


@pytest.mark.parametrize("method", ["two-pass", "random-mask", "s-attend", "smoothing-bias"])
def test_a_control_computes_the_same_under_sdpa(tiny_encoder: Path, batch: Batch, build: Build, method: str) -> None:
    def result(kernel: str) -> tuple[dict[str, float], Tensor]:
        model = new_classifier(tiny_encoder, ("neg", "pos"), 0, kernel, 40)[0].eval().double()
        defence = build(method)
        defence.attach(model)
        torch.manual_seed(0)
        losses = defence.backward(model, batch)
        return losses, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    (eager, gradient), (sdpa, same) = result("eager"), result("sdpa")
    assert sdpa == pytest.approx(eager, rel=1e-9, abs=1e-14)
    assert torch.allclose(same, gradient, rtol=0, atol=1e-9)


def test_a_random_mask_spares_special_tokens_where_its_model_does(tiny_model: Any, batch: Batch, build: Build) -> None:
    torch.manual_seed(0)
    defence: Any = build("random-mask", protect_special=True)
    defence.attach(tiny_model)
    columns = [defence.backward(tiny_model, batch) for _ in range(50)]
    assert sum(column["masked_ratio_0"] for column in columns) / 50 == pytest.approx(0.5, abs=0.03)
    special = batch["special_tokens_mask"].bool()[:, None, None, :]
    assert (defence._kept[0][special.expand_as(defence._kept[0])] == 1).all()


def test_a_random_mask_has_its_models_dose_in_each_layer(tiny_model: Any, batch: Batch, build: Build) -> None:
    torch.manual_seed(0)
    defence = build("random-mask")  # half of the units in layer 0, a tenth in layer 1, in 50 steps
    defence.attach(tiny_model)
    columns = [defence.backward(tiny_model, batch) for _ in range(50)]
    means = [sum(column[f"masked_ratio_{layer}"] for column in columns) / 50 for layer in (0, 1)]
    assert means == pytest.approx([0.5, 0.1], abs=0.03)
    assert len({column["masked_ratio_0"] for column in columns}) > 10
