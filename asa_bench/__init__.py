"""asa-bench: robustness benchmarking of text models.

``run(suite)`` trains, attacks and reports; ``attack(model, …)`` attacks a model that you already have;
``load_run(path)`` reads a run directory whose tables are DataFrames; ``compare(a, b)`` compares two runs by example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asa_bench.benchmark import run as run
    from asa_bench.model_run import attack as attack
    from asa_bench.records.reference import open_run as load_run
    from asa_bench.records.store import Run as Run
    from asa_bench.tracking.compare import compare as compare

__all__ = ["Run", "attack", "compare", "load_run", "run"]

_HOMES = {
    "Run": ("asa_bench.records.store", "Run"),
    "attack": ("asa_bench.model_run", "attack"),
    "compare": ("asa_bench.tracking.compare", "compare"),
    "load_run": ("asa_bench.records.reference", "open_run"),
    "run": ("asa_bench.benchmark", "run"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: ``import asa_bench`` loads neither torch nor TextAttack."""
    if name not in _HOMES:
        raise AttributeError(f"module 'asa_bench' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
