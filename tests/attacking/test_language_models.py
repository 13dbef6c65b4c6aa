"""Masked language models of transformations: asked together, the same candidates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.attacking.scheduler import Scheduler
from asa_bench.models.masked_lm import MaskedModel
from tests.conftest import THINGS, sentences

TEXTS = [*sentences(6)["text"], "good film", "a [MASK] in the text"]

TRANSFORMATIONS = ["swap-bae", "swap-bert-attack", "insert"]
"""Merging two words asks its model in the same way; it cannot be built without flair's tagger."""


def transformation(name: str, encoder: Path) -> Any:
    from textattack.transformations import WordInsertionMaskedLM, WordSwapMaskedLM
    from transformers import AutoConfig, AutoTokenizer, BertForMaskedLM

    torch.manual_seed(0)
    model = BertForMaskedLM(AutoConfig.from_pretrained(encoder))
    shared = {
        "masked_language_model": model,
        "tokenizer": AutoTokenizer.from_pretrained(encoder),
        "max_length": 40,
        "max_candidates": 5,
        "min_confidence": 0.0,
    }
    if name == "insert":
        return WordInsertionMaskedLM(**shared)
    return WordSwapMaskedLM(method=name.removeprefix("swap-"), **shared)


def candidates(transformation: Any, text: str) -> list[str]:
    from textattack.shared import AttackedText

    attacked = AttackedText(text)
    return [found.text for found in transformation._get_transformations(attacked, [*range(attacked.num_words - 1)])]


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_candidates_are_textattacks(name: str, tiny_encoder: Path) -> None:
    from asa_bench.attacking.language_models import merge_language_models

    expected = {text: candidates(transformation(name, tiny_encoder), text) for text in TEXTS}
    assert sum(map(len, expected.values())) > len(TEXTS)
    merged = transformation(name, tiny_encoder)
    scheduler: Scheduler[tuple[str, list[str]]] = Scheduler(in_flight=len(TEXTS))
    merge_language_models(merged, scheduler.ask)
    found: dict[str, list[str]] = {}
    scheduler.run(
        [partial(lambda text: (text, candidates(merged, text)), text) for text in TEXTS],
        lambda pair: found.update([pair]),
    )
    assert found == expected


def test_calls_of_several_searches_are_merged(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textattack.transformations import CompositeTransformation

    from asa_bench.attacking.language_models import merge_language_models

    sizes: list[int] = []
    forward = MaskedModel.forward

    def counted(model: MaskedModel, batch: Any) -> Any:
        sizes.append(len(batch))
        return forward(model, batch)

    monkeypatch.setattr(MaskedModel, "forward", counted)
    merged = transformation("swap-bae", tiny_encoder)
    scheduler: Scheduler[list[str]] = Scheduler(in_flight=4)
    merge_language_models(CompositeTransformation([merged]), scheduler.ask)
    alike = [f"this good {thing} was very great" for thing in THINGS[:4]]
    scheduler.run([partial(candidates, merged, text) for text in alike], lambda _: None)
    # Four times four words and one: they differ in one word only, so with it masked they are one text.
    assert sizes == [16, 1]
