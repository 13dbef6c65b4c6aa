"""Words, synonyms and antonyms from the files of WordNet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

PARTS = ("noun", "verb", "adj", "adv")

Pair = tuple[str, str]
"""Two words in alphabetical order."""


class WordPairs(NamedTuple):
    """Pairs of single words, in order; no pair is in both."""

    synonyms: list[Pair]
    """Words of one synset."""
    antonyms: list[Pair]
    """Words of two synsets that an antonym pointer joins."""


class _Synset(NamedTuple):
    words: list[str]
    opposites: list[str]
    """Synsets with an antonym of one of the words."""


def wordnet_pairs(folder: Path, vocabulary: frozenset[str]) -> WordPairs:
    """The pairs of WordNet's data files in ``folder`` whose words are both in ``vocabulary``."""
    synsets = _all_synsets(folder)
    synonyms: set[Pair] | frozenset[Pair]
    synonyms = {_pair(a, b) for synset in synsets.values() for a, b in combinations(synset.words, 2)}
    antonyms: set[Pair] | frozenset[Pair] = _antonyms(synsets)
    synonyms, antonyms = ({pair for pair in pairs if vocabulary.issuperset(pair)} for pairs in (synonyms, antonyms))
    return WordPairs(
        *(sorted(pair for pair in pairs if len(set(pair)) == 2) for pairs in (synonyms - antonyms, antonyms))
    )


@lru_cache(maxsize=1)
def lemmas(folder: Path) -> frozenset[str]:
    """Every word that WordNet's index files in ``folder`` know, in lower case; read once."""
    lines = (line for part in PARTS for line in (folder / f"index.{part}").read_text(encoding="utf-8").splitlines())
    return frozenset(line.partition(" ")[0] for line in lines if not line.startswith(" "))


@lru_cache(maxsize=1)
def wordnet_antonyms(folder: Path) -> frozenset[Pair]:
    """Every pair of words of two synsets that an antonym pointer joins, by WordNet's files in ``folder``; read once."""
    return _antonyms(_all_synsets(folder))


def _all_synsets(folder: Path) -> dict[str, _Synset]:
    return {key: synset for part in PARTS for key, synset in _synsets(folder / f"data.{part}")}


def _antonyms(synsets: dict[str, _Synset]) -> frozenset[Pair]:
    return frozenset(
        _pair(*words)
        for synset in synsets.values()
        for key in synset.opposites
        for words in product(synset.words, synsets[key].words)
    )


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one <= other else (other, one)


def _synsets(path: Path) -> Iterator[tuple[str, _Synset]]:
    """Synsets by part of speech and offset; the format is WordNet's wndb(5)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("  "):
            fields = line.partition(" | ")[0].split(" ")
            size = int(fields[3], 16)
            words = [word.partition("(")[0].lower() for word in fields[4 : 4 + 2 * size : 2]]
            yield _key(fields[2], fields[0]), _Synset(words, _opposites(fields[4 + 2 * size :]))


def _opposites(fields: list[str]) -> list[str]:
    pointers = [fields[1 + 4 * i : 4 + 4 * i] for i in range(int(fields[0]))]
    return [_key(part, offset) for symbol, offset, part in pointers if symbol == "!"]


def _key(part: str, offset: str) -> str:
    return f"{part.replace('s', 'a')}{offset}"
