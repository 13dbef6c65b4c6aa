"""Near-identical texts, and splits that keep them together."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from asa_bench.core.seeding import derive_seed
from asa_bench.tasks.base import Example

SIMILARITY = 0.8
"""Texts whose sets of words have at least this Jaccard index count as near-identical."""


def words_of(text: str) -> frozenset[str]:
    """The words of a text, without case and punctuation; a text without words is its own only word."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(re.findall(r"\w+", folded)) or frozenset([folded.strip()])


def near_identical_groups(texts: Sequence[str]) -> list[int]:
    """For each text the position of the first text of its group; near-identical texts share a group, transitively."""
    bags = [words_of(text) for text in texts]
    first: dict[frozenset[str], int] = {}
    parents = [first.setdefault(bag, position) for position, bag in enumerate(bags)]
    for one, other in _similar_pairs(list(first)):
        _join(parents, first[one], first[other])
    return [_root(parents, position) for position in range(len(texts))]


def _similar_pairs(bags: list[frozenset[str]]) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """All pairs of distinct word sets with a Jaccard index of at least ``SIMILARITY``.

    Prefix filtering (Chaudhuri et al. 2006): two such sets share a word among the few rarest of each, so that only sets
    with a rare word in common are compared, and none is missed.
    """
    frequency = Counter(word for bag in bags for word in bag)
    holders: dict[str, list[frozenset[str]]] = defaultdict(list)
    for bag in bags:
        rarest = sorted(bag, key=lambda word: (frequency[word], word))
        # The tolerance keeps 0.8 × 5 from being rounded up to 5.
        prefix = rarest[: len(bag) - math.ceil(SIMILARITY * len(bag) - 1e-9) + 1]
        for other in {candidate for word in prefix for candidate in holders[word]}:
            if jaccard(bag, other) >= SIMILARITY:
                yield bag, other
        for word in prefix:
            holders[word].append(bag)


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Size of the intersection over size of the union."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _root(parents: list[int], position: int) -> int:
    while parents[position] != position:
        parents[position] = parents[parents[position]]
        position = parents[position]
    return position


def _join(parents: list[int], one: int, other: int) -> None:
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first


def split_by_group(
    examples: Sequence[Example], shares: Sequence[tuple[str, float]], salt: str
) -> dict[str, tuple[Example, ...]]:
    """Split ``examples`` by the hash of their group, so that near-identical texts are never on two sides.

    A group is known by its smallest example id: the split depends neither on order nor on other groups.

    Args:
        examples: what to split.
        shares: each part's name and its share; the shares add up to 1.
        salt: named in the hash, so that two tasks split the same text independently.
    """
    groups = near_identical_groups([" ".join(example.fields) for example in examples])
    keys: dict[int, str] = {}
    for example, group in zip(examples, groups, strict=True):
        keys[group] = min(example.id, keys.get(group, example.id))
    parts: dict[str, list[Example]] = {name: [] for name, _ in shares}
    for example, group in zip(examples, groups, strict=True):
        parts[_part(derive_seed("split", salt, keys[group]) / 2**32, shares)].append(example)
    return {name: tuple(part) for name, part in parts.items()}


def _part(position: float, shares: Sequence[tuple[str, float]]) -> str:
    """The part that a position in [0, 1) falls into."""
    for name, share in shares:
        if position < share:
            return name
        position -= share
    return shares[-1][0]
