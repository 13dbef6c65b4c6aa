"""``run`` and ``plan``: suites."""

from __future__ import annotations

from typing import Annotated

import typer

from asa_bench.cli.app import (
    FreshOption,
    OutOption,
    QuietOption,
    SetOption,
    WorkersOption,
    app,
    output,
    progress,
    quiet_libraries,
    show_finished,
)

SuiteArgument = Annotated[str, typer.Argument(metavar="SUITE", help="A shipped suite's name, or a TOML file.")]


@app.command("run")
def run_command(
    suite: SuiteArgument,
    out: OutOption = None,
    fresh: FreshOption = False,
    overrides: SetOption = None,
    workers: WorkersOption = 1,
    quiet: QuietOption = False,
) -> None:
    """Train, attack and report everything a suite names. Finished work is kept; run again to go on."""
    from asa_bench.benchmark import run

    quiet_libraries()
    with progress(quiet=quiet) as watching:
        finished = run(suite, out, overrides=overrides or (), fresh=fresh, workers=workers, progress=watching)
    show_finished(finished)


@app.command("plan")
def plan_command(suite: SuiteArgument, out: OutOption = None, overrides: SetOption = None) -> None:
    """Show a suite's cells, what is done, and what the rest will cost on this machine."""
    from asa_bench.estimate import estimated_table
    from asa_bench.plan import default_directory
    from asa_bench.records.directory import RunDirectory
    from asa_bench.suite_file import load_suite
    from asa_bench.suite_plan import make_plan

    quiet_libraries()
    loaded = load_suite(suite, overrides or ())
    directory = RunDirectory(out or default_directory(loaded.suite.name))
    directory.check(loaded.suite.name)
    output().print(*estimated_table(make_plan(loaded), directory), sep="\n")
