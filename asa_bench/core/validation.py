"""Turning a pydantic error into one line that names the field, and the nearest valid key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from asa_bench.core.errors import InputError
from asa_bench.core.registry import nearest

M = TypeVar("M", bound=BaseModel)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
"""What a name may look like: it becomes a folder of the run directory."""

_EXPECTED = {
    "greater_than": "expected > {gt:g}",
    "greater_than_equal": "expected >= {ge:g}",
    "less_than": "expected < {lt:g}",
    "less_than_equal": "expected <= {le:g}",
    "literal_error": "expected {expected}",
    "finite_number": "expected a finite number",
    "int_type": "expected an integer",
    "int_parsing": "expected an integer",
    "int_from_float": "expected an integer",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "string_type": "expected a string",
    "string_too_short": "expected a name",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "too_short": "expected at least {min_length}",
    "too_long": "expected at most {max_length}",
    "string_pattern_mismatch": "expected letters, digits and . _ + - only",
}


class Settings(BaseModel):
    """Base of every settings class: frozen, unknown keys refused, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def validated(model: type[M], data: Any, source: str, prefix: str = "") -> M:
    """``model`` made from ``data``.

    Args:
        model: the settings class.
        data: what was read.
        source: the file (or command-line option) that ``data`` came from; it opens the message.
        prefix: where in ``source`` the data stood, such as ``defence[1].``.

    Raises:
        InputError: one line that names the source, the field and what was expected.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{source}: {_sentence(model, error.errors()[0], prefix)}") from None


def _sentence(model: type[BaseModel], detail: ErrorDetails, prefix: str) -> str:
    field = prefix + _dotted(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{field}'{nearest(str(detail['loc'][-1]), _keys(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"key '{field}' is missing"
    if detail["type"] == "value_error":
        return ": ".join(part for part in (field.rstrip("."), str(detail["ctx"]["error"])) if part)
    template = _EXPECTED.get(detail["type"])
    expected = template.format_map(detail.get("ctx", {})) if template else detail["msg"]
    return f"{field}: {expected}, got {_short(detail['input'])}"


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The valid keys of the table at ``location`` inside ``model``."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        current = _model_within(field.annotation) if field else None
    return list(getattr(current, "model_fields", {}))


def _model_within(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [_model_within(part) for part in getattr(annotation, "__args__", ())]
    return next((found for found in inner if found is not None), None)


def _short(value: Any) -> str:
    text = f"a table with keys {', '.join(map(str, value))}" if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
