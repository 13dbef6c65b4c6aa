"""ASA: adversarial self-attention. Cost 2F + 2B, as one concatenated pass of 2B rows.

Wu et al. 2023, arXiv 2206.12608. An adversary per layer, two linear maps on the layer's input, decides which (query,
key) units of attention to mask. The model minimises task loss and the divergence between its clean and its masked
prediction; the adversary maximises that divergence, and is penalised for masking. A gradient reversal merges both into
one backward pass. After training the adversary is dropped.

Mended against the authors' code, unless ``leaks`` is set: padding neither counts in the penalty nor can be attended to
from a fully masked row. docs/asa.md lists every deviation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from typing_extensions import override

from asa_bench.core.errors import InputError
from asa_bench.core.validation import Settings
from asa_bench.defences.base import Batch, Losses, number
from asa_bench.defences.consistency import MASKED, Masking, kept_shares
from asa_bench.models.score_bias import Adjustment, attention_layers

LOWERED = ("roberta", "xlm-roberta")
"""Model types on which ``leaks`` lowers a masked score by the constant, as the authors' RoBERTa does; on all others it
is *set* to the constant, as in their BERT."""


class ASASettings(Settings):
    """Settings of ASA; defaults are the authors'."""

    penalty: Literal["sum", "ratio"] = "sum"
    """*sum*: τ² · kept units, summed over layers. *ratio*: weight · kept share, summed over layers. Mean over examples
    and heads."""
    tau: float = Field(default=0.5, gt=0)
    """Temperature τ of the *sum* penalty; the larger, the fewer units are masked."""
    ratio_weight: float = Field(default=30.0, gt=0)
    """Weight of the *ratio* penalty; the larger, the fewer units are masked."""
    target_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Mask just this share of each example's units in each layer, the lowest scored ones, in place of a penalty: the
    paper's hard constraint. Units of one score share their fate, so that in bf16 it may be a little more."""
    binarisation: Literal["deterministic", "gumbel"] = "deterministic"
    """*gumbel* adds logistic noise to the scores; the authors' code writes such a term and subtracts it again."""
    mask_scope: Literal["shared", "per-head"] = "shared"
    """One mask for all heads of a layer, or one for each."""
    protect_special: bool = False
    """Let [CLS], [SEP] and their like always be attended to."""
    layers: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Layers that are masked, 0 next to the input; all by default."""
    divergence: Literal["symmetric", "one-sided"] = "symmetric"
    """*one-sided*: KL(clean‖masked) with no gradient to the clean prediction."""
    reversal: float = Field(default=1.0, gt=0)
    """Strength of the gradient reversal: what the adversary's gradient is multiplied by, negated. Under AdamW, whose
    steps do not scale with the gradient, it matters little; ``adversary_learning_rate`` does."""
    adversary_learning_rate: float | None = Field(default=None, gt=0)
    """The adversary's peak learning rate; the model's by default."""
    leaks: bool = False
    """Padding as in the authors' code: it counts in the *sum* penalty, and a fully masked row attends to it."""

    @model_validator(mode="after")
    def _no_idle_weight(self) -> Self:
        idle, cause = ["ratio_weight" if self.penalty == "sum" else "tau"], f'penalty = "{self.penalty}"'
        if self.target_ratio is not None:
            idle, cause = ["tau", "ratio_weight"], "target_ratio"
        for name in idle:
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} has no effect with {cause}")
        return self

    @model_validator(mode="after")
    def _leaks_as_published(self) -> Self:
        """The authors' masks take the padding mask's place: units or layers left alone would attend to padding."""
        foreign = {
            "protect_special": self.protect_special,
            "layers": self.layers is not None,
            "target_ratio": self.target_ratio is not None,
            'penalty = "ratio"': self.penalty == "ratio",
        }
        for name, there in foreign.items():
            if self.leaks and there:
                raise ValueError(f"leaks reproduces the authors' code, which has no {name}")
        return self


class Adversary(nn.Module):
    """Scores ``(B, heads, L, L)`` of one layer's attention units from the hidden states ``(B, L, H)`` that enter it."""

    def __init__(self, width: int, heads: int, init_std: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=init_std)
            nn.init.zeros_(linear.bias)

    @override
    def forward(self, hidden: Tensor) -> Tensor:
        query, key = (
            linear(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, L, H / heads)
            for linear in (self.query, self.key)
        )
        scores: Tensor = query @ key.transpose(2, 3)
        exact = torch.promote_types(scores.dtype, torch.float32)  # autocast may have made them bf16
        return scores.to(exact) / math.sqrt(query.shape[-1])


class ASA(Masking[ASASettings]):
    """Trains with the worst learnt mask on attention."""

    Settings = ASASettings

    @property
    @override
    def revision(self) -> int:
        return 2 if self.settings.leaks else 1

    @override
    def check_encoder(self, folder: Path) -> None:
        self._chosen_of(attention_layers(folder))

    def _chosen_of(self, layers: int) -> tuple[int, ...]:
        """The layers to mask in an encoder that has so many."""
        chosen = tuple(range(layers)) if self.settings.layers is None else self.settings.layers
        if not set(chosen) <= set(range(layers)):
            raise InputError(f"layers: expected 0 to {layers - 1} for this encoder, got {list(chosen)}")
        return chosen

    @override
    def attach(self, model: nn.Module) -> None:
        super().attach(model)
        config: Any = model.config
        self._layers = self._chosen_of(self._scores.layers)
        self._sets_scores = self.settings.leaks and config.model_type not in LOWERED
        heads = config.num_attention_heads if self.settings.mask_scope == "per-head" else 1
        std = getattr(config, "initializer_range", 0.02)
        adversaries = {str(layer): Adversary(config.hidden_size, heads, std) for layer in self._layers}
        self._adversaries = nn.ModuleDict(adversaries).to(next(model.parameters()))

    @override
    def parameters(self) -> Iterable[nn.Parameter]:
        return self._adversaries.parameters()

    @property
    @override
    def learning_rate(self) -> float | None:
        return self.settings.adversary_learning_rate

    @override
    def state(self) -> dict[str, Tensor]:
        return dict(self._adversaries.state_dict())

    @override
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._adversaries.load_state_dict(state)

    @override
    def spares_special(self) -> bool:
        return self.settings.protect_special

    @override
    def _keep(self, layer: int, hidden: Tensor) -> Tensor | None:
        if layer not in self._layers:
            return None
        scores = self._adversaries[str(layer)](hidden.detach())
        if self.settings.leaks:  # padding is never kept, whatever the adversary thinks of it
            scores = scores + (1 - self._batch["attention_mask"].to(scores.dtype))[:, None, None, :] * MASKED
        if self.settings.binarisation == "gumbel":
            scores = scores + torch.rand_like(scores).clamp(1e-6, 1 - 1e-6).logit()
        if self.settings.target_ratio is not None:
            scores = scores - thresholds(scores.detach(), self._units(layer), self.settings.target_ratio)
        return reverse_gradient(binarise(scores), self.settings.reversal)

    @override
    def _divergence(self, disturbed: Tensor, clean: Tensor) -> Tensor:
        if self.settings.divergence == "symmetric":
            return super()._divergence(disturbed, clean)
        target = clean.detach().log_softmax(dim=-1)
        return F.kl_div(disturbed.log_softmax(dim=-1), target, reduction="batchmean", log_target=True)

    @override
    def _penalty(self) -> Tensor:
        settings = self.settings
        if settings.target_ratio is not None:
            return super()._penalty()
        if settings.penalty == "ratio":
            shares = [kept_shares(keep, self._units(layer)).mean() for layer, keep in self._kept.items()]
            return settings.ratio_weight * torch.stack(shares).sum()
        counted = {layer: keep if settings.leaks else keep * self._units(layer) for layer, keep in self._kept.items()}
        kept = [units.sum(dim=(2, 3)).mean() for units in counted.values()]  # mean over examples and heads
        return settings.tau**2 * torch.stack(kept).sum()

    @override
    def _columns(self, penalty: Tensor) -> Losses:
        return {"penalty": number(penalty), **super()._columns(penalty)}

    @override
    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        inputs = super()._inputs(batch)
        if self.settings.leaks:  # the mask takes the place of the padding mask
            mask = batch["attention_mask"]
            inputs["attention_mask"] = torch.cat([mask, torch.ones_like(mask)])
        return inputs

    @override
    def _disturbance(self, layer: int, hidden: Tensor) -> Adjustment | None:
        change = super()._disturbance(layer, hidden)
        if change is None or change.bias is None or not self._sets_scores:
            return change
        return Adjustment(change.bias, factor=(change.bias >= 0).to(change.bias.dtype))


def binarise(scores: Tensor) -> Tensor:
    """1 where a score is positive, else 0; backward as the sigmoid (straight through)."""
    soft = scores.sigmoid()
    return (scores > 0).to(soft.dtype) + (soft - soft.detach())


def thresholds(scores: Tensor, units: Tensor, ratio: float) -> Tensor:
    """The score under or at which ``ratio`` of each example's units lie, for each head: ``(B, heads, 1, 1)``."""
    count = (ratio * units.sum(dim=(2, 3))).round().long()  # (B, 1)
    ranked = scores.masked_fill(units == 0, torch.inf).flatten(2).sort(dim=2).values  # (B, heads, L · L)
    place = (count - 1).clamp_min(0).expand(ranked.shape[:2]).unsqueeze(2)
    threshold = ranked.gather(2, place).masked_fill(count.unsqueeze(2) == 0, -torch.inf)
    return threshold.unsqueeze(3)


def reverse_gradient(tensor: Tensor, strength: float = 1.0) -> Tensor:
    """The same values; on its way back the gradient is multiplied by −``strength``."""
    return _Reverse.apply(tensor, strength)  # type: ignore[no-any-return, no-untyped-call]


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return tensor.view_as(tensor)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None
