"""Attacks in this very process, for a model that cannot be sent to another: a function of the user's."""

from __future__ import annotations

from collections.abc import Callable

from asa_bench.assets import MANIFEST
from asa_bench.assets.textattack_home import import_textattack, no_nltk_downloads
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
        import_textattack(name for name in job.recipe.assets if MANIFEST[name].layout)
        from asa_bench.attacking.driver import attack_example
        from asa_bench.attacking.victim import Victim, build_attack

        with no_nltk_downloads(), kept_random_state():
            attack = build_attack(
                job.recipe, Victim(self._classifier), job.query_budget, job.temperature, job.frame, job.search
            )
            for example in job.examples:
                on_row(attack_example(attack, example, job.columns, job.seed, job.recipe.name))
