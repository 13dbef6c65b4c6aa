from __future__ import annotations

import pytest
import torch

from asa_bench.probes.calibration import cross_entropy, fit_temperature


@pytest.mark.parametrize("truth", [0.3, 1.0, 8.0])
def test_the_temperature_that_made_the_labels_is_found(truth: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(20_000, 3, generator=generator)
    labels = torch.multinomial((logits / truth).softmax(dim=1), 1, generator=generator).squeeze(1)
    assert fit_temperature(logits, labels) == pytest.approx(truth, rel=0.08)


def test_the_fit_lowers_the_loss_and_keeps_every_decision() -> None:
    torch.manual_seed(1)
    logits, labels = 10 * torch.randn(500, 2), torch.randint(0, 2, (500,))
    scaled = logits / fit_temperature(logits, labels)
    assert cross_entropy(scaled, labels) < cross_entropy(logits, labels)
    assert torch.equal(scaled.argmax(dim=1), logits.argmax(dim=1))


def test_a_model_that_is_right_everywhere_keeps_its_confidence() -> None:
    labels = torch.tensor([0, 1, 1, 0])
    assert fit_temperature(2.0 * torch.nn.functional.one_hot(labels, 2), labels) == 1.0
