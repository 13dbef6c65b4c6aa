"""Masked language models inside transformations (BAE, BERT-Attack, CLARE), whose calls the scheduler merges.

TextAttack pads every text to the most that the model reads; here a text has its canonical length. Imports TextAttack.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from textattack.transformations import (
    CompositeTransformation,
    WordInsertionMaskedLM,
    WordMergeMaskedLM,
    WordSwapMaskedLM,
)
from torch import Tensor

from asa_bench.attacking.scheduler import Ask
from asa_bench.models.kinds import positions
from asa_bench.models.masked_lm import Masked, MaskedModel


def merge_language_models(transformation: Any, ask: Ask) -> None:
    """Let every masked language model in ``transformation`` be asked through ``ask``."""
    if isinstance(transformation, CompositeTransformation):
        for part in transformation.transformations:
            merge_language_models(part, ask)
    elif isinstance(transformation, WordSwapMaskedLM | WordInsertionMaskedLM | WordMergeMaskedLM):
        whole = getattr(transformation, "method", None) == "bert-attack"
        model = _shared(transformation._language_model, transformation._lm_tokenizer)
        transformation._language_model = _Merged(transformation._language_model.config, model, ask, whole=whole)


class _Merged:
    """Stands in for a language model where TextAttack calls it.

    Args:
        config: the model's.
        model: the model.
        ask: how it is asked.
        whole: whether its answers at all tokens of a text are wanted (BERT-Attack), not only at the masked one.
    """

    def __init__(self, config: Any, model: MaskedModel, ask: Ask, *, whole: bool) -> None:
        self.config = config
        self._model = model
        self._ask = ask
        self._whole = whole

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> tuple[_Logits]:
        """The logits of some texts, in the first place of a tuple."""
        texts = [tuple(ids[mask.bool()].tolist()) for ids, mask in zip(input_ids, attention_mask, strict=True)]
        items = [Masked(ids, None if self._whole else self._place(ids)) for ids in texts]
        return (_Logits(self._ask(self._model, items)),)

    def _place(self, ids: tuple[int, ...]) -> int | None:
        mask = self._model.mask_token
        return ids.index(mask) if mask in ids else None


@lru_cache(maxsize=1)
def _shared(model: Any, tokenizer: Any) -> MaskedModel:
    """One for all transformations with that language model, so that their texts go into the same batches."""
    return MaskedModel(model, tokenizer, positions(model.config))


class _Logits:
    """What TextAttack takes for logits ``(texts, tokens, vocabulary)``."""

    def __init__(self, rows: Sequence[Tensor]) -> None:
        self._rows = rows

    def __getitem__(self, key: int | tuple[int, int]) -> Tensor:
        """Those of one text, or of its masked token."""
        if isinstance(key, int):
            return self._rows[key]
        row = self._rows[key[0]]
        return row if row.dim() == 1 else row[key[1]]
