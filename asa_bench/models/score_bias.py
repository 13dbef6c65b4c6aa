"""Adding a bias to the attention scores of any encoder, without a copy of its code.

``softmax(Q Kᵀ / √d + padding + bias) V``: hooks on the self-attention modules compute the bias of each layer from
the hidden states that enter it, and a torch function mode adds it where the scores are normalised – to the input of
``softmax``, or to ``attn_mask`` of ``scaled_dot_product_attention``. The model's own mask stays in place, so a row
whose every unit is biased away falls back to its unpadded columns only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

BiasFunction = Callable[[int, Tensor], Tensor | None]
"""``(layer, hidden (B, L, H)) -> bias`` broadcastable to ``(B, heads, L, L)``, or None to leave a layer alone."""

ATTENTION_NAMES = ("self", "attn", "attention")
_SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax}


class ScoreBias:
    """Hooks that add ``bias(layer, hidden)`` to the scores of every self-attention layer of ``model``.

    A context manager: hooks live inside the block alone. A layer for which ``bias`` returns None computes exactly what
    it computes without hooks.

    Raises:
        ValueError: when the model has no module that looks like self-attention.
        RuntimeError: in the forward pass, when a layer does not call its score function exactly once (a flash or flex
            kernel passes by the hook).
    """

    def __init__(self, model: nn.Module, bias: BiasFunction) -> None:
        self._model = model
        self._bias = bias
        self._modules = list(attention_modules(model))
        if not self._modules:
            raise ValueError(f"{type(model).__name__}: no self-attention module found")
        self._layer = 0
        self._open: list[_AddBias] = []
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    @property
    def layers(self) -> int:
        """Number of attention layers; a module shared by several layers (ALBERT) counts once for each."""
        config = getattr(self._model, "config", None)
        calls = getattr(config, "num_hidden_layers", 0) * getattr(config, "inner_group_num", 1)
        return max(len(self._modules), int(calls))

    def __enter__(self) -> Self:
        self._hooks = [self._model.register_forward_pre_hook(self._start)]
        for module in self._modules:
            self._hooks.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._after, always_call=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _start(self, _module: nn.Module, _arguments: Any) -> None:
        self._layer = 0

    def _before(self, _module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        hidden = arguments[0] if arguments else next(iter(keywords.values()))
        bias = self._bias(self._layer, hidden)
        self._layer += 1
        if bias is not None:
            mode = _AddBias(bias)
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


class _AddBias(TorchFunctionMode):
    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self._bias = bias
        self.calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _SOFTMAX:
            self.calls += 1
            return func(args[0] + self._bias, *args[1:], **kwargs)
        if func is F.scaled_dot_product_attention:
            self.calls += 1
            args, kwargs = self._merge(args, kwargs)
        return func(*args, **kwargs)

    def _merge(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Put the bias into ``attn_mask``, the fourth argument: None, bool (True = attend) or float."""
        query, key, value, *rest = args
        mask = rest.pop(0) if rest else kwargs.get("attn_mask")
        bias = self._bias.to(query.dtype)
        if mask is not None:
            if mask.dtype == torch.bool:
                hidden = torch.finfo(query.dtype).min
                mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, hidden)
            bias = bias + mask.to(query.dtype)
        return (query, key, value, bias, *rest), {k: v for k, v in kwargs.items() if k != "attn_mask"}
