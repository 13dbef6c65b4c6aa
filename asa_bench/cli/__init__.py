"""The command line. Nothing heavy is imported before a command needs it."""

from asa_bench.cli import suites  # noqa: I001 - commands are listed in this order
from asa_bench.cli import attack, records, ratings, external, machine, bench
from asa_bench.cli.exits import exit_code, main

__all__ = ["attack", "bench", "exit_code", "external", "machine", "main", "ratings", "records", "suites"]
