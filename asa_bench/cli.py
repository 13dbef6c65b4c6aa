"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from asa_bench.core.errors import AsaBenchError, InputError, RunIncompleteError, one_line
from asa_bench.core.files import DISK_ERRORS

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
assets_app = typer.Typer(no_args_is_help=True, help="Models, data and lexicons that suites need.")
app.add_typer(assets_app, name="assets")

Format = Literal["text", "json"]
SuiteArgument = Annotated[str, typer.Argument(metavar="SUITE", help="A shipped suite's name, or a TOML file.")]
OutOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory; runs/<suite name> by default.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the suite, such as train.epochs=1 or attack.pwws.examples=20; may be repeated.",
    ),
]

PIPE_WIDTH = 500
"""Columns of a line that no terminal shows."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"asa-bench {version('asa-bench')}")
        raise typer.Exit


@app.callback()
def _asa_bench(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Robustness benchmarking of text models: train defences side by side, attack each, compare.

    A first run: asa-bench run quickstart
    """
    _show_notices()


@app.command("run")
def run_command(
    suite: SuiteArgument,
    out: OutOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do cells again whose settings have changed.")] = False,
    overrides: SetOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Train, attack and report everything a suite names. Finished work is kept; run again to go on."""
    from asa_bench.benchmark import Silent, run
    from asa_bench.console import BarProgress, LineProgress
    from asa_bench.reporting.terminal import comparison

    _quiet_libraries()
    console = Console(stderr=True)
    if quiet:
        logging.getLogger("asa_bench").setLevel(logging.WARNING)
        finished = run(suite, out, overrides=overrides or (), fresh=fresh, progress=Silent())
    else:
        with (BarProgress if console.is_terminal else LineProgress)(console) as progress:
            finished = run(suite, out, overrides=overrides or (), fresh=fresh, progress=progress)
    output = _output()
    output.print(comparison(finished))
    output.print(f"report: {finished.path / 'report' / 'index.html'}", highlight=False, soft_wrap=True)
    if finished.info["warnings"]:
        for warning in finished.info["warnings"]:
            console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)
        raise RunIncompleteError(f"the run is not sound: {len(finished.info['warnings'])} warnings, see above")


@app.command("plan")
def plan_command(suite: SuiteArgument, out: OutOption = None, overrides: SetOption = None) -> None:
    """Show a suite's cells, what is done, and what the rest will cost on this machine."""
    from asa_bench.estimate import estimated_table
    from asa_bench.plan import default_directory, make_plan
    from asa_bench.records.directory import RunDirectory
    from asa_bench.suite import load_suite

    _quiet_libraries()
    loaded = load_suite(suite, overrides or ())
    directory = RunDirectory(out or default_directory(loaded.suite))
    directory.check(loaded.suite.name)
    _output().print(*estimated_table(make_plan(loaded), directory), sep="\n")


@app.command("report")
def report_command(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]) -> None:
    """Make a run's report anew from its records."""
    from asa_bench.records.store import load_run
    from asa_bench.reporting.report import write_report

    _output().print(f"report: {write_report(load_run(run))}", highlight=False, soft_wrap=True)


@app.command("list")
def list_command(
    what: Annotated[
        Literal["attacks", "defences", "tasks", "suites"],
        typer.Argument(metavar="KIND", help="attacks, defences, tasks or suites."),
    ],
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = "text",
) -> None:
    """List what there is, what runs here, and what is missing for the rest."""
    from asa_bench.catalogue import catalogue

    entries = catalogue(what)
    if output == "json":
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, header_style="bold")
    for column in ("name", "kind", "available", "missing", "source"):
        table.add_column(column)
    for entry in entries:
        available = "yes" if entry["available"] else "no"
        table.add_row(entry["name"], entry["kind"], available, ", ".join(entry["missing"]), entry["source"])
    _output().print(table)


@app.command()
def doctor() -> None:
    """Say what runs on this machine and what is missing for the rest."""
    from asa_bench.assets.doctor import checks

    table = Table(box=None, header_style="bold")
    for column in ("", "check", "found", "remedy"):
        table.add_column(column, overflow="fold")
    for check in checks():
        table.add_row("[green]✓[/]" if check.ok else "[red]✗[/]", check.name, check.detail, check.remedy or "")
    _output().print(table)


@assets_app.command("fetch")
def fetch_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Assets; all by default.")] = None,
) -> None:
    """Fetch assets into the cache (ASA_BENCH_CACHE), so that runs need no network."""
    from asa_bench.assets import MANIFEST, asset_path

    for name in names or list(MANIFEST):
        typer.echo(f"{name}: {asset_path(name)}")


class _Notices(logging.Handler):
    """The package's notices, such as what is being fetched, as plain lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one notice; ``sys.stderr`` is looked up each time, since progress bars stand in for it."""
        print(self.format(record), file=sys.stderr)  # noqa: T201


def _show_notices() -> None:
    logger = logging.getLogger("asa_bench")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _Notices) for handler in logger.handlers):
        logger.addHandler(_Notices())


def _output() -> Console:
    """Standard output; in a pipe or file no line is folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def _quiet_libraries() -> None:
    """Keep libraries' progress bars and advice off the terminal."""
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()


def main() -> None:
    """Entry point: errors become one line and the Contract's exit codes."""
    code = _exit_code()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or _reader_gone()
    except OSError as error:
        _drop_output()
        code = code or _complain(_about_disk(error), InputError.exit_code)
    sys.exit(code)


def _exit_code() -> int:
    try:
        code: int | None = app(standalone_mode=False)  # commands return None; a code is Ctrl-C's, or --help's 0
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
    return _complain("interrupted; run the same command to go on", code) if code == INTERRUPTED else 0


INTERRUPTED = 130


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
