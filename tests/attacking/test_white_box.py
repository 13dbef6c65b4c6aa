"""Attacks inside a model: within their strength, better than chance, judged by the engine, one row per example."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asa_bench.attacking.attention_mask import AttentionMask, most
from asa_bench.attacking.embedding_pgd import EmbeddingPGD
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.recipe import recipes
from asa_bench.attacking.white_box import Rows, WhiteBox, WhiteBoxEngine
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import Classifier
from asa_bench.models.gradients import margin

from ..models.families import CASES, padded_batch, tiny
from .test_attack import examples
from .test_engine import job_of

INSIDE = sorted(name for name, recipe in recipes().items() if recipe.kind == "model")


def inside(checkpoint: Path, name: str, count: int = 24, **options: Any) -> AttackJob:
    job = job_of(checkpoint, examples(count), "deepwordbug", query_budget=None, temperature=None)
    return job.model_copy(update={"recipe": recipes()[name].model_copy(update={"options": options})})


def attacked(classifier: Classifier, job: AttackJob) -> dict[str, dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    WhiteBoxEngine(job, classifier).run(rows.append)
    return {row["example_id"]: {**row, "seconds": None} for row in rows}


def fallen(rows: dict[str, dict[str, Any]]) -> int:
    return sum(row["outcome"] == "succeeded" for row in rows.values())


@pytest.mark.parametrize("name", INSIDE)
def test_every_example_gets_its_row(classifier: Classifier, checkpoint: Path, name: str) -> None:
    job = inside(checkpoint, name)
    rows = attacked(classifier, job)
    assert set(rows) == {example.id for example in job.examples}
    clean = classifier.logits([example.fields for example in job.examples]).argmax(dim=1).tolist()
    for example, prediction in zip(job.examples, clean, strict=True):
        row = rows[example.id]
        assert row["original_prediction"] == prediction
        assert (row["outcome"] == "skipped") == (prediction != example.label)
        assert (row["strength"] is not None) == (row["outcome"] == "succeeded")
        assert row["adversarial_text"] is None
        if row["outcome"] == "succeeded":
            assert row["adversarial_prediction"] != example.label
    assert fallen(rows) > 0


@pytest.mark.parametrize("name", INSIDE)
def test_rows_do_not_depend_on_order_or_company(classifier: Classifier, checkpoint: Path, name: str) -> None:
    job = inside(checkpoint, name, 12)
    rows = attacked(classifier, job)
    assert attacked(classifier, job.model_copy(update={"examples": job.examples[::-1]})) == rows
    alone = [job.model_copy(update={"examples": (example,)}) for example in job.examples]
    outcomes = {key: row for one in alone for key, row in attacked(classifier, one).items()}
    kept = ("outcome", "strength", "adversarial_prediction")
    assert {key: [row[k] for k in kept] for key, row in outcomes.items()} == {
        key: [row[k] for k in kept] for key, row in rows.items()
    }


@pytest.mark.parametrize("name", INSIDE)
def test_more_strength_never_lowers_success(classifier: Classifier, checkpoint: Path, name: str) -> None:
    field = "radii" if name == "embedding-pgd" else "shares"
    strengths = list(EmbeddingPGD().radii if name == "embedding-pgd" else AttentionMask().shares)
    runs = [attacked(classifier, inside(checkpoint, name, 24, **{field: strengths[:n]})) for n in (1, 3, 5)]
    counts = [fallen(rows) for rows in runs]
    assert counts == sorted(counts)
    rows = runs[-1]
    assert sum(row["strength"] == strengths[0] for row in rows.values()) == counts[0]


def test_more_restarts_never_lower_success(classifier: Classifier, checkpoint: Path) -> None:
    runs = [attacked(classifier, inside(checkpoint, "embedding-pgd", radii=[0.4], restarts=n)) for n in (1, 2, 4)]
    fell = [{name for name, row in rows.items() if row["outcome"] == "succeeded"} for rows in runs]
    assert fell[0] <= fell[1] <= fell[2]


@pytest.mark.parametrize("name", INSIDE)
def test_the_gradient_beats_chance(classifier: Classifier, checkpoint: Path, name: str) -> None:
    guided, random = (attacked(classifier, inside(checkpoint, name, 40, guided=guided)) for guided in (True, False))
    assert fallen(guided) > fallen(random)


def rows_of(model: Any) -> Rows:
    batch = padded_batch(model)
    return Rows({name: batch[name] for name in ("input_ids", "attention_mask")}, batch["labels"], (1, 2, 3))


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_embeddings_stay_in_the_ball_and_padding_alone(family: str, attention: str, *, guided: bool) -> None:
    model = tiny(family, attention)
    rows, seen = rows_of(model), list[Tensor]()
    model.register_forward_pre_hook(lambda _, __, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True)
    clean = model.get_input_embeddings()(rows.inputs["input_ids"]).detach()
    logits = list(EmbeddingPGD(steps=3, restarts=2, guided=guided).attempts(model, rows, 0.3))
    assert len(logits) == 8
    padding = rows.inputs["attention_mask"] == 0
    assert len(seen) == 8
    for embeddings in seen:
        delta = (embeddings - clean).detach()
        assert delta.flatten(1).norm(dim=1).max() <= 0.3 + 1e-9
        assert not delta[padding].any()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize(("family", "attention"), CASES)
def test_masks_keep_to_their_share(family: str, attention: str, *, guided: bool) -> None:
    model = tiny(family, attention)
    rows = rows_of(model)
    clean = model(**rows.inputs).logits
    attack = AttentionMask(guided=guided, rounds=2)
    units = attack._units(model, rows)
    masks: list[Tensor] = []
    bias = attack._bias

    def seen(model: Any, values: Tensor) -> Any:
        masks.append(values.detach() < 0)
        return bias(model, values)

    object.__setattr__(attack, "_bias", seen)
    logits = list(attack.attempts(model, rows, 0.2))
    assert len(logits) == 2
    assert all((answer != clean).any() for answer in logits)
    for masked in masks:
        assert (masked.flatten(1).sum(dim=1) <= 0.2 * units.flatten(1).sum(dim=1)).all()
        assert not (masked & (units == 0)).any()
    torch.testing.assert_close(model(**rows.inputs).logits, clean, rtol=0, atol=0)  # no hook is left


def test_one_layer_alone_is_masked(classifier: Classifier, checkpoint: Path) -> None:
    one = attacked(classifier, inside(checkpoint, "attention-mask", layer=1))
    every = attacked(classifier, inside(checkpoint, "attention-mask"))
    assert fallen(one) < fallen(every)


def test_the_most_damaging_units_are_those_of_the_largest_worth() -> None:
    worth = torch.tensor([[[[3.0, 1.0], [-1.0, 2.0]]], [[[1.0, 4.0], [0.0, 0.0]]]])
    found = most(worth, torch.tensor([2.0, 3.0]))
    assert found.tolist() == [[[[True, False], [False, True]]], [[[True, True], [False, False]]]]


def test_the_margin_is_felt_where_the_loss_is_saturated() -> None:
    logits = torch.tensor([[200.0, -200.0], [1.0, 3.0]], requires_grad=True)
    margin(logits, torch.tensor([0, 0])).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[-1.0, 1.0], [-1.0, 1.0]]


def test_an_example_that_raises_costs_its_own_row(classifier: Classifier, checkpoint: Path) -> None:
    job = inside(checkpoint, "embedding-pgd", 6)
    strange = replace(job.examples[0], label=7)
    rows = attacked(classifier, job.model_copy(update={"examples": (strange, *job.examples[1:])}))
    outcomes = [row["outcome"] for row in rows.values()]
    assert len(outcomes) == 6
    assert outcomes.count("error") <= 1
    assert rows[strange.id]["outcome"] in ("error", "skipped")


def test_a_model_in_training_mode_is_an_error(classifier: Classifier, checkpoint: Path) -> None:
    classifier.model.train()
    try:
        rows = attacked(classifier, inside(checkpoint, "embedding-pgd", 1))
    finally:
        classifier.model.eval()
    assert [row["message"] for row in rows.values()] == [
        "RuntimeError: the model is in training mode; call model.eval() first"
    ]


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (EmbeddingPGD, {"radii": [0.2, 0.1]}, r"^options: radii: expected rising numbers > 0, got \[0.2, 0.1\]$"),
        (EmbeddingPGD, {"steps": 0}, r"^options: steps: expected >= 1, got 0$"),
        (AttentionMask, {"share": [0.1]}, r"^options: unknown key 'share'; did you mean 'shares'\?$"),
        (AttentionMask, {"shares": []}, r"^options: shares: expected at least 1, got \[\]$"),
    ],
)
def test_wrong_options_are_named(attack: type[WhiteBox], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        attack.build(None, **options)
