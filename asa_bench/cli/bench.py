"""``bench``: how fast this machine is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from asa_bench.cli.app import app, quiet_libraries

WIDTHS = {"attack": 26, "defence": 16, "precision": 9, "device": 6}
"""Characters of the columns of words, which stand to the left; numbers stand to the right, as wide as their names."""

bench_app = typer.Typer(no_args_is_help=True, help="This machine's speed, as ratios taken in one run.")
app.add_typer(bench_app, name="bench")

ThreadsOption = Annotated[int, typer.Option(metavar="N", min=1, help="CPU threads.")]
FormOption = Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")]


@bench_app.command("attack")
def bench_attack_command(
    attacks: Annotated[
        list[str] | None,
        typer.Option(
            "--attack",
            metavar="NAME",
            help="A recipe; may be repeated. By default deepwordbug, pwws and, where it can run, textfooler-embedded.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="PATH-OR-HUB", help="A sequence classifier; by default one that is trained first."),
    ] = None,
    data: Annotated[str, typer.Option(metavar="FILE-OR-HUB", help="Rows to attack.")] = "movie-sentiment",
    examples: Annotated[int, typer.Option(metavar="N", min=1, help="Rows to attack.")] = 50,
    query_budget: Annotated[int, typer.Option(metavar="N", min=1, help="Most queries per example.")] = 200,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], typer.Option(metavar="auto|fp32|bf16", help="auto: all that the device has.")
    ] = "auto",
    threads: ThreadsOption = 2,
    stock_length: Annotated[
        int | None,
        typer.Option(metavar="N", min=4, help="Tokens to which stock pads; by default what the tokenizer says."),
    ] = None,
    stock_examples: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Rows that stock attacks, too; by default all. It takes most time."),
    ] = None,
    form: FormOption = "text",
) -> None:
    """Time attacks against stock TextAttack and the bare forward pass, on the same examples, seeds and budget."""
    from asa_bench.benching.attack import bench_attacks

    quiet_libraries()
    records = bench_attacks(
        attacks, model=model, data=data, examples=examples, query_budget=query_budget,
        precision=precision, threads=threads, stock_length=stock_length, stock_examples=stock_examples,
    )  # fmt: skip
    _show(records, form)


@bench_app.command("memory")
def bench_memory_command(
    attacks: Annotated[
        list[str] | None,
        typer.Option("--attack", metavar="NAME", help="A recipe; may be repeated. deepwordbug by default."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="PATH-OR-HUB", help="A sequence classifier; by default one that is trained first."),
    ] = None,
    data: Annotated[str, typer.Option(metavar="FILE-OR-HUB", help="Rows to attack.")] = "movie-sentiment",
    examples: Annotated[int, typer.Option(metavar="N", min=1, help="Rows to attack, and ten times as many.")] = 195,
    query_budget: Annotated[int, typer.Option(metavar="N", min=1, help="Most queries per example.")] = 30,
    threads: ThreadsOption = 2,
    form: FormOption = "text",
) -> None:
    """Peak memory of attacking some examples, and ten times as many: whether it grows with them."""
    from asa_bench.benching.memory import bench_memory

    quiet_libraries()
    records = bench_memory(
        attacks or ["deepwordbug"], model=model, data=data, examples=examples, query_budget=query_budget,
        threads=threads,
    )  # fmt: skip
    _show(records, form)


@bench_app.command("train")
def bench_train_command(
    defences: Annotated[
        list[str] | None, typer.Option("--defence", metavar="NAME", help="A method; may be repeated. All by default.")
    ] = None,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="A shipped encoder or a local folder.")] = "minilm",
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Examples per step.")] = 32,
    max_length: Annotated[int, typer.Option(metavar="N", min=4, help="Longest text, in tokens.")] = 128,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Timed steps per defence.")] = 20,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], typer.Option(metavar="auto|fp32|bf16", help="Number format of the model.")
    ] = "auto",
    threads: ThreadsOption = 2,
    form: FormOption = "text",
) -> None:
    """Time and memory of a training step of each defence, as ratios to the baseline's, taken in turn."""
    from asa_bench.benching.train import bench_training
    from asa_bench.models.encoder import EncoderSettings

    quiet_libraries()
    with Console(stderr=True).status("warming up") as status:
        records = bench_training(
            defences, encoder=EncoderSettings(name=encoder), batch_size=batch_size, max_length=max_length, steps=steps,
            precision=precision, threads=threads,
            advance=lambda done, total: status.update(f"{done} of {total} batches by each defence"),
        )  # fmt: skip
    _show(records, form)


def _show(records: Iterable[dict[str, Any]], form: str) -> None:
    """JSON once all is measured; a table row by row, since each may take minutes."""
    if form == "json":
        typer.echo(json.dumps(list(records), indent=2))
        return
    for number, record in enumerate(records):
        if number == 0:
            typer.echo("  ".join(_cell(column, column.replace("_", " ")) for column in record))
        typer.echo("  ".join(_cell(column, value) for column, value in record.items()))


def _cell(column: str, value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.ljust(WIDTHS[column]) if column in WIDTHS else text.rjust(len(column))
