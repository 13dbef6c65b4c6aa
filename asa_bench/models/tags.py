"""Parts of speech by spaCy's tagger, of many windows of words at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from lru import LRU

from asa_bench.assets import asset_path
from asa_bench.models.batching import Encoded

PIPELINE = "spacy-english"
"""The asset with spaCy's pipeline."""

KEPT = 2**16
"""Tagged windows that are kept."""

WINDOWS = 32
"""Windows that are tagged together: no more, so that one search's candidates are nearly enough."""

Window = tuple[str, ...]
"""Words in their order."""


class Tagger:
    """The tagger of spaCy; an answer is a window's tags, in the Universal Dependencies' names.

    Its scores are equal, bit for bit, whatever is tagged with a window (tests hold it), so that batches need no shape.
    """

    batch_size = WINDOWS

    def __init__(self) -> None:
        self.known: Any = LRU(KEPT)
        """A memory for who asks, by window."""

    def encode(self, windows: Sequence[Window]) -> list[Encoded]:
        """The windows as they are: their length does not matter."""
        return [Encoded(0, window) for window in windows]

    def forward(self, batch: Sequence[Encoded]) -> list[tuple[str, ...]]:
        """The tags of each window."""
        windows = [encoded.inputs for encoded in batch]
        return [tuple(token.pos_ for token in tagged) for tagged in parsed(windows, without="ner")]


@lru_cache(maxsize=1)
def tagger() -> Tagger:
    """The tagger, with its memory; spaCy is loaded when it is first asked."""
    return Tagger()


def parsed(windows: Sequence[Window], without: str) -> list[Any]:
    """Windows of words as documents of spaCy: with parts of speech or with named entities, *without* the other.

    Args:
        windows: what to look at.
        without: *ner* for parts of speech, *tagger* for named entities.
    """
    from spacy.tokens import Doc

    pipeline = _pipeline(without)
    texts = [Doc(pipeline.vocab, words=list(window)) for window in windows]
    return list(pipeline.pipe(texts, batch_size=len(texts)))


@lru_cache(maxsize=2)
def _pipeline(without: str) -> Any:
    import spacy

    others = {"tagger", "attribute_ruler"} if without == "tagger" else {without}
    return spacy.load(asset_path(PIPELINE), exclude=[*others, "parser", "lemmatizer", "senter"])
