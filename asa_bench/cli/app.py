"""The application, what its commands share, and how they print."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from asa_bench.core.errors import RunIncompleteError

if TYPE_CHECKING:
    from asa_bench.records.store import Run
    from asa_bench.stages import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Format = Literal["text", "markdown", "json"]
OutOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory; runs/<suite name> by default.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the suite, such as train.epochs=1 or attack.pwws.examples=20; may be repeated.",
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, help="Processes that attack at once, for models on a GPU.")
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Do cells again whose settings have changed.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]

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


def progress(*, quiet: bool) -> AbstractContextManager[Progress]:
    """Bars on a terminal, plain lines elsewhere, nothing where ``quiet`` is asked."""
    from asa_bench.benchmark import Silent
    from asa_bench.console import BarProgress, LineProgress

    if quiet:
        logging.getLogger("asa_bench").setLevel(logging.WARNING)
        return nullcontext(Silent())
    console = Console(stderr=True)
    return BarProgress(console) if console.is_terminal else LineProgress(console)


def show_finished(run: Run) -> None:
    """Print a run's comparison table, where its report is, and its warnings.

    Raises:
        RunIncompleteError: when there are warnings.
    """
    from asa_bench.reporting.terminal import comparison

    output().print(comparison(run))
    output().print(f"report: {run.path / 'report' / 'index.html'}", highlight=False, soft_wrap=True)
    warnings = run.info["warnings"]
    for warning in warnings:
        console = Console(stderr=True)
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    if warnings:
        raise RunIncompleteError(f"the run is not sound: {len(warnings)} warnings, see above")


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


def output() -> Console:
    """Standard output; in a pipe or file no line is folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def quiet_libraries() -> None:
    """Keep libraries' progress bars and advice off the terminal."""
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
