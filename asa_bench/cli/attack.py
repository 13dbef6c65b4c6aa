"""``attack``: a model that the user already has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asa_bench.cli.app import (
    FreshOption,
    QuietOption,
    WorkersOption,
    app,
    progress,
    quiet_libraries,
    show_finished,
)
from asa_bench.core.errors import InputError

if TYPE_CHECKING:
    from asa_bench.records.store import Run


@app.command("attack")
def attack_command(
    model: Annotated[str, typer.Option(metavar="PATH-OR-HUB", help="A sequence classifier: a folder, or name@commit.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE-OR-HUB",
            help="Rows to attack: CSV, TSV, JSONL, Parquet, a folder, "
            "name@commit of a Hub data set, or a shipped task's name.",
        ),
    ],
    attacks: Annotated[
        list[str] | None,
        typer.Option(
            "--attack",
            metavar="NAME",
            help="A recipe (see: asa-bench list attacks), or a recipe of your own (a TOML file); may be repeated, "
            "or several joined by commas.",
        ),
    ] = None,
    attack_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--attack-file",
            metavar="FILE",
            help="A Python file with a function Attack(model), as TextAttack's command takes it. It is run.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory; runs/<name>-on-<task> by default.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="N", help="What tables call the model.")] = "model",
    task_name: Annotated[
        str | None, typer.Option(metavar="T", help="What tables call the data; the file's stem by default.")
    ] = None,
    text: Annotated[str, typer.Option(metavar="COL[,COL2]", help="Text column; two make a pair.")] = "text",
    label: Annotated[str, typer.Option(metavar="COL", help="Label column: the model's label ids or names.")] = "label",
    labels: Annotated[
        str | None, typer.Option(metavar="A=X,B=Y", help="What the model calls the data's labels: pos=1,neg=0.")
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Rows to fit the temperature on; by default rows of the data that are not attacked, if there are 200.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Split of a folder or Hub data set; test by default.")
    ] = None,
    examples: Annotated[
        int | None, typer.Option(metavar="N", help="Rows to attack; 200 by default, or all where there are fewer.")
    ] = None,
    query_budget: Annotated[
        int | None, typer.Option(metavar="N", help="Most queries per example; the recipe's own by default.")
    ] = None,
    temperature: Annotated[
        str, typer.Option(metavar="calibrated|raw", help="What the search sees of the model's scores.")
    ] = "calibrated",
    masked_lm: Annotated[
        str | None,
        typer.Option(metavar="PATH-OR-HUB", help="A masked language model for bae, bert-attack and clare."),
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Word vectors for the -embedded attacks: a text file, or a folder."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="Frame round every search: recipe, textdefender, or a TOML file.")
    ] = "recipe",
    control_examples: Annotated[
        int, typer.Option(metavar="N", help="Rows on which each attack gets a random search as a control; 0 for none.")
    ] = 50,
    precision: Annotated[str, typer.Option(metavar="auto|fp32|bf16", help="Number format of the model.")] = "auto",
    device: Annotated[str, typer.Option(metavar="D", help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Annotated[int, typer.Option(metavar="N", help="CPU threads; results depend on it.")] = 2,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the attacks.")] = 0,
    workers: WorkersOption = 1,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
) -> None:
    """Attack a text classifier that you already have, on your own data, and write a report."""
    columns = tuple(column.strip() for column in text.split(","))
    settings: dict[str, Any] = {
        "name": name, "task_name": task_name, "text": columns, "label": label,
        "labelling": _mapping(labels), "split": split, "query_budget": query_budget, "temperature": temperature,
        "attack_file": tuple(attack_files or ()), "protocol": protocol, "masked_lm": masked_lm,
        "vectors": vectors, "control_examples": control_examples, "precision": precision, "device": device,
        "threads": threads, "seed": seed,
    }  # fmt: skip
    from asa_bench.model_run import attack

    quiet_libraries()
    with progress(quiet=quiet) as watching:
        finished = attack(
            model, examples=data, attacks=attacks or (), validation=validation, out=out, fresh=fresh, progress=watching,
            number=examples, workers=workers, **settings,
        )  # fmt: skip
    if not quiet:
        typer.echo(_rows_used(finished))
    show_finished(finished)


def _rows_used(run: Run) -> str:
    """On which rows clean accuracy and temperature rest."""
    rows = run.predictions["dataset"].value_counts()
    if "validation" in rows:
        fitted = f"temperature fitted on {rows['validation']:,} others ({run.suite['task'][0]['validation']})"
    else:
        fitted = "raw probabilities under attack"
    return f"clean accuracy on {rows.get('test', 0):,} rows; {fitted}"


def _mapping(text: str | None) -> dict[str, str]:
    """``pos=1,neg=0`` as a mapping."""
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if wrong := ["".join(pair) for pair in pairs if not (pair[0].strip() and pair[2].strip())]:
        raise InputError(f"--labels: expected label=model's label, got '{wrong[0]}'")
    return {found.strip(): target.strip() for found, _, target in pairs}
