"""Defences of the registry, ready to be attached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from asa_bench.defences import build_defence
from asa_bench.defences.base import Defence

Build = Callable[..., Defence[Any]]


@pytest.fixture
def build() -> Build:
    """Builds a method, given the training record that it learns from where it needs one."""

    def built(method: str, **settings: Any) -> Defence[Any]:
        defence = build_defence(method, settings, "test")
        if defence.source is not None:
            defence.learn_from(pd.DataFrame({"masked_ratio_0": [0.5] * 50, "masked_ratio_1": [0.1] * 50}))
        return defence

    return built
