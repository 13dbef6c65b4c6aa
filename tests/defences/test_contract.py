"""What every defence in the registry must keep, so that a new one is tested by being there."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from asa_bench.core.errors import InputError
from asa_bench.core.seeding import seed_everything
from asa_bench.defences import DEFENCES, build_defence
from tests.defences.conftest import Build

Batch = dict[str, Tensor]
METHODS = sorted(DEFENCES)
WITHOUT_CHANCE = {
    **{name: {"init_magnitude": 0.0} for name in ("freelb", "freelb++", "pgd", "tavat")},
    **{name: {"noise": 0.0} for name in ("smart", "creat")},
}
"""Settings under which a method draws nothing that has the shape of the padded batch."""
SMALL = {"fgm": {"epsilon": 0.2}}
"""Radii that suit an encoder of 32 dimensions and texts of four words."""
PADDING_COUNTS = {"asa-official"}
DRAWN_BY_SHAPE = {"random-mask", "s-attend"}


def one_backward(defence: Any, model: Any, batch: Batch) -> dict[str, float]:
    defence.attach(model)
    losses = defence.backward(model, batch)
    defence.detach()
    return dict(losses)


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_falls(name: str, build: Build, tiny_model: Any, batch: Batch) -> None:
    seed_everything(0)
    defence = build(name, **SMALL.get(name, {}))
    defence.attach(tiny_model)
    optimizer = torch.optim.AdamW([*tiny_model.parameters(), *defence.parameters()], lr=5e-3)
    losses = []
    for _ in range(40):
        losses.append(defence.backward(tiny_model, batch)["loss"])
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_added_never_replaced(name: str, build: Build, tiny_model: Any, batch: Batch) -> None:
    def gradients(times: int) -> list[Tensor]:
        tiny_model.zero_grad()
        for _ in range(times):
            seed_everything(5)
            one_backward(build(name), tiny_model, batch)
        return [parameter.grad for parameter in tiny_model.parameters() if parameter.grad is not None]

    for once, twice in zip(gradients(1), gradients(2), strict=True):
        assert torch.allclose(2 * once, twice, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_the_model_stays_in_its_mode(name: str, build: Build, tiny_model: Any, batch: Batch, *, training: bool) -> None:
    tiny_model.train(training)
    one_backward(build(name), tiny_model, batch)
    assert all(module.training is training for module in tiny_model.modules())


@pytest.mark.parametrize("name", METHODS)
def test_the_model_is_as_it_was_afterwards(name: str, build: Build, tiny_model: Any, batch: Batch) -> None:
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    before, keys = tiny_model(**inputs).logits, set(tiny_model.state_dict())
    one_backward(build(name), tiny_model, batch)
    assert torch.equal(tiny_model(**inputs).logits, before)
    assert set(tiny_model.state_dict()) == keys
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny_model.modules())


@pytest.mark.parametrize("name", sorted(set(METHODS) - PADDING_COUNTS - DRAWN_BY_SHAPE))
def test_padding_does_not_change_the_loss(name: str, build: Build, tiny_model: Any, batch: Batch) -> None:
    long = {key: tensor[1:2].repeat(2, *[1] * (tensor.ndim - 1)) for key, tensor in batch.items()}
    short = {key: tensor[:, :4] if tensor.ndim > 1 else tensor for key, tensor in long.items()}
    settings = WITHOUT_CHANCE.get(name, {})
    losses = []
    for padded in (short, long):
        seed_everything(1)
        defence = build(name, **settings)
        defence.attach(tiny_model)
        losses.append(defence.backward(tiny_model, padded))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_unknown_settings_are_named(name: str) -> None:
    with pytest.raises(InputError, match=r"^suite.toml: unknown key 'defence\[1\].epsilonn'"):
        build_defence(name, {"epsilonn": 1.0}, "suite.toml", "defence[1].")


@pytest.mark.parametrize("name", METHODS)
def test_numbers_out_of_range_are_named(name: str) -> None:
    entry = DEFENCES[name]
    for field, info in entry.defence.Settings.model_fields.items():
        if {int, float} & {info.annotation, *get_args(info.annotation)}:
            with pytest.raises(InputError, match=rf"^suite.toml: {field}: expected >=? [01], got -1$"):
                build_defence(name, {field: -1}, "suite.toml")
            with pytest.raises(InputError, match=rf"^suite.toml: {field}: expected .*, got nan$"):
                build_defence(name, {field: float("nan")}, "suite.toml")
