from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.defences import DEFENCES, build_defence
from asa_bench.defences.training import TrainingFailedError, TrainSettings, batch_order, train
from asa_bench.models.checkpoint import weights_digest
from asa_bench.models.classifier import new_classifier
from asa_bench.tasks import Example

SETTINGS = TrainSettings(epochs=2, batch_size=4, learning_rate=1e-3, max_length=40, threads=1)
EXAMPLES = [
    Example(str(i), (f"the {word} film was {word} " * (1 + i % 3),), i % 2)
    for i, word in enumerate(["good", "bad", "warm", "dull"] * 5)
]


def trained(encoder: Path, method: str, seed: int = 0, **changes: Any) -> tuple[str, list[dict[str, float]]]:
    model, tokenizer = new_classifier(encoder, ("a", "b"), seed, "eager", 40)
    settings = SETTINGS.model_copy(update=changes)
    records = train(
        model, tokenizer, EXAMPLES, build_defence(method, {}, "test"), settings, seed=seed, precision="fp32"
    )
    return weights_digest(model), records


@pytest.mark.parametrize("method", sorted(DEFENCES))
def test_equal_seeds_give_equal_weights_whatever_ran_before(tiny_encoder: Path, method: str) -> None:
    first, _ = trained(tiny_encoder, method)
    torch.manual_seed(123)
    torch.rand(1000)
    second, _ = trained(tiny_encoder, method)
    assert first == second


def test_another_seed_gives_other_weights(tiny_encoder: Path) -> None:
    assert trained(tiny_encoder, "baseline", seed=0)[0] != trained(tiny_encoder, "baseline", seed=1)[0]


def test_a_record_per_step(tiny_encoder: Path) -> None:
    _, records = trained(tiny_encoder, "asa")
    assert [record["step"] for record in records] == list(range(10))
    assert set(records[0]) == {
        "step", "seconds", "loss", "divergence", "penalty", "masked_ratio_0", "masked_ratio_1",
    }  # fmt: skip


def test_bf16_trains_and_leaves_a_plain_float32_model(tiny_encoder: Path) -> None:
    model, tokenizer = new_classifier(tiny_encoder, ("a", "b"), 0, "eager", 40)
    train(model, tokenizer, EXAMPLES, build_defence("asa", {}, "test"), SETTINGS, seed=0, precision="bf16")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert "forward" not in vars(model)
    assert not model.training


def test_every_epoch_sees_every_example_once() -> None:
    rows = [{"input_ids": [0] * (1 + i % 7), "labels": i} for i in range(50)]
    batches = list(batch_order(rows, SETTINGS, seed=0))
    seen = [row["labels"] for batch in batches for row in batch]
    assert sorted(seen[:50]) == sorted(seen[50:]) == list(range(50))
    assert seen[:50] != seen[50:]


def test_a_loss_that_is_no_number_ends_the_training(tiny_encoder: Path) -> None:
    message = r"^step \d+: the loss is not finite; lower train.learning_rate$"
    with pytest.raises(TrainingFailedError, match=message):
        trained(tiny_encoder, "baseline", learning_rate=1e30)
