"""Saving a trained model as a plain Hugging Face checkpoint."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from asa_bench.core.files import write_text


def save_checkpoint(model: Any, tokenizer: Any, folder: Path, card: str) -> None:
    """Write weights (safetensors), configuration, tokenizer and card; ``folder`` appears complete or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        model.save_pretrained(temporary, safe_serialization=True)
        tokenizer.save_pretrained(temporary)
        write_text(temporary / "README.md", card)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def weights_digest(model: Any) -> str:
    """SHA-256 over all parameters and buffers, by name and bytes: equal for bit-equal models."""
    from asa_bench.core.fingerprint import digest_bytes, fingerprint

    state = {
        name: digest_bytes(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        for name, tensor in model.state_dict().items()
    }
    return fingerprint(state)
