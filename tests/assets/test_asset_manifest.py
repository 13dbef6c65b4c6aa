"""The manifest: every entry is complete, and no path can lead out of the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from asa_bench.assets.manifest import MANIFEST, Asset, read_manifest
from asa_bench.core.errors import InputError


def test_manifest_names_the_embedded_assets() -> None:
    fetched = ["minilm", "hutto", "wordnet", "stopwords", "confusables", "glove", "spacy-english"]
    assert list(MANIFEST) == [*fetched, "counter-fitted-glove"]
    weights = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert MANIFEST["minilm"].files["model.safetensors"] == weights


@pytest.mark.parametrize("name", list(MANIFEST))
def test_each_asset_states_its_origin(name: str) -> None:
    asset = MANIFEST[name]
    assert asset.title
    assert asset.licence
    assert asset.homepage.startswith("https://")
    assert len(asset.digest) == 64


def test_unknown_asset_suggests_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"^unknown asset 'minilmm'; did you mean 'minilm'\? \(known: confusables, .*\)$"
    ):
        MANIFEST["minilmm"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "C:/x", "a\\b"])
def test_paths_that_lead_out_are_refused(path: str) -> None:
    entry = MANIFEST["stopwords"].model_dump()
    with pytest.raises(ValidationError, match="expected a relative path without"):
        Asset(**{**entry, "files": {path: "0" * 64}})


def test_an_asset_is_either_fetched_or_built() -> None:
    entry = MANIFEST["stopwords"].model_dump()
    with pytest.raises(ValidationError, match="expected either sources and files, or built_from and revision"):
        Asset(**{**entry, "built_from": ("glove",), "revision": 1})


def test_malformed_manifest_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text("[minilm\n")
    with pytest.raises(InputError, match=rf"^{path}: not TOML: "):
        read_manifest(path)
