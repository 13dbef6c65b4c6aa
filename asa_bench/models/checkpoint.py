"""Saving a trained model as a plain Hugging Face checkpoint."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asa_bench.core.files import atomic_path, write_text


def save_checkpoint(model: Any, tokenizer: Any, folder: Path, card: str) -> None:
    """Write weights (safetensors), configuration, tokenizer and card; ``folder`` appears complete or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        _save_weights(model, temporary)
        tokenizer.save_pretrained(temporary)
        write_text(temporary / "README.md", card)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically; nothing for none."""
    from safetensors.torch import save_file

    if weights:
        with atomic_path(path) as temporary, _disk_errors(path):
            save_file(dict(weights), temporary)


def read_weights(path: Path) -> dict[str, Tensor]:
    """What :func:`write_weights` wrote; empty when there is no file."""
    from safetensors.torch import load_file

    return load_file(path) if path.is_file() else {}


def _save_weights(model: Any, folder: Path) -> None:
    with _disk_errors(folder):
        model.save_pretrained(folder, safe_serialization=True)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn safetensors' errors of the file system into what they are, an OSError."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


def weights_digest(model: Any) -> str:
    """SHA-256 over all parameters and buffers, by name and bytes: equal for bit-equal models."""
    from asa_bench.core.fingerprint import digest_bytes, fingerprint

    state = {
        name: digest_bytes(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        for name, tensor in model.state_dict().items()
    }
    return fingerprint(state)
