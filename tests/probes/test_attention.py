from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from asa_bench.core.seeding import seed_everything
from asa_bench.defences import build_defence
from asa_bench.models.classifier import Classifier, load_classifier
from asa_bench.probes.attention import (
    ViewSettings,
    attention_on,
    attention_views,
    js_divergence,
    keyword_mask,
    moved,
)  # fmt: skip
from asa_bench.stats.intervals import mean
from asa_bench.tasks import Example
from tests.conftest import sentences
from tests.models.families import CASES, padded_batch, tiny

SETTINGS = ViewSettings(examples=20, radii=(0.1, 1.0, 10.0), steps=3, sentences=2)
TEXTS = [
    " ".join(word for word in text.split() if word.isalpha() and word != "number") for text in sentences(20)["text"]
]
EXAMPLES = [Example(str(i), (text,), i % 2) for i, text in enumerate(TEXTS)]


@pytest.fixture
def eager(checkpoint: Path) -> Classifier:
    torch.set_num_threads(1)
    return load_classifier(checkpoint, "fp32", torch.device("cpu"), "eager")


def attached_asa(classifier: Classifier, **settings: Any) -> Any:
    seed_everything(0)
    asa = build_defence("asa", settings, "test")
    asa.attach(classifier.model)
    return asa


def value(rows: list[dict[str, Any]], view: str, condition: str, layer: int | None) -> float:
    (found,) = [r["value"] for r in rows if (r["view"], r["condition"], r["layer"]) == (view, condition, layer)]
    return float(found)


def test_a_larger_radius_moves_attention_and_prediction_further(eager: Classifier) -> None:
    rows, _ = attention_views(eager, EXAMPLES, None, SETTINGS)
    for view, layer in (("divergence", 0), ("divergence", 1), ("prediction", None)):
        moved = [value(rows, view, f"radius {radius}", layer) for radius in ("0.1", "1", "10")]
        assert 0 < moved[0] < moved[1]
        assert moved[1] < moved[2] or view == "prediction"  # which saturates
    assert {row["n"] for row in rows} == {20}
    assert {row["condition"] for row in rows} == {"clean", "radius 0.1", "radius 1", "radius 10"}


def test_asas_mask_is_a_condition_of_its_own(eager: Classifier) -> None:
    asa = attached_asa(eager, target_ratio=0.5)
    rows, maps = attention_views(eager, EXAMPLES, asa, SETTINGS)
    assert value(rows, "divergence", "mask", 0) > value(rows, "divergence", "radius 0.1", 0)
    assert value(rows, "keywords", "mask", 0) != value(rows, "keywords", "clean", 0)
    assert {(m["condition"], m["layer"]) for m in maps} == {(c, i) for c in ("clean", "mask") for i in range(2)}
    assert len({m["example_id"] for m in maps}) == 2
    for row in maps:
        tokens, attention, keywords = (json.loads(row[name]) for name in ("tokens", "attention", "keywords"))
        assert len(keywords) == len(tokens)
        assert sum(keywords) == max(1, round(0.2 * (len(tokens) - 2)))
        assert not keywords[0]
        assert tokens[0] == "[CLS]"
        assert [len(line) for line in attention] == [len(tokens)] * len(tokens)
        assert all(sum(line) == pytest.approx(1, abs=1e-2) for line in attention)


def test_the_views_do_not_depend_on_what_is_batched_together(eager: Classifier) -> None:
    together, _ = attention_views(eager, EXAMPLES, None, SETTINGS)
    alone = [attention_views(eager, [example], None, SETTINGS)[0] for example in EXAMPLES]
    for view, layer in (("keywords", 0), ("divergence", 1), ("prediction", None)):
        condition = "clean" if view == "keywords" else "radius 1"
        expected = sum(value(rows, view, condition, layer) for rows in alone) / len(alone)
        assert value(together, view, condition, layer) == pytest.approx(expected, rel=1e-4)


def test_keywords_are_the_words_that_the_model_has_learnt(eager: Classifier) -> None:
    example = Example("0", ("this good film number 0 was brilliant and the story is very good",), 1)
    rows = eager.tokenizer([example.fields[0]], return_tensors="pt", return_special_tokens_mask=True)
    batch = {**rows, "labels": torch.tensor([1])}
    words = (1 - batch["special_tokens_mask"]).bool()
    chosen = keyword_mask(eager.model, batch, words, 0.2)
    tokens = eager.tokenizer.convert_ids_to_tokens(batch["input_ids"][0])
    assert chosen.sum() == round(0.2 * words.sum().item())
    assert {"good", "brilliant"} & {token for token, on in zip(tokens, chosen[0].tolist(), strict=True) if on}


def test_even_attention_is_what_chance_gives_and_a_text_without_an_aim_does_not_count() -> None:
    words = torch.tensor([[False, True, True, True, False], [False, True, False, False, False]])
    tokens = torch.tensor([[True] * 5, [True, True, True, False, False]])
    even = (tokens / tokens.sum(dim=1, keepdim=True))[:, None, None, :].expand(2, 2, 5, 5)
    keywords = torch.tensor([[False, True, False, False, False], [False, True, False, False, False]])
    assert attention_on(keywords, even, words, tokens).tolist() == pytest.approx([1.0, 1.0])
    assert attention_on(words & ~keywords, even, words, tokens).tolist() == pytest.approx([1.0])
    half = torch.zeros(2, 2, 5, 5)
    half[:, 0, :, 1] = 1.0  # one of two heads looks at the keyword alone
    assert attention_on(keywords, half, words, tokens).tolist() == pytest.approx([2.5, 1.5])


def test_divergence_is_zero_on_equals_and_ln_2_on_disjoint_rows() -> None:
    first = torch.eye(4).expand(1, 2, 4, 4)
    other = first.roll(1, dims=3)
    tokens = torch.tensor([[True, True, True, False]])
    assert js_divergence(first, first, tokens).item() == 0
    assert js_divergence(first, other, tokens).item() == pytest.approx(torch.tensor(2.0).log().item())


def test_a_perturbation_stays_in_its_ball_off_the_padding_and_raises_the_loss(tiny_model: Any, batch: Any) -> None:
    found = moved(tiny_model, batch, radius=2.0, steps=4)
    delta = found["inputs_embeds"] - tiny_model.get_input_embeddings()(batch["input_ids"])
    assert (delta.flatten(1).norm(dim=1) <= 2.0 + 1e-9).all()
    assert delta[batch["attention_mask"] == 0].abs().max() == 0

    def loss(inputs: dict[str, Tensor]) -> Tensor:
        found: Tensor = torch.nn.functional.cross_entropy(tiny_model(**inputs).logits, batch["labels"])
        return found

    plain = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    assert loss(found) > loss(plain)


def test_the_mean_over_examples_has_students_interval() -> None:
    assert mean([]) == (None, None, None, 0)
    assert mean([1.0, 2.0]) == (1.5, None, None, 2)
    found = mean([1.0, 2.0, 3.0])
    assert (found.value, found.n) == (2.0, 3)
    assert found.low == pytest.approx(2 - 4.302653 / 3**0.5)


@pytest.mark.parametrize("family", sorted({family for family, _ in CASES}))
def test_every_family_can_be_looked_at(family: str) -> None:
    model = tiny(family, "eager", torch.float32)
    batch = padded_batch(model)
    asa: Any = build_defence("asa", {}, "test")
    asa.attach(model)
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    with torch.no_grad():
        clean = model(**inputs, output_attentions=True).attentions
        with asa.disturbing(model, batch):
            masked = model(**inputs, output_attentions=True).attentions
    assert len(masked) == len(clean) == asa._scores.layers
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(masked, clean, strict=True))
    found = moved(model, batch, 1.0, 2)
    assert model(**found).logits.shape == (3, 3)
