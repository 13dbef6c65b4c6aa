"""Attacks that know ASA's adversary: the search is guided by the model under its own masks.

A model trained against masks may hold where its attention is whole and give way where it is not; a search that sees
both finds other texts (adaptive attacks: Tramèr et al. 2020, arXiv 2002.08347). What counts as a success is the
deployed model's prediction, without any mask. Imports TextAttack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from textattack.goal_functions import UntargetedClassification
from torch import Tensor

from asa_bench.attacking.job import Adversary, Guide
from asa_bench.defences import build_defence
from asa_bench.defences.asa import ASA
from asa_bench.models.batched import Text
from asa_bench.models.batching import Encoded, answers
from asa_bench.models.checkpoint import read_weights
from asa_bench.models.classifier import Classifier


class AwareClassifier:
    """A classifier with its adversary: answers are ``(texts, 2 · labels)``, plain logits and logits under the masks."""

    def __init__(self, classifier: Classifier, adversary: Adversary) -> None:
        self._classifier = classifier
        settings = {**adversary.settings, "binarisation": "deterministic"}  # an attack asks twice and compares
        asa = build_defence(adversary.method, settings, "suite")
        assert isinstance(asa, ASA)
        asa.attach(classifier.model)
        asa.load_state(read_weights(adversary.weights))
        self._asa = asa

    @property
    def batch_size(self) -> int:
        """Most texts per batch."""
        return self._classifier.batch_size

    @property
    def unknown_token(self) -> str:
        """The classifier's own."""
        return self._classifier.unknown_token

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """The texts as the classifier takes them."""
        return self._classifier.encode(texts)

    def truncated(self, texts: Sequence[Text]) -> list[bool | None]:
        """Whether each text is longer than the model reads."""
        return self._classifier.truncated(texts)

    def logits(self, texts: Sequence[Text]) -> Tensor:
        """Both answers to each text."""
        return torch.stack(answers(self, texts))

    def forward(self, batch: Sequence[Encoded]) -> Tensor:
        """Both answers to the texts of one batch, float32, on the CPU."""
        inputs = self._classifier.inputs(batch)
        plain = self._classifier.forward(batch)
        with self._asa.disturbing(self._classifier.model, {**inputs, "special_tokens_mask": self._special(inputs)}):
            masked = self._classifier.forward(batch)
        return torch.cat([plain, masked], dim=1)

    def _special(self, inputs: dict[str, Tensor]) -> Tensor:
        """1 on padding, [CLS], [SEP] and their like, as in training."""
        tokenizer = self._classifier.tokenizer
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id, tokenizer.mask_token_id}
        return torch.isin(inputs["input_ids"], torch.tensor(sorted(special), device=inputs["input_ids"].device)).long()


class AwareGoal(UntargetedClassification):  # type: ignore[misc]
    """Untargeted misclassification of the plain model, scored by −log p(true label) under the adversary's masks.

    That x is squashed to x / (1 + x), and a success counts 1 more: a search looks at its best-scored text alone, and
    what misleads the plain model need not be what misleads the masked one most. The step is no larger than the scale of
    the others because PWWS weighs words by the softmax of such scores.

    Args:
        victim: behind it an :class:`AwareClassifier`.
        temperature: of both answers.
        guide: *on*: the score under the masks; *worse*: the higher of both scores.
        options: TextAttack's.
    """

    def __init__(self, victim: Any, temperature: float, guide: Guide, **options: Any) -> None:
        super().__init__(victim, **options)
        self._temperature = temperature
        self._guide = guide

    def _process_model_outputs(self, inputs: Any, scores: Tensor) -> Tensor:
        pairs = (scores.double() / self._temperature).unflatten(1, (2, -1))  # (texts, 2, labels)
        logarithms: Tensor = pairs.log_softmax(dim=2).flatten(1)
        return logarithms

    def _get_score(self, model_output: Tensor, _: Any) -> float:
        plain, masked = (-float(half[self.ground_truth_output]) for half in model_output.chunk(2))
        guided = max(plain, masked) if self._guide == "worse" else masked
        return guided / (1 + guided) + self._is_goal_complete(model_output, None)

    def _is_goal_complete(self, model_output: Tensor, _: Any) -> bool:
        return self._get_displayed_output(model_output) != int(self.ground_truth_output)

    def _get_displayed_output(self, raw_output: Tensor) -> int:
        return int(raw_output.chunk(2)[0].argmax())
