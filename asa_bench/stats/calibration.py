"""Calibration error of a model's confidence."""

from __future__ import annotations

import numpy as np
import pandas as pd

BINS = 15
"""Equal-width bins of the expected calibration error, as in Guo et al. 2017."""


def expected_calibration_error(confidence: pd.Series, correct: pd.Series) -> float | None:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599); None without a row that has a confidence.

    The mean over bins of |accuracy − mean confidence|, weighted by the bins' shares of the rows. Bin ``m`` of 15 holds
    confidences in ((m − 1)/15, m/15].

    Args:
        confidence: probability of the predicted label, in [0, 1].
        correct: whether the prediction was right, in the same order.
    """
    known = confidence.notna().to_numpy()
    p = confidence.to_numpy(dtype=float, na_value=np.nan)[known]
    right = correct.to_numpy(dtype=float, na_value=0.0)[known]
    if not len(p):
        return None
    bins = np.clip(np.ceil(p * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right - p, minlength=BINS)
    return float(np.abs(gaps).sum() / len(p))
