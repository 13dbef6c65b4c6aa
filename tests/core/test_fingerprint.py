from __future__ import annotations

import pytest

from asa_bench.core.fingerprint import example_ids, fingerprint


def test_id_of_a_text_never_changes() -> None:
    assert example_ids([("a fine film",)]) == ["bac6d0ff1e0a93ed"]


def test_adding_rows_moves_no_id() -> None:
    before = example_ids([("a",), ("b",)])
    after = example_ids([("a",), ("new",), ("b",)])
    assert [after[0], after[2]] == before


def test_repeats_are_numbered() -> None:
    first, second, third = example_ids([("a",), ("a",), ("a",)])
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_composed_and_decomposed_letters_are_one_text() -> None:
    assert example_ids([("caf\u00e9",)]) == example_ids([("cafe\u0301",)])


def test_fields_are_kept_apart() -> None:
    assert example_ids([("a", "bc")]) != example_ids([("ab", "c")])


def test_key_order_does_not_matter() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})


def test_nan_has_no_fingerprint() -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        fingerprint({"a": float("nan")})
