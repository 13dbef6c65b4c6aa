"""Attacking many examples at once: one search per example, all on one model.

Imports TextAttack: import it only after :func:`asa_bench.assets.textattack_environment`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asa_bench.assets.textattack_home import no_nltk_downloads
from asa_bench.attacking.aware import AwareClassifier
from asa_bench.attacking.driver import attack_example
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.memory import remembering
from asa_bench.attacking.rows import Row
from asa_bench.attacking.scheduler import Scheduler
from asa_bench.attacking.speed import fast_texts, remember_synonyms, spare_short_texts
from asa_bench.attacking.victim import TracedAttack, Victim, another, build_attack
from asa_bench.models.classifier import Classifier, TextClassifier
from asa_bench.tasks import Example


class Engine:
    """The attack of one job, built and ready to run.

    Args:
        job: what to do.
        classifier: the model that is attacked.
        on_call: told of every sign of life, often.
        scheduler: runs the searches; by default a new one.
    """

    def __init__(
        self,
        job: AttackJob,
        classifier: TextClassifier,
        on_call: Callable[[], None] = lambda: None,
        scheduler: Scheduler[Row] | None = None,
    ) -> None:
        self._job = job
        self._scheduler = scheduler or Scheduler(job.in_flight, on_call)
        known = job.adversary
        if known is not None:
            assert isinstance(classifier, Classifier)  # only models that were trained here have one
            classifier = AwareClassifier(classifier, known)
        victim = Victim(classifier, remembering(self._scheduler.ask))
        with no_nltk_downloads():
            self._attack: TracedAttack = build_attack(
                job.recipe,
                victim,
                job.query_budget,
                job.temperature,
                job.frame,
                job.search,
                known.guide if known else None,
            )
        remember_synonyms(self._attack.transformation)
        spare_short_texts(self._attack.constraints)

    def run(self, on_row: Callable[[Row], None], on_start: Callable[[str], None] = lambda example_id: None) -> None:
        """Attack every example; ``on_start`` gets the id of each that begins, ``on_row`` each row as it comes.

        The longest begin first: those in flight are then of like length, which fills batches, and the last are short.
        """
        longest_first = sorted(self._job.examples, key=lambda example: -sum(map(len, example.fields)))
        with fast_texts():
            self._scheduler.run((partial(self._attacked, example, on_start) for example in longest_first), on_row)

    def _attacked(self, example: Example, on_start: Callable[[str], None]) -> Row:
        on_start(example.id)
        job = self._job
        return attack_example(another(self._attack), example, job.columns, job.seed, job.recipe.name)
