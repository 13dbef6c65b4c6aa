"""Hostile text made harmless and readable: hidden characters shown, differences of two texts found."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that show nothing or change how their neighbours show: controls, formats (bidirectional
overrides, zero-width characters), lone surrogates, line separators."""

_BLANKS = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters and symbols of other categories that print as a blank."""


class Piece(NamedTuple):
    """A stretch of text, and whether the other text of the pair has something else in its place."""

    text: str
    changed: bool


def visible(text: str) -> str:
    """``text`` with each hidden character written as its code point, ``‹U+202E›``; tabs and line ends stay."""
    return "".join(f"‹U+{ord(c):04X}›" if _hidden(c) else c for c in text)


def _hidden(character: str) -> bool:
    if character in "\t\n\r":
        return False
    return unicodedata.category(character) in _HIDDEN or character in _BLANKS or "\ufe00" <= character <= "\ufe0f"


def fields(text: str) -> str:
    """A stored text as readers see it: the fields of a JSON array are joined by `` ‖ ``, any other text stays."""
    if not text.startswith("["):
        return text
    try:
        parts = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        return " ‖ ".join(parts)
    return text


def differences(original: str, adversarial: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, with the words that differ marked, hidden characters already visible."""
    first, second = (re.findall(r"\s+|\S+", text) for text in (original, adversarial))
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    left: list[Piece] = []
    right: list[Piece] = []
    for operation, a, b, c, d in matcher.get_opcodes():
        left += _piece(first[a:b], changed=operation != "equal")
        right += _piece(second[c:d], changed=operation != "equal")
    return left, right


def _piece(tokens: Sequence[str], *, changed: bool) -> list[Piece]:
    return [Piece(visible("".join(tokens)), changed)] if tokens else []
