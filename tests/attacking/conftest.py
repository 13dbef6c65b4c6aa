"""TextAttack, imported offline, a victim on the embedded encoder, and vectors that are built for tests alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.assets import MANIFEST, asset_path, cache
from asa_bench.assets.build import FREQUENT, build_vectors
from asa_bench.assets.location import place
from asa_bench.assets.textattack_home import import_textattack, no_nltk_downloads
from asa_bench.benching.model import trained_baseline
from asa_bench.models.classifier import Classifier, load_classifier


@pytest.fixture(scope="session")
def textattack() -> Any:
    """TextAttack with stop words and WordNet from the cache."""
    asset_path("wordnet")
    return import_textattack(("stopwords", "wordnet"))


@pytest.fixture(autouse=True)
def _no_downloads(textattack: Any) -> Iterator[None]:
    with no_nltk_downloads():
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Attack processes of these tests have one thread, too; results depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Classifier, Path]:
    """The embedded encoder, trained on movie snippets, and its checkpoint."""
    folder = trained_baseline(tmp_path_factory.mktemp("embedded") / "model", threads=2)
    return load_classifier(folder, "fp32", torch.device("cpu")), folder


@contextmanager
def built_vectors(folder: Path, frequent: int = FREQUENT) -> Iterator[Path]:
    """A cache in ``folder`` with vectors built from so many words of GloVe beside the other assets."""
    for asset in MANIFEST.values():
        if not asset.built_from:
            (folder / place(asset).name).symlink_to(asset_path(asset.name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASA_BENCH_CACHE", str(folder))
        patch.setattr(cache, "_verified", set())
        yield build_vectors(asset_path, frequent)
