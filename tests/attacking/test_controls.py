"""A control's search is blind: what the model answers guides nothing, as long as nothing succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from asa_bench.attacking.recipe import recipes
from asa_bench.models.batched import Text
from asa_bench.models.batching import Encoded
from asa_bench.models.classifier import Classifier
from asa_bench.tasks import Example

from .test_attack import examples, rows_of


class Listening(Classifier):
    """Keeps the texts that it is asked about."""

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        self.__dict__.setdefault("read", []).extend(fields[0] for fields in texts)
        return super().encode(texts)


class Backwards(Listening):
    """Decides as its model does, and is the surer the less sure that is."""

    def _answer(self, inputs: dict[str, Tensor]) -> Tensor:
        logits = super()._answer(inputs)
        margin = logits[:, 1] - logits[:, 0]
        return torch.stack([torch.zeros_like(margin), margin.sign() / (1 + margin.abs())], dim=1)


def read(kind: type[Listening], classifier: Classifier, recipe: str, search: str, chosen: list[Example]) -> Any:
    """The texts that a search asks about, in order."""
    from asa_bench.attacking.victim import Victim, build_attack

    victim = kind(**{name: getattr(classifier, name) for name in ("model", "tokenizer", "max_length", "precision")})
    rows_of(build_attack(recipes()[recipe], Victim(victim), 400, 1.5, search=search), chosen, recipe)
    return victim.__dict__["read"]


@pytest.mark.parametrize("recipe", ["deepwordbug", "pwws"])
def test_scores_guide_the_search_and_not_its_control(classifier: Classifier, recipe: str) -> None:
    for search, alike in (("recipe", False), ("random", True)):
        texts, others = (read(kind, classifier, recipe, search, examples(4)) for kind in (Listening, Backwards))
        assert len(texts) > 20
        assert (texts == others) == alike, search
