"""Makes ``tests/data/checkpoint``: the small, fixed classifier on which this project's CI gates its own attacks.

A BERT of two layers, 64 wide, trained from scratch on movie-sentiment. It is stored, not remade in CI: trained weights
differ in their last digits from machine to machine, and the gate must see the attack change, not the model. Run
``python tests/data/make_checkpoint.py`` only to replace it, and save a new reference then (see docs/ci.md).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

import asa_bench
from asa_bench.tasks import TASKS

TARGET = Path(__file__).parent / "checkpoint"
WORDS = 4000
LENGTH = 64


def make_encoder(folder: Path) -> None:
    """An untrained encoder with a vocabulary of the training texts."""
    trainer = BertWordPieceTokenizer()
    texts = [example.fields[0] for example in TASKS["movie-sentiment"].load().train]
    trainer.train_from_iterator(texts, vocab_size=WORDS, show_progress=False)
    folder.mkdir()
    trainer.save_model(str(folder))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=LENGTH)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LENGTH,
    )
    BertModel(config).save_pretrained(folder)


def main() -> None:
    """Train it and put it in its place."""
    with tempfile.TemporaryDirectory() as scratch:
        encoder = Path(scratch) / "tiny"
        make_encoder(encoder)
        suite = {
            "name": "checkpoint",
            "task": {"name": "movie-sentiment"},
            "encoder": {"name": str(encoder)},
            "train": {"epochs": 6, "learning_rate": 1e-3, "max_length": LENGTH, "precision": "fp32"},
            "defence": [{"method": "baseline"}],
        }
        run = asa_bench.run(suite, Path(scratch) / "run")
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(run.path / "models/movie-sentiment/tiny/baseline/0", TARGET)


if __name__ == "__main__":
    main()
