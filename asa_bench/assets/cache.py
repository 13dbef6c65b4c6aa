"""The cache of assets: verified once per process, filled when something is missing or damaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asa_bench.assets.fetch import fetch_asset
from asa_bench.assets.location import built_files, cache_folder, intact, offline, place
from asa_bench.assets.manifest import MANIFEST, Asset
from asa_bench.core.errors import InputError, MissingAssetError
from asa_bench.core.fingerprint import fingerprint

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
            _refuse_unbuilt(asset)
            _fetch_missing(asset)
        _verified.add(folder)
    return folder


def obtain(name: str) -> Path:
    """The verified folder of an asset, fetched or built first when it is missing or damaged.

    Raises:
        InputError: when there is no such asset.
        MissingAssetError: when it cannot be had.
    """
    if MANIFEST[name].built_from and not cached(name):
        return build_asset(name)
    return asset_path(name)


def build_asset(name: str) -> Path:
    """Build an asset anew, whether it is there or not, and return its folder.

    Raises:
        InputError: when there is no such asset, or it is not one that is built.
        MissingAssetError: when what it is built from cannot be had, or what is built fails its check.
    """
    from asa_bench.assets.build import build_vectors

    if not MANIFEST[name].built_from:
        raise InputError(f"asset '{name}' is fetched, not built: asa-bench assets fetch {name}")
    _verified.discard(place(MANIFEST[name]))
    return build_vectors(asset_path)


def _refuse_unbuilt(asset: Asset) -> None:
    if asset.built_from:
        state = f"asset '{asset.name}' ({asset.title}) is not in {cache_folder()}"
        raise MissingAssetError(f"{state}; make it with: {remedy(asset)}")


def remedy(asset: Asset) -> str:
    """The command that puts ``asset`` into the cache."""
    return f"asa-bench assets {'build' if asset.built_from else 'fetch'} {asset.name}"


def _fetch_missing(asset: Asset) -> None:
    advice = f"get it with: {remedy(asset)}"
    if offline():
        state = f"asset '{asset.name}' ({asset.title}) is not in {cache_folder()}"
        raise MissingAssetError(f"{state} and ASA_BENCH_OFFLINE forbids fetching; {advice}")
    try:
        fetch_asset(asset)
    except MissingAssetError as error:
        raise MissingAssetError(f"{error}; {advice}") from None


def cached(name: str) -> bool:
    """Whether an asset lies in the cache, intact. Never fetches.

    Raises:
        InputError: when there is no such asset.
    """
    asset = MANIFEST[name]
    return place(asset) in _verified or intact(place(asset), asset)


def asset_digests(names: Iterable[str]) -> dict[str, str]:
    """Digest of each named asset, for a run's record; of what was built here, with the digests of its files.

    Raises:
        InputError: when there is no such asset.
    """
    return {name: _digest(MANIFEST[name]) for name in sorted(names)}


def _digest(asset: Asset) -> str:
    return fingerprint([asset.digest, built_files(place(asset))]) if asset.built_from else asset.digest
