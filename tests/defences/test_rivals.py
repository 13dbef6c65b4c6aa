"""Methods that perturb word embeddings or change the loss alone: their steps, seen from outside, and what is learnt."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from asa_bench.core.seeding import seed_everything
from asa_bench.defences import DEFENCES, build_defence
from asa_bench.defences.base import inputs_of, perturbed
from asa_bench.defences.consistency import symmetric_kl
from asa_bench.defences.perturbation import row_norms
from asa_bench.defences.tavat import TAVAT, TAVATSettings
from asa_bench.defences.training import labelled_rows
from asa_bench.models.classifier import new_classifier
from asa_bench.suite_file import load_suite
from asa_bench.tasks import Example
from tests.defences.conftest import Build
from tests.models.families import FAMILIES, padded_batch, tiny

Batch = dict[str, Tensor]

DOCS = Path(__file__).parents[2] / "docs"

HARMLESS: dict[str, dict[str, Any]] = {
    "label-smoothing": {"smoothing": 0.0},
    "flooding": {"level": 0.0},
    "fgm": {"weight": 0.0},
    "pgd": {"steps": 1, "step_size": 0.0, "init_magnitude": 0.0},
    "freelb": {"steps": 1, "init_magnitude": 0.0},
    "freelb++": {"steps": 1, "init_magnitude": 0.0},
    "smart": {"weight": 0.0},
    "creat": {"step_size": 0.0, "noise": 0.0},
    "tavat": {"steps": 1, "init_magnitude": 0.0},
}
"""Settings under which a method is the baseline."""

CLIMBING = ["fgm", "pgd", "freelb", "smart", "creat", "tavat"]
"""Methods that perturb word embeddings; freelb++ is freelb."""


def gradients(name: str, settings: dict[str, Any], model: Any, batch: Batch) -> list[Tensor]:
    """The gradient of one batch, of each parameter that has one."""
    model.zero_grad()
    defence = build_defence(name, settings, "test")
    defence.attach(model)
    defence.backward(model, batch)
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def deltas(name: str, settings: dict[str, Any], model: Any, batch: Batch) -> list[Tensor]:
    """What one batch's forward passes add to the word embeddings, in their order."""
    seen: list[Tensor] = []

    def look(_: Any, arguments: Any, options: dict[str, Any]) -> None:
        if "inputs_embeds" in options:
            seen.append((options["inputs_embeds"] - model.get_input_embeddings()(batch["input_ids"])).detach())

    hook = model.register_forward_pre_hook(look, with_kwargs=True)
    seed_everything(3)
    gradients(name, settings, model, batch)
    hook.remove()
    return seen


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", HARMLESS)
def test_without_its_effect_a_method_is_the_baseline_bit_for_bit(name: str, family: str) -> None:
    model = tiny(family, "eager")
    batch = padded_batch(model)
    expected = gradients("baseline", {}, model, batch)
    found = gradients(name, HARMLESS[name], model, batch)
    assert len(found) == len(expected)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", sorted(DEFENCES))
def test_every_method_trains_every_encoder_family(name: str, family: str, build: Build) -> None:
    model = tiny(family, "eager")
    defence = build(name)
    defence.attach(model)
    seed_everything(0)
    defence.backward(model, padded_batch(model))
    found = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in found)
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", sorted(DEFENCES))
def test_every_method_trains_on_pairs(name: str, build: Build, tiny_encoder: Path) -> None:
    model, tokenizer = new_classifier(tiny_encoder, ("a", "b"), 0, "eager", 40)
    examples = [Example("1", ("the good film", "a plot"), 0), Example("2", ("the film", "this is a dull story"), 1)]
    pairs = dict(tokenizer.pad(labelled_rows(tokenizer, examples, 40), return_tensors="pt"))
    defence = build(name)
    defence.attach(model)
    defence.backward(model.eval(), pairs)
    gradient = model.bert.embeddings.token_type_embeddings.weight.grad
    assert gradient.isfinite().all()
    assert gradient[1].abs().sum() > 0  # that a word is of the second text


@pytest.mark.parametrize("name", CLIMBING)
def test_padding_stays_unperturbed(name: str) -> None:
    """Also in a model whose convolution lets the last token see padding."""
    model = tiny("deberta-v2", "eager", conv_kernel_size=3)
    batch = padded_batch(model)
    seen = deltas(name, {}, model, batch)
    assert seen[-1].abs().max() > 0
    for delta in seen:
        assert delta[batch["attention_mask"] == 0].abs().sum() == 0


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("pgd", {"max_norm": 0.04}),
        ("freelb", {"max_norm": 0.04}),
        ("creat", {"steps": 3, "max_norm": 0.04}),
        ("tavat", {"steps": 4, "max_norm": 0.04}),
    ],
)
def test_the_perturbation_stays_in_its_ball(name: str, settings: dict[str, Any], tiny_model: Any, batch: Batch) -> None:
    start, *climbed = deltas(name, settings, tiny_model, batch)
    assert len(climbed) >= 2
    assert name != "tavat" or row_norms(start).max() <= 0.04 * (1 + 1e-9)
    for delta in climbed:
        assert row_norms(delta).max() <= 0.04 * (1 + 1e-9)


def test_smarts_ball_is_of_the_infinity_norm(tiny_model: Any, batch: Batch) -> None:
    free, bounded = (deltas("smart", {"steps": 3, **own}, tiny_model, batch)[-1] for own in ({}, {"max_norm": 0.0015}))
    assert free.abs().max() == pytest.approx(0.003, rel=0.05)
    assert bounded.abs().max() <= 0.0015 * (1 + 1e-9)


def loss_at(model: Any, batch: Batch, delta: Tensor) -> Tensor:
    return F.cross_entropy(perturbed(model, batch, delta).logits, batch["labels"])


def divergence_at(model: Any, batch: Batch, delta: Tensor) -> Tensor:
    clean = model(**inputs_of(batch)).logits.log_softmax(dim=-1)
    found = perturbed(model, batch, delta).logits.log_softmax(dim=-1)
    apart: Tensor = (clean.exp() * (clean - found)).sum(dim=-1).mean()  # KL(clean‖perturbed)
    return apart


def loss_and_turn_at(model: Any, batch: Batch, delta: Tensor) -> Tensor:
    clean = model(**inputs_of(batch), output_hidden_states=True).hidden_states[-1][:, 0]
    found = perturbed(model, batch, delta, output_hidden_states=True).hidden_states[-1][:, 0]
    cosine: Tensor = (clean * found).sum(dim=-1) / (clean.norm(dim=-1) * found.norm(dim=-1))
    return loss_at(model, batch, delta) - cosine.mean()


OBJECTIVES: dict[str, Callable[[Any, Batch, Tensor], Tensor]] = {
    "smart": divergence_at,
    "creat": loss_and_turn_at,
}
"""What a method climbs, where it is not the task's loss."""

SHORT_STEPS: dict[str, dict[str, Any]] = {
    "fgm": {"epsilon": 0.05},
    "smart": {"steps": 4, "step_size": 0.0005},
    "creat": {"steps": 4, "step_size": 0.02, "noise": 1e-4},
    **{name: {"steps": 4, "step_size": 0.02, "init_magnitude": 0.01} for name in ("pgd", "freelb", "tavat")},
}
"""Steps so short that each of them must rise."""


@pytest.mark.parametrize("name", CLIMBING)
def test_the_inner_objective_rises(name: str, tiny_model: Any, batch: Batch) -> None:
    seen = deltas(name, SHORT_STEPS[name], tiny_model, batch)
    objective = OBJECTIVES.get(name, loss_at)
    values = [float(objective(tiny_model, batch, delta).detach()) for delta in seen]
    assert values[-1] > values[0] + 1e-7
    assert values == sorted(values)


def test_pgd_learns_the_end_of_its_climb_alone(tiny_model: Any, batch: Batch) -> None:
    end = deltas("pgd", {}, tiny_model, batch)[-1]
    seed_everything(3)
    found = gradients("pgd", {}, tiny_model, batch)
    assert_learnt(loss_at(tiny_model, batch, end), found, tiny_model)


def test_smart_learns_the_clean_loss_and_both_divergences(tiny_model: Any, batch: Batch) -> None:
    end = deltas("smart", {}, tiny_model, batch)[-1]
    seed_everything(3)
    found = gradients("smart", {"weight": 3.0}, tiny_model, batch)
    clean = tiny_model(**inputs_of(batch)).logits
    apart = 2 * symmetric_kl(clean, perturbed(tiny_model, batch, end).logits)
    assert_learnt(F.cross_entropy(clean, batch["labels"]) + 3 * apart, found, tiny_model)


def test_creat_learns_clean_and_perturbed_in_equal_parts(tiny_model: Any, batch: Batch) -> None:
    end = deltas("creat", {}, tiny_model, batch)[-1]
    seed_everything(3)
    found = gradients("creat", {}, tiny_model, batch)
    expected = 0.5 * (loss_at(tiny_model, batch, torch.zeros_like(end)) + loss_at(tiny_model, batch, end))
    assert_learnt(expected, found, tiny_model)


def test_fgm_learns_clean_and_perturbed(tiny_model: Any, batch: Batch) -> None:
    end = deltas("fgm", {"epsilon": 0.3}, tiny_model, batch)[-1]
    assert torch.allclose(row_norms(end), torch.full((3, 1, 1), 0.3, dtype=torch.float64))
    found = gradients("fgm", {"epsilon": 0.3}, tiny_model, batch)
    expected = loss_at(tiny_model, batch, torch.zeros_like(end)) + loss_at(tiny_model, batch, end)
    assert_learnt(expected, found, tiny_model)


@pytest.mark.parametrize("name", ["freelb", "tavat"])
def test_every_step_of_the_path_is_learnt(name: str, tiny_model: Any, batch: Batch) -> None:
    path = deltas(name, {"steps": 3}, tiny_model, batch)
    seed_everything(3)
    found = gradients(name, {"steps": 3}, tiny_model, batch)
    assert len(path) == 3
    assert_learnt(torch.stack([loss_at(tiny_model, batch, delta) for delta in path]).mean(), found, tiny_model)


def test_label_smoothing_learns_softened_labels(tiny_model: Any, batch: Batch) -> None:
    found = gradients("label-smoothing", {"smoothing": 0.2}, tiny_model, batch)
    logarithms = tiny_model(**inputs_of(batch)).logits.log_softmax(dim=-1)
    targets = torch.full_like(logarithms, 0.1)
    targets[torch.arange(3), batch["labels"]] += 0.8
    assert_learnt(-(targets * logarithms).sum(dim=-1).mean(), found, tiny_model)


def test_r_drop_learns_the_task_twice_and_the_agreement(tiny_model: Any, batch: Batch) -> None:
    tiny_model.train()
    seed_everything(3)
    found = gradients("r-drop", {"weight": 2.0}, tiny_model, batch)
    seed_everything(3)
    twice = {name: torch.cat([tensor, tensor]) for name, tensor in inputs_of(batch).items()}
    first, second = tiny_model(**twice).logits.chunk(2)
    assert not torch.allclose(first, second)
    task = (F.cross_entropy(first, batch["labels"]) + F.cross_entropy(second, batch["labels"])) / 2
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    apart = F.kl_div(p, q, reduction="batchmean", log_target=True)
    apart = (apart + F.kl_div(q, p, reduction="batchmean", log_target=True)) / 2
    assert_learnt(task + 2 * apart, found, tiny_model)


@pytest.mark.parametrize(("level", "sign"), [(0.0, 1.0), (5.0, -1.0)])
def test_flooding_climbs_under_its_level(tiny_model: Any, batch: Batch, level: float, sign: float) -> None:
    expected = gradients("baseline", {}, tiny_model, batch)
    found = gradients("flooding", {"level": level}, tiny_model, batch)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(sign * one, other)


def assert_learnt(loss: Tensor, found: list[Tensor], model: Any) -> None:
    """``found`` is the gradient of ``loss``."""
    model.zero_grad()
    loss.backward()
    expected = [p.grad for p in model.parameters() if p.grad is not None]
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-12)


def test_every_method_stands_in_the_documentation() -> None:
    pages = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("defences.md", "suites.md"))
    assert [name for name in DEFENCES if f"| `{name}` |" not in pages] == []


def test_the_documented_method_of_ones_own_works(tiny_model: Any, batch: Batch) -> None:
    (code,) = re.findall(r'```python\n("""Embedding noise.*?)```', (DOCS / "defences.md").read_text(), re.DOTALL)
    module: dict[str, Any] = {"__name__": "noise"}
    exec(code, module)
    assert module["Noise"](module["NoiseSettings"](deviation=0.0)).backward(tiny_model, batch) == build_defence(
        "baseline", {}, "test"
    ).backward(tiny_model, batch)


def test_tavat_remembers_the_mean_over_a_tokens_places(tiny_model: Any) -> None:
    defence = TAVAT(TAVATSettings())
    defence.attach(tiny_model)
    before = defence.state()["table"].clone()
    ids, mask = torch.tensor([[2, 7, 7], [2, 8, 7]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    left = torch.arange(6.0, dtype=before.dtype).view(2, 3, 1).expand(2, 3, before.shape[1])
    defence._remember(ids, mask, left)
    expected = before.clone()
    expected[2], expected[7], expected[8] = 1.5, 1.5, 4.0
    assert torch.equal(defence.state()["table"], expected)


def test_the_suite_of_defences_has_all_of_them() -> None:
    assert {entry.method for entry in load_suite("defences").suite.defence} == set(DEFENCES)


def test_tavat_starts_a_token_where_it_was_left(tiny_model: Any, batch: Batch) -> None:
    defence = build_defence("tavat", {"init_magnitude": 0.0, "steps": 3}, "test")
    defence.attach(tiny_model)
    defence.backward(tiny_model, batch)
    table = defence.state()["table"]
    seen = batch["input_ids"][batch["attention_mask"].bool()].unique()
    assert (table[seen].norm(dim=-1) > 0).all()
    assert table.norm(dim=-1).count_nonzero() == len(seen)
    starts: list[Tensor] = []
    hook = tiny_model.register_forward_pre_hook(
        lambda _, arguments, options: starts.append(options["inputs_embeds"].detach()), with_kwargs=True
    )
    left = table.clone()
    defence.backward(tiny_model, batch)
    hook.remove()
    embedded = tiny_model.get_input_embeddings()(batch["input_ids"])
    shared = (starts[0] - embedded)[:, 0]  # the first token of all rows is [CLS]
    assert torch.allclose(shared, left[2].expand(3, -1), atol=1e-15)
