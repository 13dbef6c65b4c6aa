"""TextAttack, imported offline, and a trained tiny victim."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asa_bench.assets import asset_path
from asa_bench.assets.textattack_home import import_textattack, no_nltk_downloads
from asa_bench.models.classifier import Classifier
from asa_bench.tasks import Example
from tests.conftest import sentences


@pytest.fixture(scope="session")
def textattack() -> Any:
    """TextAttack with stop words and WordNet from the cache."""
    asset_path("wordnet")
    return import_textattack(("stopwords", "wordnet"))


@pytest.fixture(autouse=True)
def _no_downloads(textattack: Any) -> Iterator[None]:
    with no_nltk_downloads():
        yield


@pytest.fixture(scope="session")
def checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that has learnt the words of the tiny reviews."""
    from asa_bench.defences import build_defence
    from asa_bench.defences.training import TrainSettings, train
    from asa_bench.models.checkpoint import save_checkpoint
    from asa_bench.models.classifier import new_classifier

    rows = sentences(96)
    model, tokenizer = new_classifier(tiny_encoder, ("neg", "pos"), 0, "eager", 40)
    settings = TrainSettings(epochs=12, batch_size=16, learning_rate=2e-3, max_length=40, threads=1)
    columns = zip(rows.index, rows["text"], rows["label"], strict=True)
    examples = [Example(str(i), (text,), int(label == "pos")) for i, text, label in columns]
    train(model, tokenizer, examples, build_defence("baseline", {}, "test"), settings, seed=0, precision="fp32")
    folder = tmp_path_factory.mktemp("models") / "baseline"
    save_checkpoint(model, tokenizer, folder, "card")
    return folder


@pytest.fixture(scope="session")
def classifier(checkpoint: Path) -> Classifier:
    """The checkpoint, loaded."""
    import torch

    from asa_bench.models.classifier import load_classifier

    torch.set_num_threads(1)
    return load_classifier(checkpoint, "fp32", torch.device("cpu"))
