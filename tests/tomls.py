"""Writing suites as TOML, which the standard library only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_suite(path: Path, suite: Mapping[str, Any]) -> Path:
    """``suite`` as a TOML file at ``path``."""
    path.write_text("".join(f"{key} = {_value(value)}\n" for key, value in suite.items()), encoding="utf-8")
    return path


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
