"""Models, data and lexicons: what there is, where it comes from, and how it gets into the cache."""

from asa_bench.assets.cache import asset_digests, asset_path, build_asset, cached, obtain
from asa_bench.assets.fetch import fetch
from asa_bench.assets.manifest import MANIFEST, Asset

__all__ = ["MANIFEST", "Asset", "asset_digests", "asset_path", "build_asset", "cached", "fetch", "obtain"]
