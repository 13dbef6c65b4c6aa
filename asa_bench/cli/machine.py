"""``list``, ``doctor`` and ``assets``: what there is, and what runs here."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from rich.table import Table

from asa_bench.cli.app import app, output

assets_app = typer.Typer(no_args_is_help=True, help="Models, data and lexicons that suites need.")
app.add_typer(assets_app, name="assets")


@app.command("list")
def list_command(
    what: Annotated[
        Literal["attacks", "defences", "tasks", "suites"],
        typer.Argument(metavar="KIND", help="attacks, defences, tasks or suites."),
    ],
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",
) -> None:
    """List what there is, what runs here, and what is missing for the rest."""
    from asa_bench.catalogue import catalogue

    entries = catalogue(what)
    if form == "json":
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, header_style="bold")
    for column in ("name", "kind", "available", "missing", "source"):
        table.add_column(column)
    for entry in entries:
        available = "yes" if entry["available"] else "no"
        table.add_row(entry["name"], entry["kind"], available, ", ".join(entry["missing"]), entry["source"])
    output().print(table)


@app.command()
def doctor() -> None:
    """Say what runs on this machine and what is missing for the rest."""
    from asa_bench.assets.doctor import checks
    from asa_bench.catalogue import attack_checks

    table = Table(box=None, header_style="bold")
    for column in ("", "check", "found", "remedy"):
        table.add_column(column, overflow="fold")
    for check in [*checks(), *attack_checks()]:
        table.add_row("[green]✓[/]" if check.ok else "[red]✗[/]", check.name, check.detail, check.remedy or "")
    output().print(table)


@assets_app.command("fetch")
def fetch_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Assets; all by default.")] = None,
) -> None:
    """Fetch assets into the cache (ASA_BENCH_CACHE), so that runs need no network; build those that are made here."""
    from asa_bench.assets import MANIFEST, obtain

    for name in names or list(MANIFEST):
        typer.echo(f"{name}: {obtain(name)}")


@assets_app.command("build")
def build_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Assets that are made here; all by default.")
    ] = None,
) -> None:
    """Make word vectors that know synonyms from antonyms, from GloVe and WordNet, and check them; takes minutes."""
    from asa_bench.assets import MANIFEST, build_asset
    from asa_bench.assets.location import BUILD_RECORD
    from asa_bench.core.files import read_json

    for name in names or [asset.name for asset in MANIFEST.values() if asset.built_from]:
        folder = build_asset(name)
        typer.echo(f"{name}: {folder}")
        record = read_json(folder / BUILD_RECORD)
        for part in ("held_out", "fitted"):
            for measure, before in record[part]["before"].items():
                typer.echo(f"{part} {measure}: {before} before, {record[part]['after'][measure]} after")
