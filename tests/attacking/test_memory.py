"""A model that is the same for every victim is asked about nothing twice; the victim is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lru import LRU

from asa_bench.assets import asset_path
from asa_bench.attacking.memory import remembering
from asa_bench.models.batching import answers
from asa_bench.models.classifier import Classifier
from asa_bench.models.sentences import JUDGE, sentence_model
from asa_bench.models.tags import Tagger

TEXTS = [("a good film",), ("a bad film",), ("a good film",), ("a dull story",)]


class Asked:
    """What reaches the models."""

    def __init__(self) -> None:
        self.items: list[list[Any]] = []

    def __call__(self, model: Any, items: Sequence[Any]) -> Sequence[Any]:
        self.items.append(list(items))
        return answers(model, items)


def test_sentence_vectors_are_asked_for_once() -> None:
    asked, model = Asked(), sentence_model(asset_path(JUDGE))
    model.known.clear()
    ask = remembering(asked)
    first, again = ask(model, TEXTS[:3]), ask(model, TEXTS)
    assert asked.items == [[*TEXTS[:2]], [TEXTS[3]]]
    assert torch.equal(torch.stack([*again]), torch.stack(answers(model, TEXTS)))
    assert torch.equal(torch.stack([*first]), torch.stack([*again[:3]]))
    kept = model.known[TEXTS[0]]
    assert kept.untyped_storage().nbytes() == kept.nbytes


def test_more_items_than_are_kept() -> None:
    model = Tagger()
    model.known = LRU(2)
    windows = [(word,) for word in ("good", "film", "run", "the", "slowly")]
    assert remembering(answers)(model, windows) == answers(model, windows)


def test_a_victim_has_no_memory(classifier: Classifier) -> None:
    asked = Asked()
    ask = remembering(asked)
    ask(classifier, TEXTS)
    ask(classifier, TEXTS)
    assert asked.items == [TEXTS, TEXTS]
