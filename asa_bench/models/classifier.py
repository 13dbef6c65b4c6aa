"""Sequence classifiers: made from an encoder, loaded from a checkpoint, asked for logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json
from asa_bench.core.seeding import seed_everything
from asa_bench.models.batched import Text, TextModel, encode
from asa_bench.models.batching import ROWS, Encoded, answers
from asa_bench.models.encoder import check_folder
from asa_bench.models.kinds import kernel, positions
from asa_bench.models.precision import Attention, Resolved

HEADLESS = ("Model", "ForMaskedLM", "ForPreTraining")
"""Ends of architecture names that hold an encoder without a task's head."""


class TextClassifier(Protocol):
    """What evaluation and attacks ask of a model: a checkpoint behind it, or any function of the user's."""

    @property
    def batch_size(self) -> int:
        """Most texts per batch; very long ones go in fewer."""

    @property
    def unknown_token(self) -> str:
        """What a word is replaced by to see how much it matters; empty: the word is left out."""

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """The texts, ready to be put into batches."""

    def forward(self, batch: Sequence[Encoded]) -> Tensor:
        """Logits ``(len(batch), labels)`` of one batch of :func:`asa_bench.models.batching.batches`, float32, CPU.

        A text's row does not depend on the others.
        """

    def logits(self, texts: Sequence[Text]) -> Tensor:
        """Logits ``(len(texts), labels)`` in float32 on the CPU."""

    def truncated(self, texts: Sequence[Text]) -> list[bool | None]:
        """Whether each text is longer than the model reads; None where that is not known."""


@dataclass(frozen=True)
class Classifier(TextModel):
    """A sequence classifier; its answers are logits ``(texts, labels)``."""

    @property
    def unknown_token(self) -> str:
        """The tokenizer's own; empty where it has none."""
        return str(self.tokenizer.unk_token or "")

    def truncated(self, texts: Sequence[Text]) -> list[bool | None]:
        """Whether each text has more tokens than ``max_length``."""
        encoded = encode(self.tokenizer, texts, None)
        return [len(row["input_ids"]) > self.max_length for row in encoded]

    def logits(self, texts: Sequence[Text]) -> Tensor:
        """Logits ``(len(texts), labels)`` in float32 on the CPU, in eval mode, in the order of ``texts``.

        Raises:
            RuntimeError: when the model is in training mode (dropout would be on).
        """
        return torch.stack(answers(self, texts)) if texts else torch.empty(0, self.model.config.num_labels)

    def _answer(self, inputs: dict[str, Tensor]) -> Tensor:
        logits: Tensor = self.model(**inputs).logits
        return logits


def new_classifier(folder: Path, labels: Sequence[str], seed: int, attention: str, max_length: int) -> tuple[Any, Any]:
    """A model with a fresh head on the encoder in ``folder``, and its tokenizer.

    Raises:
        InputError: when the folder holds a checkpoint of another task or another number of labels, or the encoder is
            too short for ``max_length``.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    check_encoder(folder, len(labels), max_length)
    names = dict(enumerate(labels))
    seed_everything(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(labels),
        id2label=names,
        label2id={name: i for i, name in names.items()},
        use_safetensors=True,
        trust_remote_code=False,
        attn_implementation=attention,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokenizer.model_max_length = max_length
    return model, tokenizer


def check_encoder(folder: Path, labels: int, max_length: int) -> None:
    """Find out from its configuration alone whether an encoder can be trained as a classifier.

    Raises:
        InputError: when it is a checkpoint of another task or another number of labels, of an unknown kind, or too
            short for ``max_length``.
    """
    from transformers import AutoConfig

    _check_architecture(folder, labels)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except ValueError:
        kind = read_json(folder / "config.json").get("model_type")
        raise InputError(f"{folder / 'config.json'}: model_type: transformers knows no such model: {kind!r}") from None
    limit = positions(config)
    if max_length > limit:
        raise InputError(f"train.max_length: expected <= {limit} for the encoder in {folder}, got {max_length}")


def _check_architecture(folder: Path, labels: int) -> None:
    config = read_json(folder / "config.json")
    architecture = next(iter(config.get("architectures") or ["Model"]))
    if architecture.endswith("ForSequenceClassification"):
        found = len(config.get("id2label") or {0: "", 1: ""})
        if found != labels:
            raise InputError(f"encoder {folder}: a classifier of {found} labels; the task has {labels}")
    elif not architecture.endswith(HEADLESS):
        raise InputError(f"encoder {folder}: a checkpoint of another task ({architecture})")


def classifier_labels(folder: Path) -> tuple[str, ...]:
    """The label names of the classifier in ``folder``, in the order of their ids, without loading its weights.

    Raises:
        InputError: when the folder is no safe, complete checkpoint of a classifier of one label per text.
    """
    check_folder(folder, "model")
    config = read_json(folder / "config.json")
    architecture = next(iter(config.get("architectures") or ["unknown"]))
    if not architecture.endswith("ForSequenceClassification"):
        raise InputError(f"model {folder}: not a sequence classifier ({architecture})")
    names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers leaves out of the file
    if len(names) < 2 or config.get("problem_type") == "multi_label_classification":
        kind = "several labels per text" if len(names) > 1 else "a regression"
        raise InputError(f"model {folder}: {kind}; attacks need a classifier of one label per text")
    return tuple(str(names[key]) for key in sorted(names, key=int))


def load_classifier(
    folder: Path, precision: Resolved, device: torch.device, attention: Attention = "auto"
) -> Classifier:
    """A trained classifier from a checkpoint folder, in eval mode; texts are cut at the training length.

    Raises:
        InputError: when the folder is no safe, complete checkpoint of a sequence classifier.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    classifier_labels(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        use_safetensors=True,
        trust_remote_code=False,
        attn_implementation=kernel(folder, attention, device),
    )
    return Classifier(
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        max_length=min(tokenizer.model_max_length, positions(model.config)),
        precision=precision,
        batch_size=ROWS[device.type],
    )
