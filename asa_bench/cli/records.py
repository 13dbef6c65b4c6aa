"""``report``, ``export``, ``compare``, ``gate`` and ``reference``: from records alone, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from asa_bench.cli.app import FormatOption, app, output
from asa_bench.core.errors import InputError, RunIncompleteError
from asa_bench.core.files import write_text

if TYPE_CHECKING:
    from asa_bench.records.store import Run

reference_app = typer.Typer(no_args_is_help=True, help="Runs kept in one small file, to compare later ones with.")
app.add_typer(reference_app, name="reference")

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="A run directory, a reference's file, or its name.")
]
NewArgument = Annotated[str, typer.Argument(metavar="NEW", help="The run directory (or reference) to be judged.")]


@app.command("report")
def report_command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run directories, or references.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; by default the run's folder 'report', if it is one.")
    ] = None,
) -> None:
    """Make a run's report anew from its records, or one report that sets several runs side by side."""
    from asa_bench.records.reference import open_run
    from asa_bench.reporting.report import write_report

    loaded = [open_run(run) for run in runs]
    if len(loaded) > 1:
        written = write_report(*_side_by_side(loaded, out))
    elif out is None and loaded[0].path.is_file():
        raise InputError(f"{runs[0]}: a reference has no folder of its own; name one with --out")
    else:
        written = write_report(loaded[0], out)
    output().print(f"report: {written}", highlight=False, soft_wrap=True)


def _side_by_side(runs: Sequence[Run], out: Path | None) -> tuple[Run, Path]:
    """The runs as one, and a folder outside all of them."""
    from asa_bench.reporting.merging import merged

    if out is None:
        raise InputError("report: several runs have no folder of their own; name one with --out")
    if owner := next((run.path for run in runs if run.path.resolve() in [out.resolve(), *out.resolve().parents]), None):
        raise InputError(f"--out {out}: in the run {owner}, which has a report of its own")
    return merged(runs), out


@app.command("export")
def export_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory.")],
    form: Annotated[
        Literal["textattack-csv", "jsonl", "datasets"],
        typer.Option("--format", help="TextAttack's CSV log, JSON lines, or a folder of the library datasets."),
    ],
    out: Annotated[Path, typer.Option(metavar="PATH", help="Where to; must not exist.")],
) -> None:
    """Write a run's attacked examples for other tools; datasets: the successes, to train on."""
    from asa_bench.records.reference import open_run
    from asa_bench.reporting.export import export_run

    output().print(f"exported: {export_run(open_run(run), form, out)}", highlight=False, soft_wrap=True)


@app.command("compare")
def compare_command(reference: ReferenceArgument, new: NewArgument, form: FormatOption = "text") -> None:
    """Compare two runs, example by example: differences, intervals, tests, and what flipped."""
    from asa_bench.tracking.compare import compare
    from asa_bench.tracking.writing import to_json, to_markdown_text, to_text

    comparison = compare(reference, new)
    if form == "text":
        output().print(to_text(comparison), highlight=False)
    else:
        typer.echo(to_json(comparison) if form == "json" else to_markdown_text(comparison), nl=form == "json")
    if form == "json":  # its rows say nothing of what they lack
        for sentence in [*(f"not comparable: {reason}" for reason in comparison.unlike), *comparison.unpaired]:
            typer.echo(sentence, err=True)


@app.command("gate")
def gate_command(
    reference: ReferenceArgument,
    new: NewArgument,
    limits: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file of limits (see docs/ci.md).")] = None,
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write Markdown there; $GITHUB_STEP_SUMMARY is added to.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit's XML there.")] = None,
) -> None:
    """Judge a run by a reference. Exit: 0 no significant loss, 1 regressed, 3 could not measure, 4 not comparable."""
    from asa_bench.tracking.gate import gate
    from asa_bench.tracking.limits import read_limits
    from asa_bench.tracking.writing import to_junit, verdict_markdown, write_summary

    verdict = gate(reference, new, read_limits(limits))
    if summary is not None:
        write_summary(summary, verdict_markdown(verdict))
    if junit is not None:
        write_text(junit, to_junit(verdict))
    for sentence in verdict.sentences:
        output().print(sentence, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(int(verdict.code))


@reference_app.command("save")
def save_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run directory.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The reference's name, or a path ending in .json.")],
    texts: Annotated[bool, typer.Option("--texts", help="Keep the texts, too, so that flips can be read.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a reference of that name.")] = False,
) -> None:
    """Keep of a run what a later comparison needs, in one small file under reports/references/."""
    from asa_bench.records.reference import open_run, reference_path, save_reference
    from asa_bench.tracking.limits import Limits
    from asa_bench.tracking.measured import shortfalls

    loaded, path = open_run(run), reference_path(name)
    if low := shortfalls(loaded):
        raise RunIncompleteError(f"{loaded.path}: not saved: {low[0]}")
    if path.exists() and not replace:
        raise InputError(f"{path}: there is a reference of that name; --replace writes over it")
    save_reference(loaded, path, texts=texts)
    output().print(f"reference: {path} ({path.stat().st_size / 1024:,.0f} KiB)", highlight=False, soft_wrap=True)
    attacked, needed = loaded.examples["example_id"].nunique(), Limits().common_examples
    if attacked < needed:
        typer.echo(f"note: {attacked} attacked examples; the gate's default limits ask for {needed}", err=True)
