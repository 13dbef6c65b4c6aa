"""Entry point: errors become one line and the Contract's exit codes."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from asa_bench.cli.app import app
from asa_bench.core.errors import AsaBenchError, InputError, one_line
from asa_bench.core.files import DISK_ERRORS

INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    code = exit_code()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or _reader_gone()
    except OSError as error:
        _drop_output()
        code = code or _complain(_about_disk(error), InputError.exit_code)
    sys.exit(code)


def exit_code() -> int:
    """Run the command that ``sys.argv`` names, complain in one line where it fails, and say with what to exit."""
    try:
        code: int | None = app(
            standalone_mode=False
        )  # commands return None; a code is the gate's, Ctrl-C's, --help's 0
    except AsaBenchError as error:
        return _complain(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit:  # typer and rich leave so, with 1, when the reader of a pipe has gone
        return _reader_gone()
    except OSError as error:
        return _complain(_about_disk(error), InputError.exit_code) if error.errno in DISK_ERRORS else _bug(error)
    except Exception as error:
        return _usage_or_bug(error)
    return _complain("interrupted; run the same command to go on", code) if code == INTERRUPTED else code or 0


def _about_disk(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _reader_gone() -> int:
    """Nobody reads on, as in ``asa-bench list attacks | head -1``: keep quiet, and never exit with the gate's 1."""
    _drop_output()
    return INTERRUPTED


def _drop_output() -> None:
    """Let what is left in the buffer go nowhere; Python would fail on it once more when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage_or_bug(error: Exception) -> int:
    if not hasattr(error, "format_message"):  # click's usage errors have it; typer carries a click of its own
        return _bug(error)
    message = " ".join(error.format_message().split())  # empty where a command without arguments has shown its help
    return _complain(message, InputError.exit_code) if message else InputError.exit_code


def _bug(error: Exception) -> int:
    traceback.print_exc()
    return _complain(f"this is a bug in asa-bench: {one_line(error)}", 70)


def _complain(message: str, code: int) -> int:
    print("asa-bench:", " ".join(message.split("\n")), file=sys.stderr)  # noqa: T201
    return code
