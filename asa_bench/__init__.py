"""asa-bench: robustness benchmarking of text models.

``run(suite)`` trains, attacks and reports; ``load_run(path)`` reads a run directory whose tables are DataFrames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asa_bench.benchmark import run as run
    from asa_bench.records.store import Run as Run
    from asa_bench.records.store import load_run as load_run

__all__ = ["Run", "load_run", "run"]

_HOMES = {"run": "asa_bench.benchmark", "Run": "asa_bench.records.store", "load_run": "asa_bench.records.store"}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: ``import asa_bench`` loads neither torch nor TextAttack."""
    if name not in _HOMES:
        raise AttributeError(f"module 'asa_bench' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
