"""Robust accuracy where a success counts only if the adversarial text plausibly kept its meaning."""

from __future__ import annotations

import math

import pandas as pd

from asa_bench.stats.aggregate import robust_share
from asa_bench.stats.intervals import Estimate

SIMILAR = math.cos(math.pi * (1 - 0.840845057))
"""Least cosine to the original: the angular similarity that TextFooler asks for, as TextDefender has it (Li et al.
2021, arXiv 2108.12777). It was set for another sentence encoder; here it is a convention."""


def strict_robust_accuracy(rows: pd.DataFrame, measures: pd.DataFrame) -> Estimate:
    """Share of one attack's examples that no acceptable text misled, over seeds; never under robust accuracy.

    A success is acceptable when no word became its antonym, the negations are as they were, and the similarity is at
    least ``SIMILAR``. An attack that was held to this from the start might have found other texts: the truth lies
    between robust accuracy and this.

    Args:
        rows: attacked examples of one attack on one defence (schema ``EXAMPLES``).
        measures: its successes' ``antonyms`` and ``negations`` (schema ``PROBES``).
    """
    bad = measures[measures["probe"].isin(["antonyms", "negations"]) & (measures["value"] > 0)]
    spoilt = set(zip(bad["seed"], bad["example_id"], strict=True))
    places = pd.Series([*zip(rows["seed"], rows["example_id"], strict=True)], index=rows.index, dtype=object)
    refused = (rows["similarity"].astype(float) < SIMILAR) | places.isin(spoilt)
    stands = (rows["outcome"] == "failed") | ((rows["outcome"] == "succeeded") & refused)
    return robust_share(stands, rows["seed"])
