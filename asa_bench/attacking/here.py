"""Attacks in this very process, for a model that cannot be sent to another: a function of the user's."""

from __future__ import annotations

from collections.abc import Callable

from asa_bench.attacking.dispatch import engine_of
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.rows import Row
from asa_bench.core.seeding import kept_random_state
from asa_bench.models.classifier import TextClassifier


class AttackHere:
    """Runs attack jobs on one classifier. There is no watchdog: a function that hangs hangs the run."""

    def __init__(self, classifier: TextClassifier) -> None:
        self._classifier = classifier

    def run(self, job: AttackJob, on_row: Callable[[Row], None]) -> None:
        """Attack every example of ``job``; ``on_row`` gets each row as it comes."""
        with kept_random_state():
            engine_of(job, lambda: self._classifier).run(on_row)
