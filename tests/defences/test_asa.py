from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from asa_bench.core.errors import InputError
from asa_bench.core.seeding import seed_everything
from asa_bench.defences import build_defence, consistency
from asa_bench.defences.asa import ASA, Adversary, ASASettings, binarise, reverse_gradient, thresholds
from asa_bench.defences.base import inputs_of
from asa_bench.defences.consistency import symmetric_kl
from asa_bench.defences.training import Descent, TrainSettings
from asa_bench.models.classifier import new_classifier
from tests.models.families import padded_batch, tiny

Batch = dict[str, Tensor]


def attached(model: Any, method: str = "asa", **settings: Any) -> Any:
    seed_everything(0)
    defence = build_defence(method, settings, "test")
    defence.attach(model)
    return defence


def naive_mask(scores: Tensor) -> Tensor:
    """1 where a score is positive, else 0; its gradient is minus that of the sigmoid."""
    soft = scores.sigmoid()
    return (scores > 0).double() + (soft.detach() - soft)  # the brackets keep it exactly 0 or 1


def naive_units(batch: Batch, *, leaks: bool, special: bool) -> Tensor:
    """1 for each pair of tokens that counts, ``(B, 1, L, L)``, by loops."""
    ids, real, spared = batch["input_ids"], batch["attention_mask"], batch["special_tokens_mask"]
    units = torch.zeros(len(ids), 1, *[ids.shape[1]] * 2, dtype=torch.float64)
    for row in range(len(ids)):
        for query in range(ids.shape[1]):
            for key in range(ids.shape[1]):
                both = bool(real[row, query] and real[row, key])
                units[row, 0, query, key] = (leaks or both) and not (special and spared[row, key])
    return units


def reference(
    model: Any, adversaries: Any, batch: Batch, *, heads: int = 1, leaks: bool = False, special: bool = False
) -> Any:
    """ASA on BERT or RoBERTa with explicit attention, two passes, no hooks: a naive reading of the formulas.

    Returns the clean logits, the masked logits and the kept units per layer ``(B, heads, L, L)``.
    """
    bert, present = model.base_model, batch["attention_mask"][:, None, None, :].double()
    padding = (1 - present) * torch.finfo(torch.float64).min

    def split(x: Tensor, parts: int) -> Tensor:
        return x.view(*x.shape[:2], parts, -1).transpose(1, 2)

    def encode(masked: bool) -> tuple[Tensor, list[Tensor]]:
        hidden, kept = bert.embeddings(input_ids=batch["input_ids"]), []
        for index, layer in enumerate(bert.encoder.layer):
            attention, width = layer.attention.self, model.config.num_attention_heads
            q, k, v = (split(part(hidden), width) for part in (attention.query, attention.key, attention.value))
            scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
            if masked and str(index) in adversaries:
                source, adversary = hidden.detach(), adversaries[str(index)]
                a, b = (split(part(source), heads) for part in (adversary.query, adversary.key))
                wanted = a @ b.transpose(2, 3) / a.shape[-1] ** 0.5
                keep = naive_mask(wanted + (1 - present) * -10_000.0 if leaks else wanted)
                if special:
                    keep = keep.masked_fill(batch["special_tokens_mask"].bool()[:, None, None, :], 1.0)
                kept.append(keep)
                bias = (1 - keep) * -10_000.0
                if leaks:  # the authors' code for BERT sets masked scores, that for RoBERTa lowers them
                    scores = (scores if "roberta" in model.config.model_type else scores * (bias >= 0)) + bias
                else:
                    scores = scores + padding + bias
            else:
                scores = scores + padding
            mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
            attended = layer.attention.output(mixed, hidden)
            hidden = layer.output(layer.intermediate(attended), attended)
        return model.classifier(hidden if bert.pooler is None else bert.pooler(hidden)), kept

    clean, _ = encode(masked=False)
    return clean, *encode(masked=True)


def naive_divergence(clean: Tensor, masked: Tensor, kind: str) -> Tensor:
    p, q = clean.softmax(-1), masked.softmax(-1)
    if kind == "one-sided":
        return (p.detach() * (p.detach() / q).log()).sum(-1).mean()
    return 0.5 * ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean()


def naive_penalty(kept: list[Tensor], units: Tensor, penalty: str) -> Tensor:
    """Loops over layers, examples and heads."""
    total, count = torch.zeros((), dtype=torch.float64), len(units) * kept[0].shape[1]
    for keep in kept:
        for example, valid in zip(keep, units, strict=True):
            for head in example:
                inside = (head * valid[0]).sum()
                total = total + (0.25 * inside if penalty == "sum" else 30.0 * inside / valid.sum()) / count
    return total


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("asa", {}),
    ("asa-ratio", {}),
    ("asa-official", {}),
    ("asa", {"mask_scope": "per-head"}),
    ("asa-ratio", {"mask_scope": "per-head"}),
    ("asa", {"protect_special": True}),
    ("asa-ratio", {"protect_special": True}),
    ("asa", {"layers": (1,)}),
    ("asa-ratio", {"divergence": "one-sided"}),
]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(("method", "settings"), VARIANTS)
def test_loss_and_all_gradients_equal_a_naive_reference(
    tiny_encoder: Any, batch: Batch, method: str, settings: dict[str, Any], attention: str
) -> None:
    model = new_classifier(tiny_encoder, ("neg", "pos"), seed=0, attention=attention, max_length=40)[0].eval().double()
    check_against_reference(model, batch, method, settings)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("method", ["asa", "asa-official"])
@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
def test_robertas_equal_a_naive_reference(family: str, method: str, attention: str) -> None:
    model = tiny(family, attention)
    check_against_reference(model, padded_batch(model), method, {})


def check_against_reference(model: Any, batch: Batch, method: str, settings: dict[str, Any]) -> None:
    """Each term of the loss and every gradient, in a batch in which rows are masked altogether."""
    defence = attached(model, method, **settings)
    for adversary in defence._adversaries.values():
        adversary.query.bias.data += 0.3  # rows that are masked altogether, too
    losses = defence.backward(model, batch)
    owned = [*model.parameters(), *defence.parameters()]
    found = [p.grad.clone() for p in owned if p.grad is not None]
    for parameter in owned:
        parameter.grad = None
    leaks, special = method == "asa-official", defence.settings.protect_special
    heads = model.config.num_attention_heads if "mask_scope" in settings else 1
    clean, masked, kept = reference(model, defence._adversaries, batch, heads=heads, leaks=leaks, special=special)
    assert len(kept) == len(settings.get("layers", model.base_model.encoder.layer))
    assert any((keep.sum(dim=-1) == 0).any() for keep in kept) == (not special and "layers" not in settings)
    penalty = naive_penalty(kept, naive_units(batch, leaks=leaks, special=special), defence.settings.penalty)
    divergence = naive_divergence(clean, masked, defence.settings.divergence)
    (F.cross_entropy(clean, batch["labels"]) + divergence + penalty).backward()
    expected = [p.grad for p in owned if p.grad is not None]
    terms = {"loss": F.cross_entropy(clean, batch["labels"]), "divergence": divergence, "penalty": penalty}
    assert {name: losses[name] for name in terms} == pytest.approx(
        {name: term.item() for name, term in terms.items()}, rel=1e-9, abs=1e-14
    )
    assert len(found) == len(expected)
    for mine, naive in zip(found, expected, strict=True):
        assert torch.allclose(mine, naive, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("family", "share"), [("bert", 1 / 9), ("roberta", 0.0)])
def test_what_padding_gets_of_a_row_that_leaks_where_all_is_masked(family: str, share: float) -> None:
    """In views and for attacks that know the adversary; nine tokens."""
    model = tiny(family, "eager")
    batch = padded_batch(model, (9, 6))
    defence = attached(model, "asa-official")
    for adversary in defence._adversaries.values():
        adversary.query.bias.data += 10.0
        adversary.key.bias.data -= 10.0
    with defence.disturbing(model, batch):
        first = model(**inputs_of(batch), output_attentions=True).attentions[0]
    assert torch.allclose(first[1, :, :, 6:], torch.full_like(first[1, :, :, 6:], share))


class Relaxed(ASA):
    """ASA whose mask stays between 0 and 1, so that its objective can be differentiated by differences."""

    @override
    def _keep(self, layer: int, hidden: Tensor) -> Tensor | None:
        if layer not in self._layers:
            return None
        return reverse_gradient(self._adversaries[str(layer)](hidden.detach()).sigmoid(), self.settings.reversal)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("term", ["divergence", "sum", "ratio"])
def test_the_adversarys_gradient_is_minus_the_finite_difference(
    tiny_model: Any, batch: Batch, term: Any, layer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along a random direction, each term by itself: the penalty is far larger than the divergence.

    In one layer at a time: by design no gradient goes from a layer's mask into the masks below it.
    """
    monkeypatch.setattr(consistency, "MASKED", -3.0)  # where the softmax is not saturated
    if term == "divergence":
        monkeypatch.setattr(ASA, "_penalty", consistency.Consistency._penalty)
        tiny_model.classifier.weight.data *= 100  # so that masks change the prediction
    else:
        monkeypatch.setattr(ASA, "_divergence", lambda self, disturbed, clean: disturbed.sum() * 0)
    defence = Relaxed(ASASettings(penalty="sum" if term == "divergence" else term, reversal=2.0, layers=(layer,)))
    seed_everything(0)
    defence.attach(tiny_model)
    owned = list(defence.parameters())
    directions = [torch.randn_like(parameter) for parameter in owned]

    def moved_by(step: float) -> float:
        for parameter, direction in zip(owned, directions, strict=True):
            parameter.data += step * direction
        losses = defence.backward(tiny_model, batch)
        return losses["divergence"] + losses["penalty"]

    moved_by(0.0)
    pairs = zip(owned, directions, strict=True)
    gradient = sum((p.grad * d).sum().item() for p, d in pairs if p.grad is not None)
    ahead, behind = moved_by(1e-5), moved_by(-2e-5)
    assert abs(gradient) > 1e-4
    assert gradient == pytest.approx(-2.0 * (ahead - behind) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("mask_scope", ["shared", "per-head"])
def test_no_gradient_leaks_from_the_adversary_into_the_encoder(tiny_model: Any, batch: Batch, mask_scope: str) -> None:
    """With task and divergence cut out, the penalty must reach the adversaries and nothing else."""
    defence = attached(tiny_model, mask_scope=mask_scope)
    seen = {}

    class CaughtError(Exception):
        pass

    def penalty_alone() -> Tensor:
        seen["penalty"] = type(defence)._penalty(defence)
        raise CaughtError

    defence._penalty = penalty_alone
    with pytest.raises(CaughtError):
        defence.backward(tiny_model, batch)
    seen["penalty"].backward()
    assert all(parameter.grad is None for parameter in tiny_model.parameters())
    assert all(parameter.grad is not None for parameter in defence.parameters())


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_adversarys_gradient_is_exactly_reversed(strength: float) -> None:
    torch.manual_seed(0)
    adversary = Adversary(8, 2, 0.5).double()
    hidden = torch.randn(2, 5, 8, dtype=torch.float64)

    def gradient(reverse: bool) -> Tensor:
        adversary.zero_grad()
        keep = binarise(adversary(hidden))
        ((reverse_gradient(keep, strength) if reverse else keep) ** 2).sum().backward()
        return adversary.query.weight.grad.clone()  # type: ignore[union-attr]

    assert torch.equal(gradient(reverse=True), -strength * gradient(reverse=False))


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


def test_one_sided_divergence_is_kl_from_a_fixed_clean_prediction(tiny_model: Any, batch: Batch) -> None:
    defence = attached(tiny_model, divergence="one-sided")
    clean, masked = torch.randn(2, 4, 3, requires_grad=True).unbind()
    found = defence._divergence(masked, clean)
    p, q = clean.softmax(-1), masked.softmax(-1)
    assert found.item() == pytest.approx((p * (p / q).log()).sum(-1).mean().item(), rel=1e-5)
    assert torch.autograd.grad(found, clean, allow_unused=True)[0] is None


def test_masked_ratio_is_the_mean_share_of_each_examples_units(tiny_model: Any, batch: Batch) -> None:
    defence = attached(tiny_model)
    losses = defence.backward(tiny_model, batch)
    _, _, kept = reference(tiny_model, defence._adversaries, batch)
    lengths = [6, 4, 7]
    assert len(kept) == 2
    for layer, keep in enumerate(kept):
        shares = [1 - keep[i, 0, :n, :n].mean().item() for i, n in enumerate(lengths)]
        assert losses[f"masked_ratio_{layer}"] == pytest.approx(sum(shares) / 3)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("asa", {"ratio_weight": 9}, 'ratio_weight has no effect with penalty = "sum"'),
        ("asa-ratio", {"tau": 0.1}, 'tau has no effect with penalty = "ratio"'),
        ("asa", {"tau": 0.1, "target_ratio": 0.3}, "tau has no effect with target_ratio"),
        ("asa-ratio", {"ratio_weight": 9, "target_ratio": 0.3}, "ratio_weight has no effect with target_ratio"),
        ("asa-official", {"layers": [1]}, "leaks reproduces the authors' code, which has no layers"),
        ("asa-official", {"protect_special": True}, "leaks reproduces the authors' code, which has no protect_special"),
        ("asa-official", {"target_ratio": 0.2}, "leaks reproduces the authors' code, which has no target_ratio"),
        ("asa-official", {"penalty": "ratio"}, 'leaks reproduces the authors\' code, which has no penalty = "ratio"'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(method: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(f'suite.toml: defence[2]: {message}')}$"):
        build_defence(method, settings, "suite.toml", "defence[2].")


@pytest.mark.parametrize("setting", [{"tau": 0.001}, {"penalty": "ratio", "ratio_weight": 0.001}])
def test_a_larger_penalty_masks_less(tiny_model: Any, batch: Batch, setting: dict[str, Any]) -> None:
    def ratio_after_training(**settings: Any) -> float:
        defence = attached(tiny_model, **settings)
        optimizer = torch.optim.AdamW(defence.parameters(), lr=1e-2)
        for _ in range(30):
            losses = defence.backward(tiny_model, batch)
            optimizer.step()
            optimizer.zero_grad()
        return float(losses["masked_ratio_0"] + losses["masked_ratio_1"])

    weak = next(key for key in setting if key != "penalty")
    assert ratio_after_training(**{**setting, weak: 100.0}) < ratio_after_training(**setting)


@pytest.mark.parametrize("mask_scope", ["shared", "per-head"])
def test_a_target_ratio_is_met_by_every_example(tiny_model: Any, batch: Batch, mask_scope: str) -> None:
    defence = attached(tiny_model, target_ratio=0.25, mask_scope=mask_scope)
    losses = defence.backward(tiny_model, batch)
    assert losses["penalty"] == 0.0
    for keep in defence._kept.values():
        for row, length in zip(keep, (6, 4, 7), strict=True):
            masked = (1 - row[:, :length, :length]).sum(dim=(1, 2))
            assert masked.tolist() == [round(0.25 * length**2)] * len(row)


def test_a_target_of_less_than_one_unit_masks_nothing() -> None:
    scores = torch.tensor([[[[3.0, -1.0], [0.5, 2.0]]]])
    assert thresholds(scores, torch.ones(1, 1, 2, 2), 0.1).item() == -torch.inf
    assert thresholds(scores, torch.ones(1, 1, 2, 2), 0.5).item() == 0.5


def test_gumbel_noise_makes_the_mask_a_draw(tiny_model: Any, batch: Batch) -> None:
    def ratios(binarisation: str) -> list[float]:
        defence = attached(tiny_model, binarisation=binarisation)
        return [defence.backward(tiny_model, batch)["masked_ratio_0"] for _ in range(2)]

    first, second = ratios("deterministic")
    assert first == second
    first, second = ratios("gumbel")
    assert first != second


def test_a_gumbel_mask_keeps_a_unit_with_the_sigmoid_of_its_score(tiny_model: Any, batch: Batch) -> None:
    defence = attached(tiny_model, binarisation="gumbel", layers=[0])
    adversary = defence._adversaries["0"]
    for parameter in adversary.parameters():
        parameter.data.zero_()
    adversary.query.bias.data += 0.5
    adversary.key.bias.data += 0.5
    score = torch.tensor(0.25 * 32**0.5)
    defence._begin(batch)
    kept = torch.stack([defence._keep(0, torch.zeros(3, 7, 32, dtype=torch.float64)) for _ in range(200)])
    assert kept.unique().tolist() == [0.0, 1.0]
    assert kept.mean().item() == pytest.approx(score.sigmoid().item(), abs=0.01)


def test_special_tokens_can_be_protected(tiny_model: Any, batch: Batch) -> None:
    defence = attached(tiny_model, protect_special=True, target_ratio=0.5)
    defence.backward(tiny_model, batch)
    special = batch["special_tokens_mask"].bool()[:, None, None, :]
    for keep in defence._kept.values():
        assert (keep[special.expand_as(keep)] == 1).all()
        assert (keep == 0).any()


def test_a_subset_of_layers_masks_those_alone(tiny_model: Any, batch: Batch) -> None:
    losses = attached(tiny_model, layers=[1]).backward(tiny_model, batch)
    assert [name for name in losses if name.startswith("masked")] == ["masked_ratio_1"]


def test_a_layer_that_is_not_there_is_named(tiny_model: Any) -> None:
    with pytest.raises(InputError, match=r"^layers: expected 0 to 1 for this encoder, got \[1, 2\]$"):
        attached(tiny_model, layers=[1, 2])


def test_clean_half_equals_a_plain_forward_pass(tiny_model: Any, batch: Batch) -> None:
    losses = attached(tiny_model).backward(tiny_model, batch)
    plain = F.cross_entropy(tiny_model(**inputs_of(batch)).logits, batch["labels"])
    assert losses["loss"] == pytest.approx(plain.item(), rel=1e-12)


@pytest.mark.parametrize(("settings", "rate"), [({}, 5e-5), ({"adversary_learning_rate": 1e-3}, 1e-3)])
def test_the_adversary_can_have_a_learning_rate_of_its_own(
    tiny_model: Any, settings: dict[str, Any], rate: float
) -> None:
    defence = attached(tiny_model, **settings)
    groups = Descent(tiny_model, defence, TrainSettings(learning_rate=5e-5), steps=1).optimizer.param_groups
    own = {id(parameter) for parameter in defence.parameters()}
    peaks = [(group["initial_lr"], {id(p) in own for p in group["params"]}) for group in groups]
    assert peaks == [(5e-5, {False}), (5e-5, {False}), (rate, {True}), (rate, {True})]
