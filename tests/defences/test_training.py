from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from asa_bench.defences import DEFENCES, build_defence
from asa_bench.defences.base import Defence
from asa_bench.defences.training import Descent, TrainingFailedError, batch_order, make_accelerator, train
from asa_bench.models.checkpoint import read_weights, weights_digest
from asa_bench.models.classifier import new_classifier
from tests.defences import shared_training
from tests.defences.conftest import Build
from tests.defences.shared_training import EXAMPLES, SETTINGS

Trained = tuple[str, list[dict[str, float]]]


def trained(encoder: Path, defence: Defence[Any], seed: int = 0, resume: Path | None = None, **changes: Any) -> Trained:
    """Digest of the trained weights, and the records; ``stop_at`` is a step after which the process dies."""
    model, tokenizer = new_classifier(encoder, ("a", "b"), seed, "eager", 40)
    stop_at = changes.pop("stop_at", None)
    settings = SETTINGS.model_copy(update=changes)

    def on_step(done: int, total: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    records = train(
        model, tokenizer, EXAMPLES, defence, settings, seed=seed, precision="fp32", on_step=on_step, resume=resume
    )
    return weights_digest(model), records


@pytest.mark.parametrize("method", sorted(DEFENCES))
def test_equal_seeds_give_equal_weights_whatever_ran_before(tiny_encoder: Path, build: Build, method: str) -> None:
    first, _ = trained(tiny_encoder, build(method))
    torch.manual_seed(123)
    torch.rand(1000)
    second, _ = trained(tiny_encoder, build(method))
    assert first == second


@pytest.mark.parametrize("method", sorted(DEFENCES))
def test_a_training_that_was_killed_ends_with_the_same_weights(
    tiny_encoder: Path, build: Build, method: str, tmp_path: Path
) -> None:
    unbroken, expected = trained(tiny_encoder, build(method))
    file = tmp_path / "training.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(tiny_encoder, build(method), resume=file, save_steps=3, stop_at=8)
    assert len(torch.load(file, weights_only=True)["records"]) == 6
    resumed, records = trained(tiny_encoder, build(method), resume=file, save_steps=3)
    assert resumed == unbroken
    assert [_without_clock(record) for record in records] == [_without_clock(record) for record in expected]


def _without_clock(record: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in record.items() if name not in ("seconds", "peak_bytes")}


@pytest.mark.parametrize(("norm", "kept"), [(0.25, 0.25), (8.0, 1.0)])
def test_a_gradient_is_clipped_and_never_normalised(build: Build, norm: float, kept: float) -> None:
    model = torch.nn.Linear(4, 1, bias=False)
    descent = Descent(model, build("baseline"), SETTINGS.model_copy(update={"max_grad_norm": 1.0}), steps=1)
    model.weight.grad = torch.full((1, 4), norm / 2)
    descent.step(make_accelerator("fp32"), weight=1.0)
    taken = descent.optimizer.state[model.weight]["exp_avg"] / 0.1  # AdamW's first moment after one step
    assert float(taken.norm()) == pytest.approx(kept, rel=1e-4)


def test_two_processes_give_the_parameters_of_one(tiny_encoder: Path, tmp_path: Path) -> None:
    for count in (1, 2):
        run_processes(count, tiny_encoder, tmp_path / str(count))
    for method in shared_training.METHODS:
        one, two = (read_weights(tmp_path / count / f"{method}.safetensors") for count in ("1", "2"))
        assert one.keys() == two.keys()
        assert any(name.startswith("defence.") for name in one) == method.startswith("asa")
        for name, tensor in one.items():
            assert torch.allclose(tensor, two[name], rtol=0, atol=1e-9), (method, name)
    refused = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*/refused-by-*")}
    message = "resume: expected one process; the random states of several are not kept"
    assert refused == {"refused-by-0": message, "refused-by-1": message}


def run_processes(count: int, encoder: Path, out: Path) -> None:
    """Trainings shared by ``count`` processes over gloo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    command = [sys.executable, "-m", "tests.defences.shared_training", str(encoder), str(out)]
    processes = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(count)
    ]
    assert [process.wait() for process in processes] == [0] * count


def test_another_seed_gives_other_weights(tiny_encoder: Path, build: Build) -> None:
    assert trained(tiny_encoder, build("baseline"))[0] != trained(tiny_encoder, build("baseline"), seed=1)[0]


def test_a_record_per_step(tiny_encoder: Path, build: Build) -> None:
    _, records = trained(tiny_encoder, build("asa"))
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


@pytest.mark.parametrize("method", sorted(DEFENCES))
def test_every_method_is_given_the_same_batches(tiny_encoder: Path, build: Build, method: str) -> None:
    def given(name: str) -> list[list[list[int]]]:
        defence, batches = build(name), []
        backward = defence.backward

        def noted(model: Any, batch: Any) -> Any:
            batches.append(batch["input_ids"].tolist())
            return backward(model, batch)

        defence.backward = noted  # type: ignore[method-assign]
        trained(tiny_encoder, defence)
        return batches

    assert given(method) == given("baseline")


def test_steps_take_the_place_of_epochs() -> None:
    rows = [{"input_ids": [0] * (1 + i % 7), "labels": i} for i in range(50)]
    whole = list(batch_order(rows, SETTINGS, seed=0))
    for steps in (3, len(whole)):
        counted = SETTINGS.model_copy(update={"epochs": 1, "steps": steps})
        assert list(batch_order(rows, counted, seed=0)) == whole[:steps]


def test_a_loss_that_is_no_number_ends_the_training(tiny_encoder: Path, build: Build) -> None:
    message = r"^step \d+: the loss is not finite; lower train.learning_rate$"
    with pytest.raises(TrainingFailedError, match=message):
        trained(tiny_encoder, build("baseline"), learning_rate=1e30)


def rates(encoder: Path, defence: Defence[Any]) -> list[list[tuple[float, float]]]:
    """Learning rate and weight decay of the model's matrices and vectors at every step of a training."""
    seen = []

    def note(optimizer: Any, *_: Any) -> None:
        seen.append([(group["lr"], group["weight_decay"]) for group in optimizer.param_groups[:2]])

    hook = register_optimizer_step_pre_hook(note)
    try:
        trained(encoder, defence, warmup=0.2)
    finally:
        hook.remove()
    return seen


@pytest.mark.parametrize("method", sorted(DEFENCES))
def test_every_method_has_the_same_schedule(tiny_encoder: Path, build: Build, method: str) -> None:
    expected = rates(tiny_encoder, build("baseline"))
    assert len(expected) == 10
    assert len({step[0] for step in expected}) > 5  # it rises and falls
    assert rates(tiny_encoder, build(method)) == expected
