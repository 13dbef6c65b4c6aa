from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from asa_bench.core.errors import InputError
from asa_bench.core.validation import Settings, validated


class Inner(Settings):
    epochs: int = Field(default=1, ge=1)
    rate: float = Field(default=0.1, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"


class Outer(Settings):
    name: str
    train: Inner = Inner()
    many: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "key 'name' is missing"),
        ({"name": "x", "train": {"epohcs": 1}}, "unknown key 'train.epohcs'; did you mean 'epochs'?"),
        ({"name": "x", "many": [{}, {"epocs": 1}]}, "unknown key 'many[1].epocs'; did you mean 'epochs'?"),
        ({"name": "x", "train": {"epochs": 0}}, "train.epochs: expected >= 1, got 0"),
        ({"name": "x", "train": {"epochs": "two"}}, "train.epochs: expected an integer, got 'two'"),
        ({"name": "x", "train": {"rate": -1.0}}, "train.rate: expected > 0, got -1.0"),
        ({"name": "x", "train": {"rate": float("nan")}}, "train.rate: expected a finite number, got nan"),
        ({"name": "x", "train": {"precision": "fp8"}}, "train.precision: expected 'fp32' or 'bf16', got 'fp8'"),
        ({"name": 3}, "name: expected a string, got 3"),
    ],
)
def test_one_line_names_file_field_and_expectation(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        validated(Outer, data, "suite.toml")
    assert str(caught.value) == f"suite.toml: {message}"
