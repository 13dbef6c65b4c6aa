"""Rows of attacked examples, as far as they are known without TextAttack."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from asa_bench.tasks import Example

Row = dict[str, Any]
"""The columns of ``examples.parquet`` that an attack decides."""


def empty_row(example: Example) -> Row:
    """The columns that are known before the attack; the others are null."""
    return {
        "example_id": example.id,
        "label": example.label,
        "original_text": joined(example.fields),
        "adversarial_text": None,
        "original_prediction": None,
        "adversarial_prediction": None,
        "queries": None,
        "words_changed": None,
        "message": None,
        "candidates": None,
        "trace": None,
        "moved": None,
        "seconds": None,
    }


def failed_row(example: Example, outcome: str, message: str) -> Row:
    """A row for an example that ended in *error* or *timeout*."""
    return {**empty_row(example), "outcome": outcome, "message": message}


def split(text: str, fields: int) -> list[str]:
    """The fields that :func:`joined` made ``text`` from."""
    return [text] if fields == 1 else json.loads(text)


def joined(fields: Iterable[str]) -> str:
    """One field as it is; several as a JSON array, so that they can be told apart again."""
    values = list(fields)
    return values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
