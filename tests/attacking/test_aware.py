"""Attacks that know ASA's adversary: what guides them, and that the plain model alone decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.attacking.job import Adversary, Guide
from asa_bench.defences import build_defence
from asa_bench.defences.asa import ASA
from asa_bench.models.checkpoint import write_weights
from asa_bench.models.classifier import Classifier

from .test_attack import examples
from .test_engine import attacked, job_of


@pytest.fixture(scope="module")
def adversary(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Adversary:
    """An adversary of random weights that masks about half of the units."""
    asa = build_defence("asa-ratio", {}, "test")
    torch.manual_seed(1)
    asa.attach(classifier.model)
    with torch.no_grad():
        for parameter in asa.parameters():
            parameter.mul_(40)
    path = tmp_path_factory.mktemp("adversary") / "defence.safetensors"
    write_weights(path, asa.state())
    asa.detach()
    return Adversary(method="asa-ratio", settings={}, weights=path, guide="on")


def guided(adversary: Adversary, guide: Guide, **settings: Any) -> Adversary:
    return adversary.model_copy(update={"guide": guide, "settings": settings})


@pytest.mark.usefixtures("textattack")
@pytest.mark.parametrize("guide", ["on", "worse"])
@pytest.mark.parametrize("protect_special", [True, False])
def test_the_masked_model_answers_as_asa_disturbs_it(
    classifier: Classifier, adversary: Adversary, guide: Guide, *, protect_special: bool
) -> None:
    from asa_bench.attacking.aware import AwareClassifier

    known = guided(adversary, guide, protect_special=protect_special)
    texts = [example.fields for example in examples(6)]
    plain, masked = AwareClassifier(classifier, known).logits(texts).chunk(2, dim=1)
    torch.testing.assert_close(plain, classifier.logits(texts), rtol=0, atol=0)
    asa = build_defence("asa-ratio", {"protect_special": protect_special}, "test")
    assert isinstance(asa, ASA)
    asa.attach(classifier.model)
    asa.load_state(_weights(known.weights))
    for text, found in zip(texts, masked, strict=True):
        batch = classifier.tokenizer(*text, return_tensors="pt", return_special_tokens_mask=True)
        inputs = {name: tensor for name, tensor in batch.items() if name != "special_tokens_mask"}
        with torch.no_grad(), asa.disturbing(classifier.model, dict(batch)):
            expected = classifier.model(**inputs).logits[0]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (plain - masked).abs().max() > 0.01


def _weights(path: Path) -> Any:
    from asa_bench.models.checkpoint import read_weights

    return read_weights(path)


@pytest.mark.parametrize("guide", ["on", "worse"])
def test_the_plain_model_decides(classifier: Classifier, checkpoint: Path, adversary: Adversary, guide: Guide) -> None:
    job = job_of(checkpoint, examples(12), adversary=guided(adversary, guide))
    rows = attacked(classifier, job)
    assert {row["outcome"] for row in rows} <= {"succeeded", "failed", "skipped"}
    for row in rows:
        assert row["original_prediction"] == int(classifier.logits([(row["original_text"],)]).argmax())
        if row["outcome"] == "succeeded":
            found = int(classifier.logits([(row["adversarial_text"],)]).argmax())
            assert found == row["adversarial_prediction"] != row["label"]
    assert any(row["outcome"] == "succeeded" for row in rows)


@pytest.mark.usefixtures("textattack")
@pytest.mark.parametrize("guide", ["on", "worse"])
def test_a_text_that_misleads_the_plain_model_scores_above_all_others(classifier: Classifier, guide: Guide) -> None:
    from asa_bench.attacking.aware import AwareGoal
    from asa_bench.attacking.victim import Victim

    goal = AwareGoal(Victim(classifier), 1.0, guide)
    goal.ground_truth_output = 0
    misled = torch.tensor([[-0.1, 0.1, 9.0, -9.0]])  # the plain model is; the masked one is sure of the label
    held = torch.tensor([[0.1, -0.1, -9.0, 9.0]])
    success, failure = (goal._process_model_outputs(None, row)[0] for row in (misled, held))
    assert goal._is_goal_complete(success, None)
    assert not goal._is_goal_complete(failure, None)
    assert goal._get_score(success, None) > goal._get_score(failure, None)


@pytest.mark.parametrize("guide", ["on", "worse"])
def test_a_success_does_not_hide_what_else_was_seen(classifier: Classifier, guide: Guide) -> None:
    """PWWS weighs words by the softmax of the scores without them: one success must leave the others some weight."""
    from asa_bench.attacking.aware import AwareGoal
    from asa_bench.attacking.victim import Victim

    goal = AwareGoal(Victim(classifier), 1.0, guide)
    goal.ground_truth_output = 0
    answers = torch.tensor([[-9.0, 9.0, -9.0, 9.0], [9.0, -9.0, -9.0, 9.0], [9.0, -9.0, 9.0, -9.0]])
    scores = torch.tensor([goal._get_score(goal._process_model_outputs(None, row[None])[0], None) for row in answers])
    weights = scores.softmax(dim=0)
    assert weights.min() > 0.05
    assert weights[0] > weights[1] > weights[2]


def test_the_masks_change_what_the_search_sees(classifier: Classifier, checkpoint: Path, adversary: Adversary) -> None:
    job = job_of(checkpoint, examples(12))
    traces = {
        guide: [row["trace"] for row in attacked(classifier, job.model_copy(update={"adversary": known}))]
        for guide, known in (("off", None), ("on", adversary), ("worse", guided(adversary, "worse")))
    }
    assert traces["on"] != traces["off"]
    assert traces["worse"] not in (traces["on"], traces["off"])


def test_rows_do_not_depend_on_what_is_in_flight(
    classifier: Classifier, checkpoint: Path, adversary: Adversary
) -> None:
    job = job_of(checkpoint, examples(8), adversary=adversary, in_flight=8)
    turned = job.model_copy(update={"examples": job.examples[::-1], "in_flight": 2})
    assert attacked(classifier, turned) == attacked(classifier, job)
