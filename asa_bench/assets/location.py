"""Where assets lie on this machine, and whether what lies there is what the manifest says."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from asa_bench.assets.manifest import Asset
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json
from asa_bench.core.fingerprint import digest_file


def cache_folder() -> Path:
    """``ASA_BENCH_CACHE`` if it is set, else the user's cache folder of this system."""
    chosen = os.environ.get("ASA_BENCH_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else platformdirs.user_cache_path("asa-bench")


def offline() -> bool:
    """Whether ``ASA_BENCH_OFFLINE`` forbids fetching."""
    return os.environ.get("ASA_BENCH_OFFLINE", "") not in {"", "0"}


def place(asset: Asset) -> Path:
    """The folder of ``asset`` in the cache. Its digest is in the name, so versions of asa-bench share a cache."""
    return cache_folder() / f"{asset.name}-{asset.digest[:12]}"


BUILD_RECORD = "build.json"
"""Beside the files of an asset that is built: their digests, and how they came out."""


def intact(folder: Path, asset: Asset) -> bool:
    """Whether every file of ``asset`` lies in ``folder`` with the digest of the manifest, or of its build's record."""
    files = built_files(folder) if asset.built_from else asset.files
    return bool(files) and all(_matches(folder / asset.layout / name, digest) for name, digest in files.items())


def built_files(folder: Path) -> dict[str, str]:
    """The digest of each file that was built in ``folder``; empty where nothing was."""
    try:
        files = read_json(folder / BUILD_RECORD)["files"]
    except (InputError, KeyError, TypeError):
        return {}
    return dict(files) if isinstance(files, dict) else {}


def _matches(path: Path, digest: str) -> bool:
    try:
        return digest_file(path) == digest
    except OSError:
        return False
