"""TextAttack, imported offline, and a trained tiny victim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from asa_bench.assets import asset_path
from asa_bench.assets.textattack_home import import_textattack, no_nltk_downloads


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
