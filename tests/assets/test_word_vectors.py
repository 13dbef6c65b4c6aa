"""Word vectors of the user's: what is read from each form, and one line for each thing that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asa_bench.assets.word_vectors import digest_word_vectors, read_word_vectors
from asa_bench.core.errors import InputError

WORDS = [f"word{i}" for i in range(60)]
VECTORS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
NEAR = np.array([[other for other in range(60) if other != word][:50] for word in range(60)], dtype=np.int32)


def text(words: list[str], vectors: np.ndarray) -> str:
    rows = zip(words, vectors, strict=True)
    return "".join(f"{word} {' '.join(map(repr, map(float, vector)))}\n" for word, vector in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "vectors"
    made.mkdir()
    (made / "words.txt").write_text("\n".join(WORDS) + "\n")
    np.save(made / "vectors.npy", VECTORS)
    np.save(made / "neighbours.npy", NEAR)
    return made


def test_a_folder(folder: Path) -> None:
    found = read_word_vectors(folder)
    assert found.words == WORDS
    assert np.array_equal(found.vectors, VECTORS)
    assert found.neighbours is not None
    assert np.array_equal(found.neighbours, NEAR)
    digest = digest_word_vectors(folder)
    (folder / "neighbours.npy").unlink()
    assert read_word_vectors(folder).neighbours is None
    assert digest_word_vectors(folder) != digest


@pytest.mark.parametrize("head", ["", "60 3\n"])
def test_a_text_file(tmp_path: Path, head: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(head + text(WORDS, VECTORS))
    found = read_word_vectors(path)
    assert (found.words, found.neighbours) == (WORDS, None)
    assert np.array_equal(found.vectors, VECTORS)


def test_odd_words_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(", 1 2\r\n. . . 3 4 \r\nna\u2028ïve 5 6\r\n, 7 8\r\n42 9 10".encode())
    found = read_word_vectors(path)
    assert found.words == [",", ". . .", "na\u2028ïve", "42"]
    assert found.vectors.tolist() == [[1, 2], [3, 4], [5, 6], [9, 10]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected a word and its numbers, got 0 numbers"),
        (b"alone\n", "line 1: expected a word and its numbers, got 0 numbers"),
        (b"one 1 2\ntwo 1\n", "line 2: expected a word and 2 numbers, got 1 numbers"),
        (b"one 1 2\ntwo 1 2 3\n", "line 2: expected a word and 2 numbers, got 3 numbers"),
        (b"one 1 2\n\nthree 1 2\n", "line 2: expected a word and 2 numbers, got 0 numbers"),
        (b"one 1 2\ntwo 1 x\n", "line 2: could not convert string to float: 'x'"),
        (b"one 1 2\ntwo nan 1\n", "line 2: the vector of 'two': expected finite numbers"),
        (b"one 1 2\ntwo 1e99 1\n", "line 2: the vector of 'two': expected finite numbers"),
        (b"3 2\none 1 2\ntwo 1 2\n", "line 1: says 3 words, got 2"),
        (b"2 3\none 1 2\ntwo 1 2\n", "line 2: expected a word and 3 numbers, got 2 numbers"),
        (b"0 3\n", "no words"),
        (b"\x80\x04\x95", "not UTF-8; expected a text file of word vectors"),
    ],
)
def test_a_wrong_text_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_word_vectors(path)


def saved(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, array, allow_pickle=True)


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def changed(array: np.ndarray, value: float) -> np.ndarray:
    other = array.copy()
    other[1, 0] = value
    return other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (gone("words.txt"), "words.txt: no such file"),
        (gone("vectors.npy"), "vectors.npy: no such file"),
        (written("words.txt", b"one\n\nthree\n"), "words.txt: line 2: no word"),
        (written("words.txt", b"one\ntwo\none\n"), "words.txt: line 3: the word stands there twice"),
        (written("words.txt", b"\xff"), "words.txt: not UTF-8 at byte 0; save it as UTF-8"),
        (written("vectors.npy", b"damaged"), "vectors.npy: not a plain array of NumPy"),
        (written("vectors.npy", b""), "vectors.npy: not a plain array of NumPy"),
        (saved("vectors.npy", np.array([{}] * 60)), "vectors.npy: not a plain array of NumPy"),
        (saved("vectors.npy", VECTORS[:59]), "vectors.npy: shape: expected (60, width), got (59, 3)"),
        (saved("vectors.npy", VECTORS[:, 0]), "vectors.npy: shape: expected (60, width), got (60,)"),
        (saved("vectors.npy", VECTORS[:, :0]), "vectors.npy: shape: expected (60, width), got (60, 0)"),
        (saved("vectors.npy", NEAR), "vectors.npy: dtype: expected floating-point numbers, got int32"),
        (saved("vectors.npy", changed(VECTORS, np.nan)), "vectors.npy: the vector of 'word1': expected finite numbers"),
        (saved("neighbours.npy", NEAR[:, :9]), "neighbours.npy: shape: expected (60, 50 or more), got (60, 9)"),
        (saved("neighbours.npy", NEAR[:9]), "neighbours.npy: shape: expected (60, 50 or more), got (9, 50)"),
        (saved("neighbours.npy", NEAR * 1.0), "neighbours.npy: dtype: expected whole numbers, got float64"),
        (saved("neighbours.npy", changed(NEAR, 60)), "neighbours.npy: expected places of words from 0 to 59, got 60"),
        (saved("neighbours.npy", changed(NEAR, -1)), "neighbours.npy: expected places of words from 0 to 59, got -1"),
    ],
)
def test_a_wrong_folder(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(InputError, match=f"^{re.escape(f'{folder}/{message}')}$"):
        read_word_vectors(folder)


def test_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: no such file or folder')}$"):
        read_word_vectors(path)
