"""Robust accuracy that counts acceptable texts alone."""

from __future__ import annotations

import pytest

from asa_bench.records.schema import EXAMPLES, PROBES, table
from asa_bench.stats.quality import SIMILAR, strict_robust_accuracy


def test_the_threshold_is_textfoolers_angle() -> None:
    assert pytest.approx(0.8776, abs=1e-4) == SIMILAR


def test_only_acceptable_successes_count() -> None:
    rows = table(
        [
            {"seed": 0, "example_id": "held", "outcome": "failed"},
            {"seed": 0, "example_id": "wrong", "outcome": "skipped"},
            {"seed": 0, "example_id": "error", "outcome": "error"},
            {"seed": 0, "example_id": "fair", "outcome": "succeeded", "similarity": 0.95},
            {"seed": 0, "example_id": "far", "outcome": "succeeded", "similarity": 0.5},
            {"seed": 0, "example_id": "antonym", "outcome": "succeeded", "similarity": 0.95},
            {"seed": 0, "example_id": "negated", "outcome": "succeeded", "similarity": 0.95},
            {"seed": 0, "example_id": "misspelt", "outcome": "succeeded", "similarity": 0.95},
        ],
        EXAMPLES,
    )
    measures = table(
        [
            {"seed": 0, "example_id": "antonym", "probe": "antonyms", "value": 1.0},
            {"seed": 0, "example_id": "negated", "probe": "negations", "value": 1.0},
            {"seed": 0, "example_id": "misspelt", "probe": "unknown_words", "value": 3.0},
            {"seed": 1, "example_id": "fair", "probe": "antonyms", "value": 1.0},  # another model's text
        ],
        PROBES,
    )
    found = strict_robust_accuracy(rows, measures)
    assert (found.value, found.n) == (4 / 8, 8)  # held, far, antonym, negated


def test_it_is_never_under_robust_accuracy_and_undefined_without_rows() -> None:
    rows = table([{"seed": 0, "example_id": str(i), "outcome": "failed"} for i in range(4)], EXAMPLES)
    assert strict_robust_accuracy(rows, table([], PROBES)).value == 1.0
    assert strict_robust_accuracy(table([], EXAMPLES), table([], PROBES)).value is None
