"""What an adversarial text did to its original, by measures that no attack here has for a constraint."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.assets.wordnet_pairs import lemmas, wordnet_antonyms
from asa_bench.attacking.rows import split

REVISION = 1
"""Raised whenever a change to the measures changes their values: it is part of the cells' keys."""

LEXICON = "wordnet"
"""The asset that knows words and antonyms."""

CHRF, ANTONYMS, NEGATIONS, UNKNOWN = "chrf", "antonyms", "negations", "unknown_words"
"""Names of the measures, in the order of :func:`quality`."""

NEGATING = frozenset(
    "no not never none nothing nobody nowhere neither nor cannot without hardly barely scarcely".split()  # noqa: SIM905
)
"""Words that negate, beside those that end in *n't*."""

ENDINGS = (
    ("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"),
    ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""), ("er", ""), ("est", ""), ("er", "e"),
    ("est", "e"), ("ly", ""), ("'s", ""),
)  # fmt: skip
"""Endings that WordNet's own search takes off, with what it puts in their place (morphy(7)), *ly* and *'s* besides."""


def quality(rows: pd.DataFrame, fields: int, wordnet: Path) -> Iterator[dict[str, Any]]:
    """Rows of ``probes.parquet``, without the columns that name the cell: one per success and measure.

    Args:
        rows: attacked examples of one model (schema ``EXAMPLES``).
        fields: how many text fields an example has.
        wordnet: folder of WordNet's files.
    """
    successes = rows[rows["outcome"] == "succeeded"]
    pairs = [
        tuple(" ".join(split(text, fields)) for text in texts)
        for texts in zip(successes["original_text"], successes["adversarial_text"], strict=True)
    ]
    opposites, known = wordnet_antonyms(wordnet), lemmas(wordnet)
    for example, (original, adversarial) in zip(successes["example_id"], pairs, strict=True):
        measured = {
            CHRF: chrf(original, adversarial),
            ANTONYMS: float(antonyms(original, adversarial, opposites)),
            NEGATIONS: float(negations(adversarial) != negations(original)),
            UNKNOWN: float(len(unknown_words(original, adversarial, known))),
        }
        yield from ({"example_id": example, "probe": name, "value": value} for name, value in measured.items())


def chrf(original: str, adversarial: str) -> float:
    """Character n-gram F-score in [0, 1] (Popović 2015, chrF3: n up to 6, recall weighs three times)."""
    from nltk.translate.chrf_score import sentence_chrf

    if original == adversarial:
        return 1.0  # also where the texts are too short for an n-gram
    return float(sentence_chrf(original, adversarial, beta=3.0)) if original.strip() and adversarial.strip() else 0.0


def antonyms(original: str, adversarial: str, opposites: Collection[tuple[str, str]]) -> int:
    """How many words were replaced by one of their antonyms.

    Args:
        original: the text.
        adversarial: what became of it.
        opposites: pairs of antonyms, each in alphabetical order.
    """
    return sum(
        any((min(a, b), max(a, b)) in opposites for a in forms(old) for b in forms(new))
        for old, new in replaced(words(original), words(adversarial))
    )


def replaced(original: Sequence[str], adversarial: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Words that stand in the place of others, one by one."""
    matcher = SequenceMatcher(None, original, adversarial, autojunk=False)
    for operation, a, b, c, d in matcher.get_opcodes():
        if operation == "replace":
            yield from zip(original[a:b], adversarial[c:d], strict=False)


def negations(text: str) -> int:
    """How many words of a text negate."""
    return sum(word in NEGATING or word.endswith("n't") for word in words(text))


def unknown_words(original: str, adversarial: str, known: frozenset[str]) -> set[str]:
    """Words that the adversarial text alone has, and that neither ``known`` nor WordNet's endings explain."""
    return {word for word in {*words(adversarial)} - {*words(original)} if known.isdisjoint(forms(word))}


def forms(word: str) -> list[str]:
    """The word, and what it may be an inflection of."""
    return [word, *(word[: -len(end)] + stem for end, stem in ENDINGS if word.endswith(end) and len(word) > len(end))]


def words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters and digits, with apostrophes and hyphens inside."""
    return re.findall(r"\w+(?:['’\-]\w+)*", text.lower().replace("’", "'"))
