"""One process of trainings that several share: ``python -m tests.defences.shared_training ENCODER OUT``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from asa_bench.core.errors import AsaBenchError
from asa_bench.defences import build_defence
from asa_bench.defences.training import TrainSettings, train
from asa_bench.models.checkpoint import write_weights
from asa_bench.models.classifier import new_classifier
from asa_bench.tasks import Example

SETTINGS = TrainSettings(epochs=2, batch_size=4, learning_rate=1e-3, max_length=40, threads=1)
EXAMPLES = [
    Example(str(i), (f"the {word} film was {word} " * (1 + i % 3),), i % 2)
    for i, word in enumerate(["good", "bad", "warm", "dull"] * 5)
]
METHODS: dict[str, dict[str, Any]] = {
    **{method: {} for method in ("baseline", "asa", "asa-ratio", "asa-official", "two-pass", "smoothing-bias")},
    **{method: {} for method in ("label-smoothing", "r-drop", "fgm")},
    **{method: {"init_magnitude": 0.0} for method in ("freelb", "pgd")},
    "creat": {"noise": 0.0},
}
"""Methods, with settings under which they draw nothing at random once dropout is off."""


def main(encoder: str, out: str) -> None:
    """Train every method without dropout in float64; the first process writes the weights. Then try to resume."""
    for method, own in METHODS.items():
        model, tokenizer = new_classifier(Path(encoder), ("a", "b"), 0, "eager", 40)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        settings = SETTINGS.model_copy(update={"batch_size": 3})  # uneven shares, too
        defence = build_defence(method, own, "test")
        train(model.double(), tokenizer, EXAMPLES, defence, settings, seed=0, precision="fp32")
        if os.environ["RANK"] == "0":
            beside = {f"defence.{name}": tensor for name, tensor in defence.state().items()}
            write_weights(Path(out) / f"{method}.safetensors", {**model.state_dict(), **beside})
    resume = Path(out) / "unfinished"
    try:
        train(
            model,
            tokenizer,
            EXAMPLES,
            build_defence("baseline", {}, "test"),
            settings,
            seed=0,
            precision="fp32",
            resume=resume,
        )
    except AsaBenchError as error:
        (Path(out) / f"refused-by-{os.environ['RANK']}").write_text(str(error), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
