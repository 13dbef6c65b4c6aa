"""Krippendorff's alpha by hand and as published."""

from __future__ import annotations

import pytest

from asa_bench.stats.agreement import krippendorff_alpha

PUBLISHED = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Four observers, twelve units, values missing (Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*)."""


def test_nominal_by_hand() -> None:
    """Eight values in four units, three 1 and five 2: D_o = 2 / 8, D_e = 2 · 3 · 5 / (8 · 7)."""
    units = [[1, 1], [1, 2], [2, 2], [2, 2], [1]]  # the last says nothing of agreement
    assert krippendorff_alpha(units, "nominal") == pytest.approx(1 - (2 / 8) / (30 / 56))


def test_ordinal_by_hand() -> None:
    """Values 1, 1, 3, 3, 5, 5 have the middle ranks 1, 3, 5; unlike pairs (1, 3) and (5, 3): 2 · 2 · 2² = 16.

    Expected: 2 · (2 · 2 · 2² + 2 · 2 · 2² + 2 · 2 · 4²) = 192, over n − 1 = 5.
    """
    units = [[1, 1], [3, 5], [3, 5]]
    assert krippendorff_alpha(units, "ordinal") == pytest.approx(1 - 5 * 16 / 192)


def test_as_published() -> None:
    observers = [line.split() for line in PUBLISHED]
    units = [[int(value) for value in unit if value != "."] for unit in zip(*observers, strict=True)]
    assert krippendorff_alpha(units, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(units, "ordinal") == pytest.approx(0.815, abs=5e-4)


def test_what_has_no_agreement() -> None:
    assert krippendorff_alpha([], "nominal") is None
    assert krippendorff_alpha([[1], [2], [3]], "ordinal") is None  # one rater
    assert krippendorff_alpha([[4, 4], [4, 4]], "ordinal") is None  # nothing that chance could disagree on
    assert krippendorff_alpha([[1, 1], [2, 2]], "nominal") == 1.0
    found = krippendorff_alpha([[1, 2], [1, 2], [2, 1]], "nominal")
    assert found is not None
    assert found < 0
