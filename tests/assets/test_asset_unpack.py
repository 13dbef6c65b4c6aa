"""Hostile archives: nothing is written outside the target, links are not followed, digests are checked."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from asa_bench.assets.manifest import Asset, Source
from asa_bench.assets.unpack import unpack
from asa_bench.core.errors import MissingAssetError
from asa_bench.core.fingerprint import digest_bytes

WORDS = b"the\na\n"


def make_asset(file: str, *, archive: str | None = None, content: bytes = WORDS, crlf_to_lf: bool = False) -> Asset:
    source = Source(
        package="tiny", version="0.1", file=file, sha256="0" * 64, folder="tiny/data", archive=archive,
        crlf_to_lf=crlf_to_lf,
    )  # fmt: skip
    files = {"words.txt": digest_bytes(content)}
    return Asset(name="tiny", title="t", licence="MIT", homepage="https://x", bytes=6, sources=(source,), files=files)


def make_wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def unpacked(package: Path, asset: Asset, target: Path) -> list[str]:
    unpack(package, asset.sources[0], asset, target)
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


def test_wheel_members_outside_the_manifest_have_no_effect(tmp_path: Path) -> None:
    members = {"tiny/data/words.txt": WORDS, "../evil": b"x", "/tmp/evil": b"x", "tiny/__init__.py": b"raise"}
    package = make_wheel(tmp_path / "tiny.whl", members)
    assert unpacked(package, make_asset("tiny.whl"), tmp_path / "deep" / "target") == ["words.txt"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["tiny.whl", "words.txt"]


def test_tar_members_outside_the_manifest_have_no_effect(tmp_path: Path) -> None:
    package = make_tar(tmp_path / "tiny.tar.gz", {"../../evil": b"x", "tiny/data/words.txt": WORDS})
    assert unpacked(package, make_asset("tiny.tar.gz"), tmp_path / "target") == ["words.txt"]
    assert not list(tmp_path.parent.glob("evil"))


def test_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    package = make_tar(tmp_path / "tiny.tar.gz", {"secret": WORDS}, {"tiny/data/words.txt": "../../secret"})
    with pytest.raises(MissingAssetError, match=r"^tiny\.tar\.gz holds no regular file 'words\.txt'$"):
        unpacked(package, make_asset("tiny.tar.gz"), tmp_path / "target")


def test_absent_member_is_named(tmp_path: Path) -> None:
    package = make_wheel(tmp_path / "tiny.whl", {"tiny/other": WORDS})
    with pytest.raises(MissingAssetError, match=r"^tiny\.whl holds no regular file 'words\.txt'$"):
        unpacked(package, make_asset("tiny.whl"), tmp_path / "target")


def test_other_content_is_refused(tmp_path: Path) -> None:
    package = make_wheel(tmp_path / "tiny.whl", {"tiny/data/words.txt": b"an\n"})
    with pytest.raises(MissingAssetError, match=r"^'words\.txt' in tiny\.whl has another digest$"):
        unpacked(package, make_asset("tiny.whl"), tmp_path / "target")


def test_inner_archive_and_line_ends(tmp_path: Path) -> None:
    inner = make_tar(tmp_path / "inner.tar.gz", {"tiny/data/words.txt": b"the\r\na\r\n"}).read_bytes()
    package = make_tar(tmp_path / "tiny.tar.gz", {"tiny-0.1/inner.tar.gz": inner})
    asset = make_asset("tiny.tar.gz", archive="tiny-0.1/inner.tar.gz", crlf_to_lf=True)
    assert unpacked(package, asset, tmp_path / "target") == ["words.txt"]
    assert (tmp_path / "target" / "words.txt").read_bytes() == WORDS
