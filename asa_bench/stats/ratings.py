"""What people's ratings say: which adversarial texts they accept, and how careful the raters were."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from asa_bench.records.schema import CELL
from asa_bench.stats.aggregate import combine
from asa_bench.stats.agreement import Level, krippendorff_alpha
from asa_bench.stats.intervals import Estimate, proportion, wilson

KEPT = 4
"""Least mean of the ratings of meaning, 1 to 5, with which a text has kept its meaning."""

COPY = "copy"
"""A control that changes nothing that matters: a careful rater sees the meaning kept."""

MISMATCH = "mismatch"
"""A control that pairs a text with another example's: a careful rater does not."""

TEXT = [*CELL, "attack", "example_id"]
"""What names a rated success."""

SCALES: dict[str, Level] = {"label_read": "nominal", "meaning": "ordinal", "grammar": "ordinal"}
"""Columns of ratings and their scales."""

NO_LABEL = -1
"""Stands for *unclear* among the labels read."""


class Rater(NamedTuple):
    """How much one person rated, and how many of the controls wrongly."""

    name: str
    texts: int
    controls: int
    failed: int


def current(ratings: pd.DataFrame, examples: pd.DataFrame) -> pd.DataFrame:
    """The ratings of successes that are in the run as they were rated, each with the text's gold ``label``.

    Args:
        ratings: schema ``RATINGS``.
        examples: attacked examples (schema ``EXAMPLES``).
    """
    texts = examples.loc[examples["outcome"] == "succeeded", [*TEXT, "adversarial_text", "label"]]
    return ratings[ratings["control"].isna()].merge(texts, on=[*TEXT, "adversarial_text"])


def judged(ratings: pd.DataFrame) -> pd.DataFrame:
    """What the raters of each text say together: one row per text.

    *Meaning kept*: the mean of ``meaning`` is ``KEPT`` or more. *Label kept*: more than half of the raters read the
    gold label; *unclear* is not it. *Accepted*: both.

    Args:
        ratings: as :func:`current` gives them.

    Returns:
        The columns of ``TEXT``, ``meaning_kept``, ``label_kept``, ``accepted`` and ``grammar`` (the mean).
    """
    read = (ratings["label_read"] == ratings["label"]).fillna(False).astype(float)
    means = ratings.assign(read=read).groupby(TEXT)[["meaning", "grammar", "read"]].mean().reset_index()
    kept, same = means["meaning"] >= KEPT, means["read"] > 0.5
    verdicts = {"meaning_kept": kept, "label_kept": same, "accepted": kept & same}
    return means[[*TEXT, "grammar"]].assign(**verdicts)


def agreement(ratings: pd.DataFrame, column: str) -> float | None:
    """Krippendorff's alpha of one of ``SCALES``, over the texts that several people rated; None without such texts.

    Args:
        ratings: as :func:`current` gives them.
        column: of ``SCALES``; that a label is *unclear* counts as a label of its own.
    """
    given = ratings[column].fillna(NO_LABEL).astype(int)
    return krippendorff_alpha([list(unit) for _, unit in given.groupby(ratings["item"])], SCALES[column])


def raters(ratings: pd.DataFrame) -> Iterator[Rater]:
    """Each rater, by name: a control is failed where meaning is said to be kept in a mismatch, or lost in a copy."""
    kept = ratings["meaning"] >= KEPT
    mismatch = ratings["control"].eq(MISMATCH).fillna(False)
    failed = (kept == mismatch) & ratings["control"].notna()
    for name, rows in ratings.groupby("rater"):
        controls = int(rows["control"].notna().sum())
        yield Rater(str(name), len(rows) - controls, controls, int(failed[rows.index].sum()))


def accepted_robust_accuracy(rows: pd.DataFrame, accepted: Estimate) -> Estimate:
    """Robust accuracy if only the successes that people accept counted, estimated from a sample of them.

    Per seed (still right + successes × (1 − accepted share)) / attacked examples. The interval adds, in squares, what
    the examples leave open (Wilson's interval at that value for one seed, t over three or more) and what the sample of
    rated texts does (Zou & Donner 2008, for the sum of two estimates).

    Args:
        rows: attacked examples of one attack on one defence (schema ``EXAMPLES``).
        accepted: share of its rated successes that people accept.
    """
    if accepted.value is None or accepted.low is None or accepted.high is None or rows.empty:
        return Estimate(None, None, None, 0)
    held, fell = (rows["outcome"].eq(outcome).astype(float) for outcome in ("failed", "succeeded"))
    stands = held + fell * (1 - accepted.value)
    per_seed = [_share(float(part.sum()), len(part)) for _, part in stands.groupby(rows["seed"])]
    value, low, high, n = combine("robust_accuracy", per_seed)
    if value is None or low is None or high is None:
        return Estimate(value, None, None, n)
    share = float(fell.groupby(rows["seed"]).mean().mean())
    below = math.hypot(value - low, share * (accepted.high - accepted.value))
    above = math.hypot(high - value, share * (accepted.value - accepted.low))
    return Estimate(value, max(value - below, 0.0), min(value + above, 1.0), n)


def share(flags: pd.Series) -> Estimate:
    """Share of texts of which something holds, with Wilson's interval."""
    return proportion(int(flags.sum()), len(flags))


def _share(count: float, n: int) -> Estimate:
    low, high = wilson(count, n) or (None, None)
    return Estimate(count / n, low, high, n)
