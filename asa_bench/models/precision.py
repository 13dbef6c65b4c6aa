"""Which number format and attention kernel a model computes with, and on which device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]
Resolved = Literal["fp32", "bf16"]
Attention = Literal["auto", "eager", "sdpa"]
Kernel = Literal["eager", "sdpa"]


def default_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_precision(precision: Precision, device: torch.device) -> Resolved:
    """*auto* becomes bf16 where the device computes in it, fp32 elsewhere (emulated bf16 is slower than fp32)."""
    if precision != "auto":
        return precision
    return "bf16" if has_bf16(device) else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Whether ``device`` multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def autocast(precision: Resolved, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a forward pass runs in ``precision``."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
