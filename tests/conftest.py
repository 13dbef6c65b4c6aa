"""A tiny real encoder and small real data, made here: no network, no mocks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side

import pandas as pd
import pytest
import torch

from asa_bench.cli import exit_code
from asa_bench.models.classifier import Classifier
from asa_bench.tasks import Example

GOOD = ["good", "great", "lovely", "funny", "moving", "brilliant", "warm", "clever"]
BAD = ["bad", "awful", "dull", "boring", "weak", "terrible", "cold", "stupid"]
THINGS = ["film", "story", "plot", "cast", "script", "ending", "music", "scene"]
GLUE = ["the", "a", "is", "was", "and", "very", "with", "this", "of", "in"]


def sentences(count: int) -> pd.DataFrame:
    """``count`` different short reviews with their labels, in equal parts."""
    rows = []
    for i in range(count):
        words, label = (GOOD, "pos") if i % 2 else (BAD, "neg")
        j = i // 2
        first, second = words[j % 8], words[(j // 8 + 3) % 8]
        thing, other = THINGS[(j * 3) % 8], THINGS[(j // 3 + 1) % 8]
        rows.append(
            {"text": f"this {first} {thing} number {j} was {second} and the {other} is very {first}", "label": label}
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers, 32 wide, with random weights and a word-piece tokenizer, as a local checkpoint folder."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoders") / "tiny-bert"
    folder.mkdir()
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = [*pieces, *GOOD, *BAD, *THINGS, *GLUE, ".", ",", "!"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,  # word embeddings of a length near a trained model's
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv (96 rows) and test.csv (40 rows)."""
    folder = tmp_path_factory.mktemp("reviews")
    rows = sentences(136)
    rows[:96].to_csv(folder / "train.csv", index=False)
    rows[96:].to_csv(folder / "test.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def tiny_suite(tiny_encoder: Path, reviews: Path) -> dict[str, Any]:
    """A suite of seconds on the tiny encoder, long enough to learn the words; tests change copies of it."""
    return {
        "name": "tiny",
        "task": {"name": "reviews", "data": str(reviews / "train.csv"), "test": str(reviews / "test.csv")},
        "encoder": {"name": str(tiny_encoder)},
        "train": {"epochs": 12, "batch_size": 16, "learning_rate": 2e-3, "max_length": 40, "threads": 1},
        "defence": [{"method": "baseline"}, {"method": "asa-ratio"}],
        "attack": [{"recipe": "deepwordbug", "examples": 8, "query_budget": 40}],
        "control_examples": 0,
    }


@pytest.fixture
def tiny_model(tiny_encoder: Path) -> Any:
    """A classifier of two labels on the tiny encoder, dropout off, in float64."""
    from asa_bench.models.classifier import new_classifier

    model, _ = new_classifier(tiny_encoder, ("neg", "pos"), seed=0, attention="eager", max_length=40)
    return model.eval().double()


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """A padded batch ``(3, 7)`` for the tiny model."""
    ids = torch.tensor([[2, 80, 90, 95, 99, 3, 0], [2, 81, 91, 3, 0, 0, 0], [2, 82, 92, 96, 97, 98, 3]])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "special_tokens_mask": (ids < 4).long(),
        "labels": torch.tensor([0, 1, 1]),
    }


@pytest.fixture(scope="session")
def checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that has learnt the words of the tiny reviews."""
    from asa_bench.defences import build_defence
    from asa_bench.defences.training import TrainSettings, train
    from asa_bench.models.checkpoint import save_checkpoint
    from asa_bench.models.classifier import new_classifier

    rows = sentences(96)
    model, tokenizer = new_classifier(tiny_encoder, ("neg", "pos"), 0, "eager", 40)
    settings = TrainSettings(epochs=12, batch_size=16, learning_rate=2e-3, max_length=40, threads=1)
    columns = zip(rows.index, rows["text"], rows["label"], strict=True)
    examples = [Example(str(i), (text,), int(label == "pos")) for i, text, label in columns]
    train(model, tokenizer, examples, build_defence("baseline", {}, "test"), settings, seed=0, precision="fp32")
    folder = tmp_path_factory.mktemp("models") / "baseline"
    save_checkpoint(model, tokenizer, folder, "card")
    return folder


@pytest.fixture(scope="session")
def classifier(checkpoint: Path) -> Classifier:
    """The checkpoint, loaded."""
    from asa_bench.models.classifier import load_classifier

    torch.set_num_threads(1)
    return load_classifier(checkpoint, "fp32", torch.device("cpu"))


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs ``asa-bench`` with arguments, in this process."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["asa-bench", *map(str, arguments)])
        code = exit_code()
        return Outcome(code, *capfd.readouterr())

    return call
