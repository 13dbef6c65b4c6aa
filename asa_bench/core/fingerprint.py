"""Content digests: what decides a result is hashed, never a name alone."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def digest_bytes(data: bytes) -> str:
    """SHA-256 of ``data`` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_folder(folder: Path, names: Iterable[str]) -> str:
    """One digest over those files of ``folder`` that exist, by name and content."""
    present = [name for name in sorted(names) if (folder / name).is_file()]
    return fingerprint([[name, digest_file(folder / name)] for name in present])


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON-able value in canonical form (sorted keys, no spaces).

    Raises:
        TypeError: for a value that JSON cannot hold.
        ValueError: for NaN or infinity.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return digest_bytes(text.encode())


def example_ids(rows: Iterable[Sequence[str]]) -> list[str]:
    """An id per row of text fields: the first 16 hex digits of the SHA-256 of the NFC-normalised fields.

    Fields are joined by U+001F. The second row of the same text gets ``-2``, the third ``-3``, so that adding rows
    moves no id.
    """
    seen: dict[str, int] = {}
    ids = []
    for fields in rows:
        text = unicodedata.normalize("NFC", "\x1f".join(fields))
        base = digest_bytes(text.encode("utf-8", "surrogatepass"))[:16]
        seen[base] = seen.get(base, 0) + 1
        ids.append(base if seen[base] == 1 else f"{base}-{seen[base]}")
    return ids
