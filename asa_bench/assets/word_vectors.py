"""Word vectors on disk: a folder as ``assets build`` makes it, or a text file of word2vec or GloVe.

Nothing that is read can run code: arrays are plain, no pickles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_text
from asa_bench.core.fingerprint import digest_file, digest_folder

WORDS_FILE, VECTORS_FILE, NEIGHBOURS_FILE = "words.txt", "vectors.npy", "neighbours.npy"
"""Files of a folder: a word a line, a vector a word, and for each word its nearest, which may be left out."""

NEAREST = 50
"""Neighbours of each word, as in TextAttack's matrix: as many as a recipe may ask for."""

NUMBER_AT_END = r" -?\d+(\.\d*)?([eE][-+]?\d+)?$"
"""A word that ends so has taken a number too many of its line."""


class WordVectors(NamedTuple):
    """Words, their vectors, and which words are near which."""

    words: list[str]
    vectors: np.ndarray
    """``(words, width)``, finite, in float32."""
    neighbours: np.ndarray | None
    """Indices ``(words, NEAREST or more)`` of the nearest words, nearest first, itself not among them; None where they
    have to be looked up in the vectors."""


def read_word_vectors(path: Path) -> WordVectors:
    """The vectors in a folder or a text file.

    Raises:
        InputError: naming the file, and the line where there is one, for anything that is missing, no plain array, not
            finite, or of another shape than the rest.
    """
    return _read_folder(path) if path.is_dir() else _read_lines(path)


def digest_word_vectors(path: Path) -> str:
    """Digest of the vectors' files."""
    return digest_folder(path, (WORDS_FILE, VECTORS_FILE, NEIGHBOURS_FILE)) if path.is_dir() else digest_file(path)


def _read_folder(folder: Path) -> WordVectors:
    words = _words(folder / WORDS_FILE)
    path, vectors = folder / VECTORS_FILE, _array(folder / VECTORS_FILE)
    if vectors.ndim != 2 or len(vectors) != len(words) or not vectors.size:
        raise InputError(f"{path}: shape: expected ({len(words)}, width), got {vectors.shape}")
    if not np.issubdtype(vectors.dtype, np.floating):
        raise InputError(f"{path}: dtype: expected floating-point numbers, got {vectors.dtype}")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(f"{path}: the vector of '{words[int(finite.argmin())]}': expected finite numbers")
    near = _neighbours(folder / NEIGHBOURS_FILE, len(words)) if (folder / NEIGHBOURS_FILE).exists() else None
    return WordVectors(words, vectors.astype(np.float32), near)


def _words(path: Path) -> list[str]:
    words = read_text(path).removesuffix("\n").split("\n")
    seen: set[str] = set()
    for number, word in enumerate(words, start=1):
        if not word or word in seen:
            raise InputError(f"{path}: line {number}: {'no word' if not word else 'the word stands there twice'}")
        seen.add(word)
    return words


def _neighbours(path: Path, words: int) -> np.ndarray:
    near = _array(path)
    if near.ndim != 2 or len(near) != words or near.shape[1] < NEAREST:
        raise InputError(f"{path}: shape: expected ({words}, {NEAREST} or more), got {near.shape}")
    if not np.issubdtype(near.dtype, np.integer):
        raise InputError(f"{path}: dtype: expected whole numbers, got {near.dtype}")
    for wrong in (near.min(), near.max()):
        if not 0 <= wrong < words:
            raise InputError(f"{path}: expected places of words from 0 to {words - 1}, got {wrong}")
    return near


def _array(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'damaged'}") from None
    except (ValueError, EOFError):
        raise InputError(f"{path}: not a plain array of NumPy") from None
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path}: not a plain array of NumPy")
    return found


def _read_lines(path: Path) -> WordVectors:
    """A text file: a line for each word, with or without word2vec's first line; a word's first vector counts."""
    lines = enumerate(_lines(path), start=1)
    _, first = next(lines, (1, ""))
    says = re.fullmatch(r"(\d+) (\d+)", first)
    width = int(says[2]) if says else first.count(" ")
    found: dict[str, np.ndarray] = {}
    number = 1
    for number, line in lines if says else chain([(1, first)], lines):
        word, vector = _word_and_vector(line, width, f"{path}: line {number}")
        found.setdefault(word, vector)
    if says and number - 1 != int(says[1]):
        raise InputError(f"{path}: line 1: says {says[1]} words, got {number - 1}")
    if not found:
        raise InputError(f"{path}: no words")
    return WordVectors([*found], np.stack([*found.values()]), None)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from (line.rstrip() for line in file)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; expected a text file of word vectors") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _word_and_vector(line: str, width: int, where: str) -> tuple[str, np.ndarray]:
    """A word, which may hold spaces, and the ``width`` numbers behind it."""
    word, *numbers = line.rsplit(" ", width)
    if not width or len(numbers) < width or re.search(NUMBER_AT_END, word):
        raise InputError(f"{where}: expected a word and {width or 'its'} numbers, got {line.count(' ')} numbers")
    try:
        with np.errstate(over="ignore"):
            vector = np.array(numbers, dtype=np.float32)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    if not np.isfinite(vector).all():
        raise InputError(f"{where}: the vector of '{word}': expected finite numbers")
    return word, vector
