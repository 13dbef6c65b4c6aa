from __future__ import annotations

import pytest

from asa_bench.core.errors import InputError
from asa_bench.core.registry import Registry


def test_names_are_looked_up() -> None:
    assert Registry("defence", [("baseline", 1)])["baseline"] == 1


def test_unknown_name_gets_the_nearest_one() -> None:
    registry = Registry("defence", [("baseline", 1), ("asa", 2)])
    message = r"^unknown defence 'basline'; did you mean 'baseline'\? \(known: asa, baseline\)$"
    with pytest.raises(InputError, match=message):
        registry["basline"]


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match=r"^defence 'asa' is registered twice$"):
        Registry("defence", [("asa", 1), ("asa", 2)])
