"""Counter-fitting on spaces whose numbers can be checked by hand, and the build on a slice of GloVe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asa_bench.assets import MANIFEST, asset_digests, asset_path, build_asset, cache
from asa_bench.assets.build import build_vectors, complaint, read_glove
from asa_bench.assets.counter_fitting import counter_fitted, near_pairs, neighbours
from asa_bench.assets.location import BUILD_RECORD, intact, place
from asa_bench.assets.wordnet_pairs import wordnet_pairs
from asa_bench.core.errors import InputError, MissingAssetError
from asa_bench.core.files import read_json

NONE = np.empty((0, 2), dtype=np.int64)
PAIR = np.array([[0, 1]])

SLICE = 10_000
"""Words of GloVe to build from."""


def test_one_step_attracts_by_a_tenth_of_the_gradient() -> None:
    """(1, 0) and (0, 1) each get 0.1 of the other: (1, 0.1) and (0.1, 1) have the cosine 0.2 / 1.01."""
    fitted = counter_fitted(np.eye(2), PAIR, NONE, NONE, steps=1)
    assert fitted[0] @ fitted[1] == pytest.approx(0.2 / 1.01)
    assert np.linalg.norm(fitted, axis=1) == pytest.approx([1, 1])


def test_one_step_repels_by_a_tenth_of_the_gradient() -> None:
    """(1, 0) and (0.6, 0.8): gradients (0, 0.8) and (0.64, -0.48), so (1, -0.08) and (0.536, 0.848)."""
    fitted = counter_fitted(np.array([[1, 0], [0.6, 0.8]]), NONE, PAIR, NONE, steps=1)
    expected = (0.536 - 0.08 * 0.848) / np.sqrt((1 + 0.08**2) * (0.536**2 + 0.848**2))
    assert fitted[0] @ fitted[1] == pytest.approx(expected)


def test_antonyms_end_at_right_angles_and_no_farther() -> None:
    fitted = counter_fitted(np.array([[1, 0], [0.9, 0.4]]), NONE, PAIR, NONE, steps=200)
    assert -0.2 < fitted[0] @ fitted[1] <= 0.01  # the last step may turn each by a tenth


def test_neighbours_keep_their_distance_when_one_is_pulled_away() -> None:
    """Words 0 and 1 are near; 0 is attracted to 2, across the space: 1 comes along only where the pair is preserved."""
    space = np.array([[1, 0, 0], [0.95, 0.31, 0], [0, 0, 1]])
    pulled = np.array([[0, 2]])
    alone = counter_fitted(space, pulled, NONE, NONE)
    kept = counter_fitted(space, pulled, NONE, PAIR)
    assert kept[0] @ kept[1] > alone[0] @ alone[1] + 0.1


def test_neighbours_are_nearest_first_without_the_word_itself() -> None:
    space = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.96, 0.28]])
    near = neighbours(space, 2)
    assert near.words.tolist() == [[3, 1], [3, 0], [1, 3], [0, 1]]
    assert near.similarities[0] == pytest.approx([0.96, 0.8])
    assert near_pairs(near, distance=0.1).tolist() == [[0, 3], [1, 3]]


def test_wordnet_says_what_is_alike_and_what_is_opposite() -> None:
    folder = asset_path("wordnet") / MANIFEST["wordnet"].layout
    pairs = wordnet_pairs(folder, frozenset({"good", "bad", "cheap", "expensive", "inexpensive", "movie", "film"}))
    assert pairs.synonyms == [("cheap", "inexpensive"), ("film", "movie")]
    assert pairs.antonyms == [("bad", "good"), ("cheap", "expensive"), ("expensive", "inexpensive")]


@pytest.fixture
def slice_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache beside which GloVe and WordNet lie."""
    for name in ("glove", "wordnet"):
        (tmp_path / place(MANIFEST[name]).name).symlink_to(asset_path(name))
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_verified", set())
    return tmp_path


def test_a_build_parts_antonyms_and_is_the_same_again(slice_cache: Path) -> None:
    before = asset_digests(["counter-fitted-glove"])
    folder = build_vectors(asset_path, frequent=SLICE)
    record = read_json(folder / BUILD_RECORD)
    words = (folder / "words.txt").read_text().split()
    assert words == read_glove(asset_path("glove"), SLICE)[0]
    vectors, near = np.load(folder / "vectors.npy"), np.load(folder / "neighbours.npy")
    for one, other in (("good", "bad"), ("cheap", "expensive")):
        assert words.index(other) not in near[words.index(one)]
        assert vectors[words.index(one)] @ vectors[words.index(other)] < 0.5
    assert record["held_out"]["after"]["antonyms_near"] < record["held_out"]["before"]["antonyms_near"]
    assert record["held_out"]["after"]["synonyms_cosine"] > record["held_out"]["before"]["synonyms_cosine"]
    assert record["inputs"] == asset_digests(["glove", "wordnet"])
    assert asset_digests(["counter-fitted-glove"]) != before
    assert read_json(build_vectors(asset_path, frequent=SLICE) / BUILD_RECORD) == record
    (folder / "vectors.npy").write_bytes(b"damaged")
    assert not intact(folder, MANIFEST["counter-fitted-glove"])


def test_vectors_that_do_not_part_antonyms_are_refused() -> None:
    good = {"antonyms_near": 0.2, "synonyms_cosine": 0.4}
    assert complaint({"before": good, "after": {"antonyms_near": 0.1, "synonyms_cosine": 0.5}}) is None
    same = complaint({"before": good, "after": {**good, "synonyms_cosine": 0.5}})
    assert same == "antonyms_near: expected < 0.2, got 0.2"
    apart = complaint({"before": good, "after": {"antonyms_near": 0.1, "synonyms_cosine": 0.3}})
    assert apart == "synonyms_cosine: expected > 0.4, got 0.3"


def test_what_is_not_built_is_refused_with_its_remedy(slice_cache: Path) -> None:
    title = MANIFEST["counter-fitted-glove"].title
    message = (
        f"^asset 'counter-fitted-glove' \\({title}\\) is not in {slice_cache}; "
        "make it with: asa-bench assets build counter-fitted-glove$"
    )
    with pytest.raises(MissingAssetError, match=message):
        asset_path("counter-fitted-glove")


def test_what_is_fetched_cannot_be_built() -> None:
    with pytest.raises(InputError, match=r"^asset 'glove' is fetched, not built: asa-bench assets fetch glove$"):
        build_asset("glove")
