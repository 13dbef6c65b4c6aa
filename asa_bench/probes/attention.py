"""How a model attends: to its keywords, and under perturbations of its input and of its attention.

Two claims of Wu et al. 2023 (arXiv 2206.12608) become measurable: ASA moves attention from keywords to other words, and
perturbing the word embeddings hardly moves the attention maps, which ASA's mask does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from asa_bench.core.validation import Settings
from asa_bench.defences import perturbation
from asa_bench.defences.asa import ASA
from asa_bench.defences.base import Batch, embedded_inputs, inputs_of, perturbed
from asa_bench.defences.training import labelled_rows
from asa_bench.models.classifier import Classifier
from asa_bench.records.schema import CLEAN_PASS, MASKED_PASS
from asa_bench.stats.intervals import mean
from asa_bench.tasks import Example

REVISION = 3
"""Raised whenever a change here changes the views: it is part of their cells' keys."""

BATCH = 16
"""Examples per forward pass."""

MAP_TOKENS = (7, 18)
"""Fewest and most tokens of a sentence whose heat map is shown."""


class ViewSettings(Settings):
    """The ``[views]`` table: attention views of every trained model, in fp32."""

    examples: int = Field(default=100, ge=2)
    """Test examples, drawn by the hash of their ids."""
    keyword_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of an example's word pieces that count as keywords: those of the largest gradient × input."""
    radii: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    """Radii of the perturbation of word embeddings: L2 norm over a whole example, as FreeLB's."""
    steps: int = Field(default=5, ge=1)
    """Steps of the perturbation (projected gradient ascent on the task's loss)."""
    sentences: int = Field(default=3, ge=0)
    """Sentences whose attention is kept as heat maps."""


class Look(NamedTuple):
    """One forward pass: logits ``(B, labels)`` and attention ``(layers, B, heads, L, L)``."""

    logits: Tensor
    attention: Tensor


def attention_views(
    classifier: Classifier,
    examples: Sequence[Example],
    asa: ASA | None,
    settings: ViewSettings,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of ``views.parquet`` and of ``maps.parquet``, without the columns that name the cell.

    Args:
        classifier: a model of eager attention, in eval mode.
        examples: what it is looked at on.
        asa: the adversaries that it was trained against, attached to it; None for another defence.
        settings: the ``[views]`` table.
        on_progress: told the examples done and in all.
    """
    values: dict[tuple[str, str, int | None], list[Tensor]] = {}
    maps: list[dict[str, Any]] = []
    for start in range(0, len(examples), BATCH):
        chosen = examples[start : start + BATCH]
        batch = _batch(classifier, chosen)
        words = (1 - batch["special_tokens_mask"]).bool()  # (B, L)
        keywords = keyword_mask(classifier.model, batch, words, settings.keyword_share)
        looks = dict(_looks(classifier.model, batch, asa, settings))
        for key, measured in _measured(looks, batch, words, keywords):
            values.setdefault(key, []).append(measured)
        wanted = settings.sentences - len({row["example_id"] for row in maps})
        maps += _maps(classifier.tokenizer, chosen, batch, looks, keywords, wanted)
        on_progress(start + len(chosen), len(examples))
    rows = [
        {"view": view, "condition": condition, "layer": layer, **mean(torch.cat(parts).tolist())._asdict()}
        for (view, condition, layer), parts in values.items()
    ]
    return rows, maps


def _batch(classifier: Classifier, examples: Sequence[Example]) -> Batch:
    rows = labelled_rows(classifier.tokenizer, examples, classifier.max_length)
    return dict(classifier.tokenizer.pad(rows, return_tensors="pt").to(classifier.device))


def keyword_mask(model: Any, batch: Batch, words: Tensor, share: float) -> Tensor:
    """The words of each example on which the predicted label depends most, by |gradient · input|: bool ``(B, L)``."""
    embeddings, others = embedded_inputs(model, batch)
    embeddings = embeddings.detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, **others).logits
    (gradient,) = torch.autograd.grad(logits.amax(dim=1).sum(), embeddings)
    weight = (gradient * embeddings).sum(dim=2).abs().masked_fill(~words, -1.0).detach()  # (B, L)
    wanted = (share * words.sum(dim=1)).round().clamp_min(1).unsqueeze(1)
    rank = weight.argsort(dim=1, descending=True).argsort(dim=1)
    return (rank < wanted) & words


def _looks(model: Any, batch: Batch, asa: ASA | None, settings: ViewSettings) -> Iterator[tuple[str, Look]]:
    yield CLEAN_PASS, _look(model, inputs_of(batch))
    for radius in settings.radii:
        yield f"radius {radius:g}", _look(model, moved(model, batch, radius, settings.steps))
    if asa is not None:
        yield MASKED_PASS, _look(model, inputs_of(batch), asa.disturbing(model, batch))


def _look(model: Any, inputs: dict[str, Tensor], block: AbstractContextManager[Any] | None = None) -> Look:
    with torch.no_grad(), block or nullcontext():
        out = model(**inputs, output_attentions=True)
    return Look(out.logits.float(), torch.stack([layer.float() for layer in out.attentions]))


def moved(model: Any, batch: Batch, radius: float, steps: int) -> dict[str, Tensor]:
    """The batch with its word embeddings moved up the task's loss inside a ball, by projected gradient ascent."""
    embeddings, others = embedded_inputs(model, batch)

    def loss(delta: Tensor) -> Tensor:
        return F.cross_entropy(perturbed(model, batch, delta).logits, batch["labels"])

    ascend = partial(perturbation.ascend, step_size=2.5 * radius / steps, max_norm=radius)
    delta = perturbation.climb(loss, torch.zeros_like(embeddings), steps, ascend)
    return {"inputs_embeds": embeddings.detach() + delta, **others}


def _measured(
    looks: dict[str, Look], batch: Batch, words: Tensor, keywords: Tensor
) -> Iterator[tuple[tuple[str, str, int | None], Tensor]]:
    """``(view, condition, layer)`` and its value for each example, ``(B,)``."""
    clean, tokens = looks[CLEAN_PASS], batch["attention_mask"].bool()
    aims = {"keywords": keywords, "other-words": words & ~keywords}
    for condition, look in looks.items():
        for layer, attention in enumerate(look.attention):
            if condition in (CLEAN_PASS, MASKED_PASS):
                for view, aim in aims.items():
                    yield (view, condition, layer), attention_on(aim, attention, words, tokens)
            if condition != CLEAN_PASS:
                yield ("divergence", condition, layer), js_divergence(attention, clean.attention[layer], tokens)
        if condition != CLEAN_PASS:
            yield ("prediction", condition, None), _kl(clean.logits, look.logits)


def attention_on(aim: Tensor, attention: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
    """Attention ``(B, heads, L, L)`` of words to ``aim`` ``(B, L)``, as a multiple of evenly spread attention.

    Mean over words and heads, ``(B,)``; less for texts in which there is no aim.
    """
    mass = (attention * aim[:, None, None, :]).sum(dim=3).mean(dim=1)  # (B, L)
    share = (mass * words).sum(dim=1) / words.sum(dim=1).clamp_min(1)
    chance = aim.sum(dim=1) / tokens.sum(dim=1)
    return share[chance > 0] / chance[chance > 0]


def js_divergence(first: Tensor, second: Tensor, tokens: Tensor) -> Tensor:
    """Jensen–Shannon divergence of attention rows in nats, mean over tokens and heads: ``(B,)``, at most ln 2."""
    middle = (first + second) / 2
    rows = sum(torch.special.xlogy(part, part / middle.clamp_min(1e-30)).sum(dim=3) for part in (first, second))
    assert isinstance(rows, Tensor)
    return (0.5 * rows.mean(dim=1) * tokens).sum(dim=1) / tokens.sum(dim=1)


def _kl(clean: Tensor, other: Tensor) -> Tensor:
    logs = clean.log_softmax(dim=1), other.log_softmax(dim=1)
    return (logs[0].exp() * (logs[0] - logs[1])).sum(dim=1)


def _maps(
    tokenizer: Any, examples: Sequence[Example], batch: Batch, looks: dict[str, Look], keywords: Tensor, wanted: int
) -> list[dict[str, Any]]:
    """Attention of the first short sentences, mean over heads, as JSON."""
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    short = [i for i, length in enumerate(lengths) if MAP_TOKENS[0] <= length <= MAP_TOKENS[1]][: max(wanted, 0)]
    rows = []
    for i in short:
        tokens = tokenizer.convert_ids_to_tokens(batch["input_ids"][i, : lengths[i]])
        for condition in (CLEAN_PASS, MASKED_PASS):
            for layer, attention in enumerate(looks[condition].attention if condition in looks else ()):
                cells = attention[i].mean(dim=0)[: lengths[i], : lengths[i]]
                rows.append(
                    {
                        "example_id": examples[i].id,
                        "condition": condition,
                        "layer": layer,
                        "tokens": json.dumps(tokens),
                        "attention": json.dumps([[round(cell, 4) for cell in row] for row in cells.tolist()]),
                        "keywords": json.dumps(keywords[i, : lengths[i]].tolist()),
                    }
                )
    return rows
