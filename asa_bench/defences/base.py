"""What a defence is: the owner of the gradient. The training loop owns the optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asa_bench.core.validation import Settings

S = TypeVar("S", bound=Settings)

Batch = Mapping[str, Tensor]
"""``input_ids``, ``attention_mask`` and ``special_tokens_mask`` (1 on [CLS], [SEP], padding and their like) ``(B, L)``,
``labels`` ``(B,)``; ``token_type_ids`` where the model has them."""

Losses = dict[str, float]
"""``loss`` = the task's loss in nats, and the method's own columns, all plain numbers for the training record."""


class NoSettings(Settings):
    """For a method without settings."""


class Defence(ABC, Generic[S]):
    """A way of training. One instance trains one model: ``attach``, then ``backward`` per batch, then ``detach``."""

    Settings: ClassVar[type[Settings]]

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @property
    def revision(self) -> int:
        """Raised whenever a change to this method alone changes trained weights: its models are then trained anew."""
        return 1

    def check_encoder(self, folder: Path) -> None:
        """Refuse, without loading its weights, an encoder that the method cannot work on. Default: nothing.

        Raises:
            InputError: saying what is missing.
        """
        del folder

    def attach(self, model: nn.Module) -> None:
        """Prepare for ``model`` (already on its device): install hooks, make parameters. Default: nothing."""

    def detach(self) -> None:
        """Take everything off the model again; it is then a plain Hugging Face model. Default: nothing."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """Parameters trained besides the model's own, dropped after training. Default: none."""
        return ()

    @property
    def learning_rate(self) -> float | None:
        """Peak learning rate of the defence's own parameters. Default: None, the model's."""
        return None

    def state(self) -> dict[str, Tensor]:
        """The defence's own weights, kept beside the checkpoint for a resumed training and for views. Default: none."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` gave. Default: nothing."""
        del state

    @property
    def source(self) -> str | None:
        """Name of the defence whose training record this one needs, see :meth:`learn_from`. Default: none."""
        return None

    def check_source(self, source: Defence[Any]) -> None:
        """Refuse a defence that cannot be the :attr:`source`. Default: nothing.

        Raises:
            InputError: naming the field.
        """
        del source

    def learn_from(self, training: pd.DataFrame) -> None:
        """Take what it needs from the training record of :attr:`source` (same task, encoder and seed)."""
        del training

    @property
    def harvest(self) -> Mapping[str, Any] | None:
        """An attack on :attr:`source` with the keys of an ``[[attack]]``; its successes join the training examples.

        Default: none.
        """
        return None

    @property
    def passes(self) -> int:
        """Forward and backward passes of one batch that a step costs. Default: one."""
        return 1

    @abstractmethod
    def backward(self, model: Any, batch: Batch) -> Losses:
        """Add this batch's gradient to ``.grad`` of the model's and the defence's parameters.

        It may run as many passes as the method needs. It neither zeroes gradients nor steps the optimizer.
        """


def inputs_of(batch: Batch) -> dict[str, Tensor]:
    """What the model is called with: the batch without its labels and the mask of special tokens."""
    return {name: tensor for name, tensor in batch.items() if name not in ("labels", "special_tokens_mask")}


def doubled(batch: Batch) -> dict[str, Tensor]:
    """The batch with each row twice, as the model's input: ``2B`` rows, the copies behind."""
    return {name: torch.cat([tensor, tensor]) for name, tensor in inputs_of(batch).items()}


def embedded_inputs(model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Word embeddings ``(B, L, H)`` of the batch, before positions and LayerNorm, and the other inputs."""
    return model.get_input_embeddings()(batch["input_ids"]), _besides_ids(batch)


def _besides_ids(batch: Batch) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in inputs_of(batch).items() if name != "input_ids"}


@contextmanager
def looked_up_once(model: Any, batch: Batch) -> Iterator[Tensor]:
    """Word embeddings ``(B, L, H)`` for several passes of one batch, each with its own backward pass.

    Their gradients add up here and reach the table of the vocabulary, which is far larger, once, at the end.
    """
    embeddings, _ = embedded_inputs(model, batch)
    leaf = embeddings.detach().requires_grad_()
    yield leaf
    embeddings.backward(leaf.grad)


def perturbed(model: Any, batch: Batch, delta: Tensor, embeddings: Tensor | None = None, **options: Any) -> Any:
    """What the model says of the batch with ``delta`` ``(B, L, H)`` added to its word embeddings, not on padding.

    Nor has ``delta`` a gradient there, even in models whose tokens see padding beside them (DeBERTa's convolution).
    ``embeddings`` are looked up unless given.
    """
    if embeddings is None:
        embeddings, _ = embedded_inputs(model, batch)
    others = _besides_ids(batch)
    shift = delta * batch["attention_mask"].unsqueeze(-1)
    return model(inputs_embeds=embeddings + shift, **others, **options)


def backward_at(model: Any, batch: Batch, delta: Tensor, embeddings: Tensor, parts: int) -> tuple[float, Tensor]:
    """A ``parts``-th of the loss under ``delta`` ``(B, L, H)``, added to the parameters' gradient; and δ's gradient."""
    delta.requires_grad_()
    loss = F.cross_entropy(perturbed(model, batch, delta, embeddings).logits, batch["labels"]) / parts
    loss.backward()
    assert delta.grad is not None
    return number(loss), delta.grad


def number(value: Tensor) -> float:
    """A one-element tensor as a plain number, for the training record."""
    return float(value.detach())
