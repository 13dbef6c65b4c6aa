"""Named things that can be looked up, with a helpful error when the name is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from asa_bench.core.errors import InputError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """``; did you mean 'baseline'?`` when some known name is close to ``name``, else an empty string.

    Args:
        name: what was found.
        known: what there is.
        cutoff: how alike two names must be, from 0 to 1.
    """
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not among ``known``."""
    names = sorted(known)
    return InputError(f"unknown {kind} '{name}'{nearest(name, names)} (known: {', '.join(names)})")


class Registry(Mapping[str, T], Generic[T]):
    """An explicit, typed mapping from names to things of one kind.

    Raises:
        ValueError: when two things claim the same name.
        InputError: when an unknown name is looked up with ``[]``.
    """

    def __init__(self, kind: str, entries: Iterable[tuple[str, T]]) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        for name, entry in entries:
            if name in self._entries:
                raise ValueError(f"{kind} '{name}' is registered twice")
            self._entries[name] = entry

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
