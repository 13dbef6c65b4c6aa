"""A model that is the same for every victim is asked about nothing twice; the victim is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from cachetools import LRUCache
from lru import LRU

from asa_bench.assets import asset_path
from asa_bench.attacking.memory import remembering
from asa_bench.models.batching import answers
from asa_bench.models.classifier import Classifier
from asa_bench.models.masked_lm import Masked, MaskedModel
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


def test_a_language_model_is_asked_for_its_proposals_once(tiny_encoder: Path) -> None:
    """Whatever victim they are for; and no more is kept than there is room for."""
    from transformers import AutoConfig, AutoTokenizer, BertForMaskedLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    model = MaskedModel(BertForMaskedLM(AutoConfig.from_pretrained(tiny_encoder)).eval(), tokenizer, 40)
    ids = [tuple(tokenizer(f"a {tokenizer.mask_token} {last}").input_ids) for last in ("film", "story", "text")]
    items = [*(Masked(one, 2) for one in ids), Masked(ids[0], None)]
    expected, asked = answers(model, items), Asked()
    for ask in (remembering(asked), remembering(asked)):  # two victims' searches
        assert all(map(torch.equal, ask(model, items), expected))
    assert asked.items == [items, []]
    model.known = LRUCache(expected[0].nbytes, getsizeof=lambda answer: answer.nbytes)
    assert all(map(torch.equal, remembering(asked)(model, items[:3]), expected))
    assert list(model.known) == [items[2]]


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
