"""A model to measure with, where the user names none."""

from __future__ import annotations

from pathlib import Path

from asa_bench.assets import asset_path
from asa_bench.defences import build_defence
from asa_bench.defences.training import TrainSettings, train
from asa_bench.models.checkpoint import save_checkpoint
from asa_bench.models.classifier import new_classifier
from asa_bench.models.kinds import kernel
from asa_bench.models.precision import default_device, resolve_precision
from asa_bench.tasks import choose
from asa_bench.tasks.movie_sentiment import load

EXAMPLES = 2000


def trained_baseline(folder: Path, threads: int) -> Path:
    """The shipped encoder, trained on movie snippets just long enough for attacks to have something to do."""
    data, device = load(), default_device()
    settings = TrainSettings(epochs=2, threads=threads)
    encoder = asset_path("minilm")
    attention = kernel(encoder, "auto", device)
    model, tokenizer = new_classifier(encoder, data.labels, 0, attention, settings.max_length)
    train(
        model,
        tokenizer,
        choose(data.train, EXAMPLES, "train"),
        build_defence("baseline", {}, "bench"),
        settings,
        seed=0,
        precision=resolve_precision("auto", device),
    )
    save_checkpoint(model, tokenizer, folder, "A baseline for measuring speed.")
    return folder
