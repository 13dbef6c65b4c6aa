from __future__ import annotations

from asa_bench.assets import asset_path
from asa_bench.models.sentences import JUDGE
from asa_bench.probes.similarity import similarities


def test_meaning_counts() -> None:
    same, close, far = similarities(
        asset_path(JUDGE),
        [
            ("a good film", "a good film"),
            ("a good film", "a great movie"),
            ("a good film", "the tax office is closed"),
        ],
    )
    assert same > 0.999
    assert same > close > 0.6
    assert far < 0.3


def test_nothing_to_judge() -> None:
    assert similarities(asset_path(JUDGE), []) == []
