"""``ratings``: what people say of the adversarial texts, from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asa_bench.cli.app import app, output

ratings_app = typer.Typer(no_args_is_help=True, help="People's ratings of the adversarial texts (see docs/ratings.md).")
app.add_typer(ratings_app, name="ratings")

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")]


@ratings_app.command("sheet")
def sheet_command(
    run: RunArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSV file; must not exist.")],
    per_attack: Annotated[
        int, typer.Option(metavar="N", min=1, help="Successes of each attack, evenly over the defences.")
    ] = 20,
    controls: Annotated[
        int, typer.Option(metavar="N", min=0, help="Copies, and as many mismatched pairs, that show careless raters.")
    ] = 5,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the choice and the order.")] = 0,
) -> None:
    """Write a blinded sheet of original and adversarial texts for people to rate."""
    from asa_bench.rating.sheet import write_sheet
    from asa_bench.records.store import finished_run

    pairs = write_sheet(finished_run(run), out, per_attack, controls, seed)
    texts = int(pairs["control"].isna().sum())
    counts = f"{texts} adversarial texts, {len(pairs) - texts} controls"
    output().print(f"sheet: {out} ({counts})", highlight=False, markup=False, soft_wrap=True)


@ratings_app.command("import")
def import_command(
    run: RunArgument,
    sheets: Annotated[list[Path], typer.Argument(metavar="SHEET...", help="Filled sheets, of one rater or several.")],
) -> None:
    """Put filled sheets into the run, all or none, and draw its report anew."""
    from asa_bench.rating.reading import WrongSheetError, import_sheets
    from asa_bench.reporting.report import write_report
    from asa_bench.stats.ratings import raters

    try:
        rated, names = import_sheets(run, sheets)
    except WrongSheetError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise
    for name, texts, controls, failed in raters(rated.ratings):
        if name in names:
            typer.echo(f"{name}: {texts} adversarial texts, {failed} of {controls} controls failed")
    output().print(f"report: {write_report(rated)}", highlight=False, markup=False, soft_wrap=True)
