"""``python -m asa_bench``."""

from asa_bench.cli import main

main()
