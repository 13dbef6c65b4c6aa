"""``external``: adversarial texts that were found elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asa_bench.cli.app import app, output, quiet_libraries

if TYPE_CHECKING:
    from asa_bench.records.store import Run

LISTED = 20
"""Most texts that are told one by one; all are in ``external.parquet``."""

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
    for line in _told(lowered, name):
        output().print(line, highlight=False, markup=False, soft_wrap=True)
    output().print(f"report: {write_report(lowered)}", highlight=False, markup=False, soft_wrap=True)


def _told(run: Run, name: str) -> Iterator[str]:
    """How many texts of a source count, and why the others do not."""
    from asa_bench.stats.external import CONFIRMED, verdicts

    own = run.external[run.external["name"] == name]
    found = verdicts(own)
    refused = own.assign(why=found)[found != CONFIRMED]
    yield f"{name}: {len(own) - len(refused)} of {len(own)} claims confirmed"
    for row in refused.head(LISTED).to_dict("records"):
        place = f"{row['defence']} seed {row['seed']} ({row['task']}, {row['encoder']}), example {row['example_id']}"
        yield f"not confirmed: {place}: {row['why']}"
    if len(refused) > LISTED:
        yield f"not confirmed: {len(refused) - LISTED} more, see {run.path / 'external.parquet'}"
