"""What texts that were found elsewhere came to: why one does not count, and the worst case with one source's."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from asa_bench.stats.aggregate import combine
from asa_bench.stats.intervals import Estimate
from asa_bench.stats.metrics import EXTERNAL_WORST, robust_under_all, share_left

CONFIRMED = "confirmed"
REASONS = (
    "the model is still right",
    "the model was wrong before",
    "the model is another one by now; import again",
)
"""Why a text does not count; the first that holds."""


def verdicts(external: pd.DataFrame) -> pd.Series:
    """For each row of the schema ``EXTERNAL``: ``CONFIRMED``, or which of ``REASONS`` speaks against it."""
    still_right, wrong_before, replaced = REASONS
    found = pd.Series(wrong_before, external.index, dtype=object)
    found[(external["prediction"] == external["label"]).fillna(value=False)] = still_right
    found[external["prediction"].isna()] = replaced
    found[external["confirmed"]] = CONFIRMED
    return found


def worst_case_with(examples: pd.DataFrame, attacks: Collection[str], external: pd.DataFrame) -> Estimate:
    """Worst case over seeds of one defence under ``attacks`` and the confirmed texts of ``external``.

    Args:
        examples: the defence's attacked examples (schema ``EXAMPLES``), of one task and encoder.
        attacks: names of the attacks that enter the worst case; a seed that lacks one is left out.
        external: what the defence's models were asked about (schema ``EXTERNAL``).
    """
    stood = {seed: robust_under_all(rows, attacks) for seed, rows in examples.groupby("seed")}
    each = [share_left(robust, external[external["seed"] == seed]) for seed, robust in stood.items() if len(robust)]
    return combine(EXTERNAL_WORST, each)
