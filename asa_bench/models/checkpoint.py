"""Saving a trained model as a plain Hugging Face checkpoint."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from asa_bench.core.files import write_text


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


def _save_weights(model: Any, folder: Path) -> None:
    """Save weights and configuration; safetensors' errors of the file system become what they are, an OSError."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder, safe_serialization=True)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder)) from None


def weights_digest(model: Any) -> str:
    """SHA-256 over all parameters and buffers, by name and bytes: equal for bit-equal models."""
    from asa_bench.core.fingerprint import digest_bytes, fingerprint

    state = {
        name: digest_bytes(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        for name, tensor in model.state_dict().items()
    }
    return fingerprint(state)
