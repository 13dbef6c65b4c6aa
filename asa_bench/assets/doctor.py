"""What runs on this machine, what is missing for the rest, and how to get it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from asa_bench.assets.cache import cached, remedy
from asa_bench.assets.location import cache_folder
from asa_bench.assets.manifest import MANIFEST, Asset


@dataclass(frozen=True)
class Check:
    """One finding. ``remedy`` says what to do when it is not ``ok``, and is empty otherwise."""

    name: str
    ok: bool
    detail: str
    remedy: str


def checks() -> list[Check]:
    """All findings about this machine: Python, libraries, threads, accelerator, bf16, assets."""
    return [_python(), *_libraries(), _threads(), _device(), _bf16(), _cache(), *map(_asset, MANIFEST.values())]


def _python() -> Check:
    return Check("python", True, platform.python_version(), "")


def _libraries() -> Iterator[Check]:
    """The libraries that the installed package requires, without its extras."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("asa-bench") or []
    except metadata.PackageNotFoundError:
        yield Check("asa-bench", False, "not installed as a package", "pip install asa-bench (or -e . in a checkout)")
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _library(requirement.name, str(requirement.specifier))


def _library(name: str, wanted: str) -> Check:
    from packaging.specifiers import SpecifierSet

    remedy = f"pip install '{name}{wanted}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, False, f"absent, {wanted or 'any version'} required", remedy)
    if SpecifierSet(wanted).contains(version, prereleases=True):
        return Check(name, True, version, "")
    return Check(name, False, f"{version}, {wanted} required", remedy)


def _threads() -> Check:
    import torch

    return Check("threads", True, f"{torch.get_num_threads()} torch threads on {os.cpu_count()} cores", "")


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("accelerator", True, torch.cuda.get_device_name(0), "")
    return Check("accelerator", True, "none: runs on the CPU", "")


def _bf16() -> Check:
    """Not having bf16 is no fault: ``precision = "auto"`` resolves to fp32 there."""
    return Check("bf16", True, _bf16_support(), "")


def _bf16_support() -> str:
    import torch

    if torch.cuda.is_available():
        return "in hardware (GPU)" if torch.cuda.is_bf16_supported(False) else "no: fp32 is used"
    return "in hardware (AMX)" if torch.cpu._is_amx_tile_supported() else "no AMX: fp32 is used"


def _cache() -> Check:
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = os.access(existing, os.W_OK) and existing.is_dir()
    return Check("cache", writable, str(folder), "" if writable else "set ASA_BENCH_CACHE to a folder you may write to")


def _asset(asset: Asset) -> Check:
    present = cached(asset.name)
    detail = f"{'cached' if present else 'not cached'}, {asset.bytes / 1e6:.1f} MB, {asset.licence}"
    return Check(f"asset {asset.name}", present, detail, "" if present else remedy(asset))
