"""The package's exceptions. The CLI prints each as one line and exits with ``exit_code``."""

from __future__ import annotations

from typing import ClassVar


class AsaBenchError(Exception):
    """Root of all errors that the package raises on purpose."""

    exit_code: ClassVar[int] = 70


class InputError(AsaBenchError):
    """The user's input is wrong: a file, a key, a value. The message names the file and the field."""

    exit_code = 2


class MissingAssetError(InputError):
    """A model, data set or lexicon is neither cached nor reachable."""


class DamagedRunError(InputError):
    """A run's files are there but cannot be read. For the gate: *could not measure*."""


class RunIncompleteError(AsaBenchError):
    """Some cells failed, or a model is under the clean-accuracy floor; tables were written for the rest."""

    exit_code = 3


def one_line(error: BaseException) -> str:
    """``KeyError: 'x'``: an exception's type and message, folded into one line of at most 300 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
