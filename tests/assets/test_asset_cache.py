"""Fetching through the real pip from a folder of package files, and what the cache does with damage and absence."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from asa_bench.assets import asset_digests, asset_path, cache, cached, fetch
from asa_bench.assets.location import cache_folder, place
from asa_bench.assets.manifest import MANIFEST, Asset, Source
from asa_bench.core.errors import InputError, MissingAssetError
from asa_bench.core.fingerprint import digest_bytes, digest_file

WORDS = b"the\na\n"
METADATA = "Metadata-Version: 1.0\nName: tiny-words\nVersion: 0.1\n"
MARK = "executed"


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source, and an empty cache."""
    folder = tmp_path / "links"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASA_BENCH_OFFLINE", raising=False)
    monkeypatch.setattr(cache, "_verified", set())
    return folder


def make_asset(links: Path) -> Asset:
    """An asset whose package would write a file if anything of it were executed."""
    tree = links.parent / "tiny-words-0.1"
    (tree / "data").mkdir(parents=True)
    (tree / "PKG-INFO").write_text(METADATA)
    (tree / "setup.py").write_text(f"open({str(links.parent / MARK)!r}, 'w')\n")
    (tree / "data" / "words.txt").write_bytes(WORDS)
    package = links / "tiny-words-0.1.tar.gz"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(tree, arcname=tree.name)
    source = Source(
        package="tiny-words",
        version="0.1",
        file=package.name,
        sha256=digest_file(package),
        folder="tiny-words-0.1/data",
    )
    files = {"words.txt": digest_bytes(WORDS)}
    return Asset(
        name="tiny", title="two words", licence="MIT", homepage="https://x", layout="corpora/words", bytes=6,
        sources=(source,), files=files,
    )  # fmt: skip


def test_fetches_an_sdist_without_executing_it(links: Path) -> None:
    folder = cache.provide(make_asset(links))
    assert (folder / "corpora" / "words" / "words.txt").read_bytes() == WORDS
    assert not (links.parent / MARK).exists()
    assert [path.name for path in cache_folder().iterdir()] == [folder.name]


def test_damaged_file_is_fetched_again(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = make_asset(links)
    path = cache.provide(asset) / "corpora" / "words" / "words.txt"
    path.write_bytes(b"damaged")
    monkeypatch.setattr(cache, "_verified", set())
    assert cache.provide(asset).joinpath("corpora/words/words.txt").read_bytes() == WORDS


def test_second_source_is_tried(links: Path) -> None:
    asset = make_asset(links)
    absent = asset.sources[0].model_copy(update={"package": "absent-words"})
    assert cache.provide(asset.model_copy(update={"sources": (absent, *asset.sources)})).is_dir()


def test_other_digest_of_the_package_is_refused(links: Path) -> None:
    asset = make_asset(links)
    wrong = asset.model_copy(update={"sources": (asset.sources[0].model_copy(update={"sha256": "0" * 64}),)})
    with pytest.raises(
        MissingAssetError, match=r"^asset 'tiny' \(two words\) could not be fetched: tiny-words 0\.1: pip"
    ):
        cache.provide(wrong)
    assert not place(wrong).exists()


def test_two_processes_fetch_at_once(links: Path) -> None:
    asset = make_asset(links)
    script = (
        "import sys; from asa_bench.assets.cache import provide; from asa_bench.assets.manifest import Asset;"
        "print(provide(Asset.model_validate_json(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, asset.model_dump_json()]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in running] == [str(place(asset))] * 2
    assert [path.name for path in cache_folder().iterdir()] == [place(asset).name]


def test_unreachable_says_how_to_get_it(links: Path) -> None:
    expected = (
        r"^asset 'stopwords' \(NLTK's English stop words \(198\)\) could not be fetched: llama-index-core 0\.14\.25: "
        r"pip says: No matching distribution found for llama-index-core==0\.14\.25; "
        r"get it with: asa-bench assets fetch stopwords$"
    )
    with pytest.raises(MissingAssetError, match=expected):
        asset_path("stopwords")


def test_offline_never_fetches(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASA_BENCH_OFFLINE", "1")
    expected = (
        rf"^asset 'stopwords' \(NLTK's English stop words \(198\)\) is not in {cache_folder()} and ASA_BENCH_OFFLINE "
        r"forbids fetching; get it with: asa-bench assets fetch stopwords$"
    )
    with pytest.raises(MissingAssetError, match=expected) as caught:
        asset_path("stopwords")
    assert caught.value.exit_code == 2
    assert not cached("stopwords")
    assert not cache_folder().exists()


def test_unwritable_cache_is_named(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (links.parent / "file").touch()
    monkeypatch.setenv("ASA_BENCH_CACHE", str(links.parent / "file" / "cache"))
    expected = rf"^asset 'tiny' \(two words\) could not be fetched: cache {cache_folder()}: Not a directory; get it"
    with pytest.raises(MissingAssetError, match=expected):
        cache.provide(make_asset(links))


def test_unknown_asset() -> None:
    for look_up in (asset_path, fetch, cached):
        with pytest.raises(InputError, match=r"^unknown asset 'glov'; did you mean 'glove'\? "):
            look_up("glov")


def test_digests_for_the_record() -> None:
    assert asset_digests(["wordnet", "hutto"]) == {name: MANIFEST[name].digest for name in ("hutto", "wordnet")}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MANIFEST))
def test_index_has_every_asset(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path))
    assert asset_path(name) == place(MANIFEST[name])
