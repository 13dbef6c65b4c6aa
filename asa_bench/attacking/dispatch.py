"""The engine that a job needs: searches of texts by TextAttack, or attacks inside the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from asa_bench.assets import MANIFEST
from asa_bench.assets.textattack_home import import_textattack
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.rows import Row


class AnyEngine(Protocol):
    """One job, ready to run."""

    def run(self, on_row: Callable[[Row], None], on_start: Callable[[str], None] = ...) -> None:
        """Attack every example."""


def engine_of(job: AttackJob, classifier: Callable[[], Any], on_call: Callable[[], None] = lambda: None) -> AnyEngine:
    """The engine of ``job``.

    Args:
        job: what to do.
        classifier: gives the model; it is asked for after TextAttack is imported, which wants its word list first.
        on_call: told of every sign of life, often.
    """
    if job.recipe.kind == "model":
        from asa_bench.attacking.white_box import WhiteBoxEngine

        return WhiteBoxEngine(job, classifier(), on_call)
    import_textattack(name for name in job.recipe.assets if MANIFEST[name].layout)
    from asa_bench.attacking.engine import Engine

    return Engine(job, classifier(), on_call)
