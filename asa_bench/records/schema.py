"""Columns and types of a run's tables. Names here are relied on by users: they only grow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

FORMAT = 1
"""Version of the run directory's layout. History: 1 – first."""

CELL = ["task", "encoder", "defence", "seed"]
"""What identifies one trained model of a run."""

OUTCOMES = ("succeeded", "failed", "skipped", "error", "timeout")
"""How an attack on one example ended, in the attack's view; *skipped* = wrong before the attack."""

_CELL_FIELDS = [("task", pa.string()), ("encoder", pa.string()), ("defence", pa.string()), ("seed", pa.int64())]

EXAMPLES = pa.schema(
    [
        *_CELL_FIELDS,
        ("attack", pa.string()),
        ("example_id", pa.string()),
        ("label", pa.int64()),
        ("outcome", pa.string()),
        ("original_text", pa.string()),
        ("adversarial_text", pa.string()),
        ("original_prediction", pa.int64()),
        ("adversarial_prediction", pa.int64()),
        ("queries", pa.int64()),
        ("words_changed", pa.int64()),
        ("similarity", pa.float64()),
        ("seconds", pa.float64()),
        ("message", pa.string()),
        ("protocol", pa.string()),
        ("candidates", pa.int64()),
        ("trace", pa.string()),
        ("moved", pa.bool_()),
        ("strength", pa.float64()),
    ]
)
"""One row per attacked example. ``adversarial_*``, ``words_changed`` and ``similarity`` are null unless the attack
succeeded; ``message`` says why an example ended in *error* or *timeout*. Texts of several fields are JSON arrays.
``candidates`` counts the texts that the attack's constraints let through: with 0 it had nothing to try. ``trace`` is a
JSON array of the best text after each query, where it changed: ``[query, score, words changed, whether it
succeeded]``; it begins with the original, query 1. ``moved``: whether one of those that the model was asked about
had another score than the original; null where it was asked about none. ``strength``: the weakest perturbation with
which an attack of kind *model* succeeded, in the attack's own unit; such rows have no adversarial text."""

PREDICTIONS = pa.schema(
    [
        *_CELL_FIELDS,
        ("dataset", pa.string()),
        ("example_id", pa.string()),
        ("label", pa.int64()),
        ("prediction", pa.int64()),
        ("confidence", pa.float64()),
        ("calibrated_confidence", pa.float64()),
        ("truncated", pa.bool_()),
    ]
)
"""One row per clean example: ``dataset`` is *validation*, *test* or an out-of-domain set's name. Confidences are the
probability of the predicted label, at temperature 1 and at the fitted temperature. ``truncated``: the text is longer
than the model reads; null where that is not known."""

VIEWS = pa.schema(
    [
        *_CELL_FIELDS,
        ("view", pa.string()),
        ("condition", pa.string()),
        ("layer", pa.int64()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""Attention views of a model, mean over examples. ``view``: *keywords* and *other-words* (attention on them, as a
multiple of what chance gives), *divergence* (of a layer's attention from the clean pass: Jensen–Shannon, nats),
*prediction* (KL from the clean prediction, nats; layer null). ``condition``: *clean*, *mask* (ASA's), *radius r* (word
embeddings moved)."""

CLEAN_PASS, MASKED_PASS = "clean", "mask"
"""Values of ``condition`` in ``VIEWS`` besides *radius r*."""

MAPS = pa.schema(
    [
        *_CELL_FIELDS,
        ("example_id", pa.string()),
        ("condition", pa.string()),
        ("layer", pa.int64()),
        ("tokens", pa.string()),
        ("attention", pa.string()),
        ("keywords", pa.string()),
    ]
)
"""Attention of single sentences, mean over heads: ``tokens``, the rows of ``attention`` and ``keywords`` (whether each
token is one) are JSON arrays."""

PROBES = pa.schema(
    [
        *_CELL_FIELDS,
        ("attack", pa.string()),
        ("example_id", pa.string()),
        ("probe", pa.string()),
        ("against", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""What was measured of a model besides attacks, one number per row. ``probe`` names it: *unlike_answers*,
*zero_gradient* and *training_accuracy* are shares of ``n`` examples; *transfer*: share of the texts with which
``attack`` misled the defence ``against`` that mislead this one too; *chrf*, *antonyms*, *negations* (whether their
number changed) and *unknown_words* are of one adversarial text. ``attack`` and ``example_id`` are null where a
number is of neither."""

RATINGS = pa.schema(
    [
        *_CELL_FIELDS,
        ("attack", pa.string()),
        ("example_id", pa.string()),
        ("adversarial_text", pa.string()),
        ("item", pa.string()),
        ("control", pa.string()),
        ("rater", pa.string()),
        ("label_read", pa.int64()),
        ("meaning", pa.int64()),
        ("grammar", pa.int64()),
    ]
)
"""What one person said of one pair of texts: the label read from the second (null: unclear), whether it kept the
meaning of the first (1–5) and how well it reads (1–5). ``item``: what the sheet calls the pair. ``control`` is null for
adversarial texts; *copy* (the text itself, but for a full stop) and *mismatch* (another example's text) belong to no
model, so that their ``defence``, ``seed``, ``attack`` and ``adversarial_text`` are null."""

ADDED = {"candidates", "trace", "moved", "truncated", "strength", "model", "keywords"}
"""Columns that runs of earlier versions do not have; they read as null."""

EXTERNAL = pa.schema(
    [
        *_CELL_FIELDS,
        ("name", pa.string()),
        ("example_id", pa.string()),
        ("label", pa.int64()),
        ("adversarial_text", pa.string()),
        ("prediction", pa.int64()),
        ("confirmed", pa.bool_()),
        ("model", pa.string()),
    ]
)
"""Adversarial texts that were found elsewhere, one per row and model that was asked about it. ``name`` is what the user
calls where they come from; ``prediction`` the model's answer, null once the model is another one; ``confirmed``: it was
right before and is wrong now; ``model``: fingerprint of what was asked."""

CALIBRATION = pa.schema([*_CELL_FIELDS, ("temperature", pa.float64()), ("validation_loss", pa.float64())])
"""One row per model: the temperature fitted on validation and the validation cross-entropy at temperature 1 (nats)."""

TRAINING = pa.schema([*_CELL_FIELDS, ("step", pa.int64()), ("loss", pa.float64()), ("seconds", pa.float64())])
"""One row per optimizer step, with further float columns of the method's own."""

_MASKED_RATIO = re.compile(r"masked_ratio_(\d+)")


def masked_ratio(layer: int) -> str:
    """The column of ``training`` with the share of a layer's units that a method masked."""
    return f"masked_ratio_{layer}"


def masked_ratios(columns: Iterable[str]) -> dict[int, str]:
    """Those of ``columns`` that are masked shares, by layer."""
    found = {int(match[1]): column for column in columns if (match := _MASKED_RATIO.fullmatch(column))}
    return dict(sorted(found.items()))


RESULTS = pa.schema(
    [
        *_CELL_FIELDS,
        ("attack", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""Tidy metrics. ``seed`` is null for the aggregate over seeds, ``attack`` is null for clean metrics."""


CURVES = pa.schema([("train_examples", pa.int64()), *RESULTS])
"""``RESULTS`` of models trained on fewer or more examples than the suite's own."""


def table(rows: Iterable[Mapping[str, Any]] | pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """A DataFrame with exactly the columns and types of ``schema``, then the rows' further columns as floats.

    Integers become pandas' nullable ``Int64``, so that a null does not turn them into floats.
    """
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    extra = [name for name in frame.columns if name not in schema.names]
    frame = frame.reindex(columns=[*schema.names, *extra])
    dtypes: dict[str, Any] = {field.name: _dtype(field.type) for field in schema}
    dtypes.update(dict.fromkeys(extra, "Float64"))
    return frame.astype(dtypes)


def _dtype(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "Int64"
    if pa.types.is_boolean(kind):
        return "boolean"
    return "Float64" if pa.types.is_floating(kind) else "string"
