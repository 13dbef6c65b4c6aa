"""Answers that are kept by content: of models that are the same whatever is attacked.

A sentence encoder, a tagger or a masked language model is asked about the same words by many searches, by an attack
and its control, and by the attacks on all models of a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from asa_bench.attacking.scheduler import Ask


def remembering(ask: Ask) -> Ask:
    """``ask``, but a model that has a memory (``known``, bounded) is asked only what it does not know yet."""

    def asked(model: Any, items: Sequence[Any]) -> Sequence[Any]:
        known = getattr(model, "known", None)
        if known is None:
            return ask(model, items)
        found = {item: known.get(item) for item in items}
        new = [item for item, answer in found.items() if answer is None]
        for item, answer in zip(new, ask(model, new), strict=True):
            # A row is copied: a view would keep the whole batch.
            found[item] = known[item] = answer.clone() if isinstance(answer, Tensor) else answer
        return [found[item] for item in items]

    return asked
