"""Assets that are made here: word vectors counter-fitted with WordNet, their neighbours, and a check of both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asa_bench.assets.counter_fitting import (
    NEAR,
    RATE,
    STEPS,
    Neighbours,
    counter_fitted,
    near_pairs,
    neighbours,
    unit,
)
from asa_bench.assets.fetch import move_into_place
from asa_bench.assets.location import BUILD_RECORD, cache_folder, place
from asa_bench.assets.manifest import MANIFEST, Asset
from asa_bench.assets.word_vectors import NEAREST, NEIGHBOURS_FILE, VECTORS_FILE, WORDS_FILE
from asa_bench.assets.wordnet_pairs import Pair, WordPairs, wordnet_pairs
from asa_bench.core.errors import MissingAssetError
from asa_bench.core.files import write_json
from asa_bench.core.fingerprint import digest_bytes, digest_file

VECTORS = "counter-fitted-glove"
"""The asset."""

FREQUENT = 100_000
"""The most frequent words of GloVe, of which the lower-case alphabetic ones are kept."""

HELD_OUT = 20
"""One in so many pairs is kept out of the fit, to check it."""

WITHIN = 10
"""A word's neighbourhood, in the check."""

DECIMALS = 4
"""To which vectors are rounded, so that machines whose arithmetic differs in the last bits agree."""


class IndexPairs(NamedTuple):
    """Pairs, as indices ``(pairs, 2)``."""

    synonyms: np.ndarray
    antonyms: np.ndarray


def build_vectors(provide: Callable[[str], Path], frequent: int = FREQUENT) -> Path:
    """Build the counter-fitted vectors anew from GloVe and WordNet, and return their folder.

    In one thread and fixed order: one machine always gives the same files. ``build.json`` beside them has their digests
    and the check.

    Args:
        provide: gives the folder of an asset.
        frequent: how many of GloVe's most frequent words to look at.

    Raises:
        MissingAssetError: when GloVe or WordNet cannot be had, the cache cannot be written, or the check fails.
    """
    asset, glove, wordnet = MANIFEST[VECTORS], provide("glove"), provide("wordnet")
    words, original = read_glove(glove, frequent)
    pairs = wordnet_pairs(wordnet / MANIFEST["wordnet"].layout, frozenset(words))
    with _one_thread():
        vectors, near, record = fit(words, original, pairs)
    if fault := complaint(record["held_out"]):
        raise MissingAssetError(f"asset '{asset.name}' ({asset.title}) failed its check: {fault}")
    return _store(asset, words, vectors, near, {**record, "inputs": asset.inputs, "revision": asset.revision})


def read_glove(folder: Path, frequent: int) -> tuple[list[str], np.ndarray]:
    """The lower-case alphabetic words among the most frequent, and their vectors ``(words, 50)``."""
    import pandas as pd

    column = pd.read_parquet(folder / "glove_6B_index.parquet")["index"].head(frequent).tolist()
    kept = [index for index, word in enumerate(column) if word.isascii() and word.isalpha() and word.islower()]
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")[kept]
    return [column[index] for index in kept], np.asarray(vectors)


def fit(words: list[str], original: np.ndarray, pairs: WordPairs) -> tuple[np.ndarray, Neighbours, dict[str, Any]]:
    """Counter-fitted vectors ``(words, width)``, their neighbours, and what a record says of them.

    A first fit is without the pairs held out, and is measured on them; the vectors are those of a second, on all pairs.
    """
    index = {word: number for number, word in enumerate(words)}
    (train_synonyms, synonyms), (train_antonyms, antonyms) = (_split(found, index) for found in pairs)
    original = unit(original.astype(np.float64))
    before = neighbours(original, NEAREST)
    kept, every = (
        near_pairs(before),
        IndexPairs(*(np.array([[index[a], index[b]] for a, b in found]) for found in pairs)),
    )
    trial = _rounded(original, IndexPairs(train_synonyms, train_antonyms), kept)
    held_out = {"before": measures(original, before, IndexPairs(synonyms, antonyms))}
    held_out["after"] = measures(unit(trial), neighbours(unit(trial), WITHIN), IndexPairs(synonyms, antonyms))
    vectors = _rounded(original, every, kept)
    near = neighbours(unit(vectors), NEAREST)
    record = {
        "words": len(words),
        "settings": {"near": NEAR, "rate": RATE, "steps": STEPS, "decimals": DECIMALS, "neighbours": NEAREST},
        "held_out": held_out,
        "fitted": {"before": measures(original, before, every), "after": measures(unit(vectors), near, every)},
    }
    return vectors, near, record


def _rounded(original: np.ndarray, pairs: IndexPairs, kept: np.ndarray) -> np.ndarray:
    fitted = counter_fitted(original, pairs.synonyms, pairs.antonyms, _without(kept, pairs.antonyms))
    return fitted.round(DECIMALS).astype(np.float32)


def measures(vectors: np.ndarray, near: Neighbours, pairs: IndexPairs) -> dict[str, float]:
    """Mean cosine of synonyms and of antonyms, and the share of each that are among each other's nearest words."""
    found: dict[str, float] = {}
    for name, chosen in pairs._asdict().items():
        cosines = (vectors[chosen[:, 0]] * vectors[chosen[:, 1]]).sum(axis=1)
        inside = (near.words[chosen[:, 0], :WITHIN] == chosen[:, 1:]).any(axis=1)
        inside |= (near.words[chosen[:, 1], :WITHIN] == chosen[:, :1]).any(axis=1)
        found |= {f"{name}_pairs": len(chosen)}
        found |= {f"{name}_cosine": round(float(cosines.mean()), 4), f"{name}_near": round(float(inside.mean()), 4)}
    return found


def complaint(held_out: dict[str, dict[str, float]]) -> str | None:
    """Why the vectors may not be used; None where held-out synonyms came nearer and fewer antonyms are neighbours."""
    before, after = held_out["before"], held_out["after"]
    if after["antonyms_near"] >= before["antonyms_near"]:
        return f"antonyms_near: expected < {before['antonyms_near']}, got {after['antonyms_near']}"
    if after["synonyms_cosine"] <= before["synonyms_cosine"]:
        return f"synonyms_cosine: expected > {before['synonyms_cosine']}, got {after['synonyms_cosine']}"
    return None


def _split(pairs: list[Pair], index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs to fit and pairs held out, by the digest of the words."""
    parts: tuple[list[list[int]], list[list[int]]] = ([], [])
    for pair in pairs:
        held = int(digest_bytes(" ".join(pair).encode())[:8], 16) % HELD_OUT == 0
        parts[held].append([index[word] for word in pair])
    fitted, held_out = (np.array(part, dtype=np.int64).reshape(-1, 2) for part in parts)
    return fitted, held_out


def _without(pairs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """``pairs`` that are not among ``others``, in whatever order."""
    excluded = set(map(tuple, np.sort(others, axis=1).tolist()))
    return pairs[[tuple(pair) not in excluded for pair in pairs.tolist()]]


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _store(asset: Asset, words: list[str], vectors: np.ndarray, near: Neighbours, record: dict[str, Any]) -> Path:
    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".build-", ignore_cleanup_errors=True) as work:
            fresh = Path(work) / "fresh"
            fresh.mkdir()
            (fresh / WORDS_FILE).write_text("\n".join(words) + "\n", encoding="utf-8")
            np.save(fresh / VECTORS_FILE, vectors)
            np.save(fresh / NEIGHBOURS_FILE, near.words)
            files = {path.name: digest_file(path) for path in sorted(fresh.iterdir())}
            write_json(fresh / BUILD_RECORD, {**record, "files": files})
            move_into_place(fresh, asset, Path(work) / "old")
    except OSError as error:
        raise MissingAssetError(f"cache {root}: {error.strerror or error}") from None
    return place(asset)
