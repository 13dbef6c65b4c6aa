"""Where the data files that come with the package lie: attack recipes and report templates."""

from __future__ import annotations

from pathlib import Path

from asa_bench.core.registry import unknown

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_REPOSITORY = {"attacks": "attacks", "templates": "reports/templates"}


def shipped(kind: str) -> Path:
    """The folder of shipped files of one kind: ``attacks`` or ``templates``.

    A wheel carries them inside the package; an editable install reads them from the repository.

    Raises:
        InputError: for an unknown kind.
    """
    if kind not in _IN_REPOSITORY:
        raise unknown("kind of shipped file", kind, _IN_REPOSITORY)
    packaged = _PACKAGE / "_shipped" / kind
    return packaged if packaged.is_dir() else _PACKAGE.parent / _IN_REPOSITORY[kind]
