"""The cache of assets: verified once per process, filled when something is missing or damaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asa_bench.assets.fetch import fetch_asset
from asa_bench.assets.location import cache_folder, intact, offline, place
from asa_bench.assets.manifest import MANIFEST, Asset
from asa_bench.core.errors import MissingAssetError

_verified: set[Path] = set()
"""Folders found intact by this process: hashing a model at every look-up would cost more than the look-up."""


def asset_path(name: str) -> Path:
    """The verified folder of an asset, fetched first when it is missing or damaged.

    The folder is the one that libraries take: a checkpoint for ``from_pretrained``, a pipeline for ``spacy.load``, an
    entry of ``NLTK_DATA``.

    Raises:
        InputError: when there is no such asset.
        MissingAssetError: when it is not cached and cannot be fetched.
    """
    return provide(MANIFEST[name])


def provide(asset: Asset) -> Path:
    """The verified folder of ``asset``; see ``asset_path``."""
    folder = place(asset)
    if folder not in _verified:
        if not intact(folder, asset):
            _fetch_missing(asset)
        _verified.add(folder)
    return folder


def _fetch_missing(asset: Asset) -> None:
    remedy = f"get it with: asa-bench assets fetch {asset.name}"
    if offline():
        state = f"asset '{asset.name}' ({asset.title}) is not in {cache_folder()}"
        raise MissingAssetError(f"{state} and ASA_BENCH_OFFLINE forbids fetching; {remedy}")
    try:
        fetch_asset(asset)
    except MissingAssetError as error:
        raise MissingAssetError(f"{error}; {remedy}") from None


def cached(name: str) -> bool:
    """Whether an asset lies in the cache, intact. Never fetches.

    Raises:
        InputError: when there is no such asset.
    """
    asset = MANIFEST[name]
    return place(asset) in _verified or intact(place(asset), asset)


def asset_digests(names: Iterable[str]) -> dict[str, str]:
    """Digest of each named asset, for a run's record.

    Raises:
        InputError: when there is no such asset.
    """
    return {name: MANIFEST[name].digest for name in sorted(names)}
