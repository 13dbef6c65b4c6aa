"""``external``: adversarial texts that were found elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asa_bench.cli.app import app, output, quiet_libraries

external_app = typer.Typer(no_args_is_help=True, help="Adversarial texts that were found elsewhere.")
app.add_typer(external_app, name="external")


@external_app.callback()
def external() -> None:
    """Keeps ``import`` a command of its own."""


@external_app.command("import")
def import_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory that kept its models.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSONL or Parquet: adversarial_text, example_id; see docs.")
    ],
    name: Annotated[str, typer.Option(metavar="N", help="What the report calls these results.")],
) -> None:
    """Ask the run's models about texts that are said to mislead them; those that do lower its worst case."""
    from asa_bench.external import import_external
    from asa_bench.reporting.report import write_report

    quiet_libraries()
    lowered = import_external(run, file, name)
    own = lowered.external[lowered.external["name"] == name]
    typer.echo(f"{name}: {int(own['confirmed'].sum())} of {len(own)} claims confirmed")
    output().print(f"report: {write_report(lowered)}", highlight=False, markup=False, soft_wrap=True)
