"""Pre-trained encoders: the shipped one, a local folder, or the Hub; always resolved to a checked local folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from asa_bench.assets import asset_path
from asa_bench.core.errors import InputError, MissingAssetError
from asa_bench.core.files import read_json
from asa_bench.core.fingerprint import digest_folder
from asa_bench.core.registry import nearest
from asa_bench.core.validation import Settings
from asa_bench.models.precision import Attention

SHIPPED = {"minilm": "minilm"}
"""Names of encoders that come as assets, with the asset's name."""

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model")
CONFIGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pkl")


class EncoderSettings(Settings):
    """One ``[[encoder]]`` of a suite."""

    name: str = Field(default="minilm", min_length=1)
    """A shipped encoder, a local folder, or a Hub name (which needs ``revision``)."""
    revision: str | None = None
    """The Hub's commit to use."""
    attention: Attention = "auto"
    """Attention kernel; *auto* is eager on a CPU (faster on short texts) and sdpa on a GPU."""

    @property
    def label(self) -> str:
        """The encoder's name in records and folders: the last part of its path."""
        return re.sub(r"[^A-Za-z0-9._+-]", "-", Path(self.name).name).lstrip("._+-") or "encoder"


@dataclass(frozen=True)
class Encoder:
    """An encoder that lies in a local folder and was checked."""

    label: str
    folder: Path
    digest: str
    """Digest of weights, configuration and tokenizer files."""


def resolve_encoder(settings: EncoderSettings, root: Path) -> Encoder:
    """Find, fetch and check an encoder; relative folders start at ``root``.

    Raises:
        InputError: when it cannot be had, has pickle weights, or lacks a tokenizer or configuration.
    """
    folder = _find(settings, root)
    check_folder(folder, f"encoder '{settings.name}'")
    return Encoder(settings.label, folder, checkpoint_digest(folder))


def _find(settings: EncoderSettings, root: Path) -> Path:
    local = root / Path(settings.name).expanduser()
    if settings.name in SHIPPED and not local.is_dir():
        return asset_path(SHIPPED[settings.name])
    if local.is_dir():
        return local
    if settings.name.startswith((".", "/", "~")):
        raise InputError(f"encoder '{settings.name}': no such folder")
    if settings.revision is None:
        known = ", ".join(sorted(SHIPPED))
        hint = nearest(settings.name, SHIPPED)
        raise InputError(
            f"encoder '{settings.name}': neither shipped ({known}) nor a local folder; "
            f"a Hub model needs a pinned 'revision'{hint}"
        )
    return from_hub(settings.name, settings.revision, f"encoder '{settings.name}'")


def local_or_hub(reference: str, root: Path, what: str) -> Path:
    """A folder, relative to ``root``, or the snapshot of a Hub repository: ``name`` or ``name@revision``.

    Raises:
        InputError: when it can be neither, or cannot be had; the message opens with ``what``.
    """
    local = root / Path(reference).expanduser()
    if local.is_dir():
        return local
    if local.exists() or reference.startswith((".", "/", "~")):
        raise InputError(f"{what}: no such folder")
    name, _, revision = reference.partition("@")
    return from_hub(name, revision or None, what)


def from_hub(name: str, revision: str | None, what: str) -> Path:
    """The snapshot of a Hub repository's safe files in the local cache; a ``revision`` of None is the newest.

    Raises:
        MissingAssetError: when it is neither cached nor reachable; the message opens with ``what``.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.safetensors", "*.json", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MissingAssetError(f"{what}: no such folder, and not on the Hub or out of reach ({reason})") from None


def checkpoint_digest(folder: Path) -> str:
    """Digest of everything in a checkpoint folder that decides its predictions."""
    shards = [path.name for path in folder.glob("*.safetensors")]
    return digest_folder(folder, {*shards, *WEIGHTS, *TOKENIZERS, *CONFIGS})


def check_folder(folder: Path, what: str) -> None:
    """Refuse a folder that is no safe, complete checkpoint.

    Raises:
        InputError: naming the missing, damaged or refused file.
    """
    if not isinstance(read_json(folder / "config.json"), dict):
        raise InputError(f"{folder / 'config.json'}: not a JSON object")
    if not any((folder / name).is_file() for name in WEIGHTS):
        pickle = next((name for name in PICKLES if (folder / name).is_file()), None)
        if pickle:
            raise InputError(f"{what}: {folder / pickle} is a pickle, which can run code; save it as safetensors")
        raise InputError(f"{what}: no model.safetensors in {folder}")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise InputError(f"{what}: no tokenizer in {folder}")
    _check_weights(folder)


def _check_weights(folder: Path) -> None:
    """Read the heads of the weight files, which say how long the files must be."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            safe_open(path, framework="pt")
        except SafetensorError as error:
            raise InputError(f"{path}: damaged: {error}") from None
