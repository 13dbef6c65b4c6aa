"""How often the gate is wrong: examples drawn again, real models trained again, losses of a known size."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asa_bench.benchmark import run
from asa_bench.records.store import Run
from asa_bench.stats.intervals import proportion
from asa_bench.stats.paired import smallest_difference
from asa_bench.tasks import movie_sentiment
from asa_bench.tracking.compare import Difference
from asa_bench.tracking.gate import USUAL_DISCORDANCE, Code, gate
from asa_bench.tracking.limits import Limits
from tests.stats.known_truth import mcnemar_p, study

from .conftest import MakeRun

pytestmark = pytest.mark.slow

LIMITS = Limits()
FAMILY = 2
"""Clean accuracy and the worst case: the smaller p value is doubled."""


def test_examples_drawn_again_alarm_in_at_most_2_percent(make_run: MakeRun) -> None:
    """Each example is as easy for the new model as for the reference; right or wrong is drawn for both."""
    rng = np.random.default_rng(0)
    template = make_run("template")
    ease, label = rng.normal(size=400), template.predictions["label"]

    def drawn(least: float) -> Any:
        return ease + 0.27 * rng.normal(size=400) > least

    def new() -> Run:
        right = drawn(-1.0)
        attacked = np.where(right, np.where(drawn(0.3), "failed", "succeeded"), "skipped")[:200]
        return replace(
            template,
            examples=template.examples.assign(outcome=attacked),
            predictions=template.predictions.assign(prediction=label.where(right, 1 - label)),
        )

    codes, significant = Counter[Code](), 0
    for _ in range(200):
        verdict = gate(new(), new())
        codes[verdict.code] += 1
        assert verdict.comparison is not None
        significant += any(row.significant for row in verdict.comparison.rows)
    assert set(codes) <= {Code.PASSED, Code.REGRESSED}
    assert codes[Code.REGRESSED] <= 4
    assert significant <= 16  # gains and small losses, too: 5 % are 10, with a standard error of 3


@pytest.fixture(scope="module")
def word_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers, 32 wide, with random weights, that reads the words of the movie snippets' training set."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "words"
    folder.mkdir()
    texts = [example.fields[0].lower() for example in movie_sentiment.load().train]
    counts = Counter(word for text in texts for word in re.findall("[a-z]+", text))
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    words = sorted(word for word, count in counts.items() if count >= 5)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys([*pieces, *words])) + "\n")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=0.1, **size)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def retrained(word_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Eight trainings that differ in their seed alone, as a run each."""
    suite = {
        "name": "retrained",
        "seeds": list(range(8)),
        "task": {"name": "movie-sentiment"},
        "encoder": {"name": str(word_encoder)},
        "train": {"examples": 3000, "learning_rate": 2e-3, "max_length": 48, "precision": "fp32", "threads": 1},
        "evaluation": {"validation": 300, "test": 1000, "out_of_domain": 1},
        "defence": [{"method": "baseline"}],
        "attack": [{"recipe": "deepwordbug", "examples": 120, "query_budget": 30}],
        "control_examples": 0,
    }
    done = run(suite, tmp_path_factory.mktemp("runs") / "retrained")
    return [
        replace(
            done,
            examples=done.examples[done.examples["seed"] == seed],
            predictions=done.predictions[done.predictions["seed"] == seed],
        )
        for seed in range(8)
    ]


def test_seeds_trained_again_alarm_in_at_most_5_percent(retrained: list[Run]) -> None:
    for one in retrained:
        test = one.predictions[one.predictions["dataset"] == "test"]
        clean = proportion(int((test["prediction"] == test["label"]).sum()), len(test))
        robust = float((one.examples["outcome"] == "failed").mean())
        assert clean.low is not None
        assert clean.low > 0.6
        assert 0.1 < robust < 0.5  # something to lose
    verdicts = [gate(old, new) for old, new in itertools.permutations(retrained, 2)]
    codes = Counter(verdict.code for verdict in verdicts)
    assert len(verdicts) == 56
    assert set(codes) <= {Code.PASSED, Code.REGRESSED}
    assert codes[Code.REGRESSED] <= 2


def judged(row: Difference, n: int, gained: int, lost: int) -> bool:
    """Whether the gate calls a change regressed that nothing else of the family outdoes."""
    p = min(1.0, FAMILY * mcnemar_p(gained, lost))
    return LIMITS.regressed(replace(row, difference=(gained - lost) / n, p_value=p, p_adjusted=p, n=n))


@pytest.fixture
def row(make_run: MakeRun) -> Difference:
    """Worst-case robust accuracy of 30 %, as the gate compares it."""
    old = make_run("old")
    comparison = gate(old, old).comparison
    assert comparison is not None
    return next(row for row in comparison.rows if row.metric == "worst_case_accuracy")


@pytest.mark.parametrize(
    ("n", "luck", "alarms"),
    [
        (200, 0.03, 0.018),
        (200, 0.06, 0.062),
        (200, 0.09, 0.122),
        (1000, 0.03, 0.004),
        (1000, 0.06, 0.056),
        (1000, 0.09, 0.143),
    ],
)
def test_alarms_of_one_seed_each_grow_with_the_spread_over_seeds(
    row: Difference, n: int, luck: float, alarms: float
) -> None:
    """Equally good methods, whose accuracies spread over seeds by 1, 2 and 3 points: a third of ``luck``."""
    made = study(4_000, 1, n, luck=luck)
    found = np.mean([judged(row, n, *made.flips(draw)[0]) for draw in range(4_000)])
    assert found == pytest.approx(alarms, abs=0.015)


@pytest.mark.parametrize(("n", "power"), [(200, 0.78), (500, 0.53), (1000, 0.52), (2000, 0.50)])
def test_a_loss_as_small_as_told_is_seen(row: Difference, n: int, power: float) -> None:
    """With 80 % power where significance decides; in half the cases where the limit does, since only more is seen."""
    smallest = smallest_difference(n, USUAL_DISCORDANCE, LIMITS.alpha / FAMILY)
    assert smallest is not None
    told = max(smallest, LIMITS.loss(row))
    rates = [(USUAL_DISCORDANCE - told) / 2, (USUAL_DISCORDANCE + told) / 2, 1 - USUAL_DISCORDANCE]
    counts = np.random.default_rng(0).multinomial(n, rates, 10_000).tolist()
    seen = np.mean([judged(row, n, gained, lost) for gained, lost, _ in counts])
    assert seen == pytest.approx(power, abs=0.02)
