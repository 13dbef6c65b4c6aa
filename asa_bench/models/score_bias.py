"""Changing the attention scores of any encoder, without a copy of its code.

``softmax(Q Kᵀ / √d + padding + bias) V``: hooks on the self-attention modules compute the bias of each layer from
the hidden states that enter it, and a torch function mode adds it where the scores are normalised – to the input of
``softmax``, or to ``attn_mask`` of ``scaled_dot_product_attention``. The model's own mask stays in place, so a row
whose every unit is biased away falls back to its unpadded columns only. A layer's scores can also be scaled first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from asa_bench.core.errors import InputError


@dataclass(frozen=True)
class Adjustment:
    """What becomes of a layer's scores: ``scores · factor + bias``, both broadcastable to ``(B, heads, L, L)``."""

    bias: Tensor | None = None
    factor: Tensor | None = None


BiasFunction = Callable[[int, Tensor], Tensor | Adjustment | None]
"""``(layer, hidden (B, L, H)) -> bias`` or adjustment of the layer's scores, or None to leave the layer alone."""

ATTENTION_NAMES = ("self", "attn", "attention")
_SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax}


class ScoreBias:
    """Hooks that add ``bias(layer, hidden)`` to the scores of every self-attention layer of ``model``.

    A context manager: hooks live inside the block alone. A layer for which ``bias`` returns None computes exactly what
    it computes without hooks. For encoders: attention that cannot look ahead is refused.

    Raises:
        InputError: when the model has no module that looks like self-attention, or attends to the left alone.
        RuntimeError: on entry, when the model checkpoints its activations re-entrantly (gradients would be silently
            wrong); in the forward pass, when a layer does not call its score function exactly once (a flash or flex
            kernel passes by the hook).
    """

    def __init__(self, model: nn.Module, bias: BiasFunction) -> None:
        self._model = model
        self._bias = bias
        self._modules = list(attention_modules(model))
        if not self._modules:
            known = ", ".join(ATTENTION_NAMES)
            raise InputError(
                f"{type(model).__name__}: no self-attention module found (none is named {known}); "
                "add its name to ATTENTION_NAMES in asa_bench/models/score_bias.py"
            )
        if any(getattr(module, name, False) for module in self._modules for name in ("is_causal", "is_decoder")):
            raise InputError(f"{type(model).__name__}: its attention is causal; expected an encoder")
        self._calls = 0
        self._open: list[_Adjust] = []
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    @property
    def layers(self) -> int:
        """Number of attention layers; a module shared by several layers (ALBERT) counts once for each."""
        config = getattr(self._model, "config", None)
        calls = getattr(config, "num_hidden_layers", 0) * getattr(config, "inner_group_num", 1)
        return max(len(self._modules), int(calls))

    def window(self, layer: int) -> int | None:
        """How many tokens a layer sees to each side; None when it sees them all (ModernBERT's local layers do not)."""
        side = getattr(self._modules[layer % len(self._modules)], "local_attention", (-1, -1))[0]
        return None if side < 0 else int(side)

    def __enter__(self) -> Self:
        _refuse_reentrant(self._model)
        self._hooks = [self._model.register_forward_pre_hook(self._start)]
        for index, module in enumerate(self._modules):
            self._hooks.append(module.register_forward_pre_hook(partial(self._before, index), with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._after, always_call=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _start(self, _module: nn.Module, _arguments: Any) -> None:
        self._calls = 0

    def _before(self, index: int, _module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        hidden = arguments[0] if arguments else next(iter(keywords.values()))
        shared = self.layers > len(self._modules)  # else the place in the list holds in a recomputed layer, too
        change = self._bias(self._calls if shared else index, hidden)
        self._calls += 1
        if change is not None:
            mode = _Adjust(change if isinstance(change, Adjustment) else Adjustment(change))
            mode.__enter__()  # type: ignore[no-untyped-call]
            self._open.append(mode)

    def _after(self, module: nn.Module, _arguments: Any, output: Any) -> None:
        if not self._open:
            return
        mode = self._open.pop()
        mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        if output is not None and mode.calls != 1:
            raise RuntimeError(
                f"{type(module).__name__}: {mode.calls} score calls seen, expected 1; use eager or sdpa attention"
            )


def attention_modules(model: nn.Module) -> Iterable[nn.Module]:
    """The innermost modules named *self*, *attn* or *attention*: self-attention in the families of BERT."""
    named = {name: module for name, module in model.named_modules() if name.split(".")[-1] in ATTENTION_NAMES}
    return [module for name, module in named.items() if not any(other.startswith(name + ".") for other in named)]


@lru_cache
def attention_layers(folder: Path) -> int:
    """Number of layers whose scores can be changed in the encoder in ``folder``, from its configuration alone.

    Raises:
        InputError: as :class:`ScoreBias` does.
    """
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with torch.device("meta"):
        return ScoreBias(AutoModel.from_config(config), lambda layer, hidden: None).layers


def _refuse_reentrant(model: nn.Module) -> None:
    for module in model.modules():
        checkpoint = getattr(module, "_gradient_checkpointing_func", None)
        if checkpoint is None or not getattr(module, "gradient_checkpointing", False):
            continue
        if getattr(checkpoint, "keywords", {}).get("use_reentrant", True):
            raise RuntimeError(
                f"{type(model).__name__}: re-entrant gradient checkpointing gives wrong gradients here; enable it with "
                'gradient_checkpointing_kwargs={"use_reentrant": False}'
            )


class _Adjust(TorchFunctionMode):
    def __init__(self, change: Adjustment) -> None:
        super().__init__()
        self._change = change
        self.calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _SOFTMAX:
            self.calls += 1
            return func(self._adjusted(args[0]), *args[1:], **kwargs)
        if func is F.scaled_dot_product_attention:
            self.calls += 1
            return self._attend(*args, **kwargs)
        return func(*args, **kwargs)

    def _adjusted(self, scores: Tensor) -> Tensor:
        if self._change.factor is not None:
            scores = scores * self._change.factor
        return scores if self._change.bias is None else scores + self._change.bias

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **others: Any,
    ) -> Tensor:
        """``scaled_dot_product_attention``, adjusted; ``attn_mask`` is None, bool (True = attend) or float."""
        if is_causal or others:
            raise RuntimeError("causal or grouped attention: expected an encoder's")
        mask = None if attn_mask is None else _additive(attn_mask, query.dtype)
        if self._change.factor is None and self._change.bias is not None:  # a fused kernel can add, not multiply
            bias = self._change.bias.to(query.dtype)
            bias = bias if mask is None else bias + mask
            return F.scaled_dot_product_attention(query, key, value, bias, dropout_p, scale=scale)
        scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        weights = self._adjusted(scores if mask is None else scores + mask).softmax(dim=-1).to(value.dtype)
        return F.dropout(weights, dropout_p) @ value


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """``mask`` as what is added to scores of ``dtype``, finite: a narrower type rounds float32's minimum to −∞."""
    lowest = torch.finfo(dtype).min
    if mask.dtype != torch.bool:
        return mask.to(dtype).clamp_min(lowest)
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, lowest)
