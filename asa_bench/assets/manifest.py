"""The manifest of assets: names, licences, sources and digests, read from ``manifest.toml``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from asa_bench.core.files import read_toml
from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.registry import Registry


def _inside(path: str) -> str:
    """``path`` if it can only lead into a folder, never out of it."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or "\\" in path or ":" in path or ".." in parts:
        raise ValueError(f"expected a relative path without '..', got '{path}'")
    return path


InnerPath = Annotated[str, AfterValidator(_inside)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Source(BaseModel):
    """A package of the package index that carries an asset's files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    """Name of the package on the index."""
    version: str
    """Exact version."""
    file: str
    """Name of the file that is downloaded; it tells wheel from sdist."""
    sha256: Digest
    """Digest of that file; pip checks it before it looks inside."""
    folder: InnerPath
    """Folder of the archive that the files lie in."""
    archive: InnerPath | None = None
    """Path of an inner tar archive that holds ``folder``; null where the package itself holds it."""
    crlf_to_lf: bool = False
    """Whether CRLF line ends become LF on the way into the cache."""

    @property
    def is_wheel(self) -> bool:
        """Whether the file is a wheel (else an sdist)."""
        return self.file.endswith(".whl")


class Asset(BaseModel):
    """A model, data set or lexicon."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name in commands and records."""
    title: str
    """What it is, in a few words."""
    licence: str
    """SPDX identifier where there is one."""
    homepage: str
    """Where it is from originally."""
    layout: InnerPath = ""
    """Folder under the asset's own in which its files are laid out, for libraries that expect one."""
    bytes: int = Field(gt=0)
    """Size of all files together."""
    sources: tuple[Source, ...] = ()
    """Where to get it, in the order in which they are tried; none where it is built."""
    files: dict[InnerPath, Digest] = Field(default_factory=dict)
    """SHA-256 of each file by its path below ``layout``; what is built has them in its record instead."""
    built_from: tuple[str, ...] = ()
    """Assets that it is built from; none where it is fetched."""
    revision: int = Field(default=0, ge=0)
    """Of how it is built: raised whenever a change to that changes its files."""

    @model_validator(mode="after")
    def _fetched_or_built(self) -> Self:
        if bool(self.sources and self.files) == bool(self.built_from and self.revision):
            raise ValueError("expected either sources and files, or built_from and revision")
        return self

    @property
    def inputs(self) -> dict[str, str]:
        """Digest of each asset that it is built from."""
        return {name: MANIFEST[name].digest for name in self.built_from}

    @property
    def digest(self) -> str:
        """One digest over all files, whichever source they came from; of what is built, over what decides them."""
        return fingerprint([self.inputs, self.revision] if self.built_from else dict(self.files))


def read_manifest(path: Path) -> Registry[Asset]:
    """The assets that a manifest file declares, in its order.

    Raises:
        InputError: when the file is missing or malformed.
        ValueError: when an entry breaks the model.
    """
    entries = read_toml(path).items()
    return Registry("asset", ((name, Asset(name=name, **entry)) for name, entry in entries))


MANIFEST: Registry[Asset] = read_manifest(Path(__file__).with_name("manifest.toml"))
"""The assets that asa-bench knows."""
