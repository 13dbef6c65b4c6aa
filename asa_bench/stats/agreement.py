"""How far raters agree beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Level = Literal["nominal", "ordinal"]


def krippendorff_alpha(units: Sequence[Sequence[int]], level: Level) -> float | None:
    """Krippendorff's alpha (Krippendorff 2004, *Content Analysis*, ch. 11): 1 = agreement, 0 = what chance gives.

    alpha = 1 − D_o / D_e, the observed over the expected disagreement of two values that different raters gave to one
    unit. Two values disagree by 1 where they differ (*nominal*), or by the square of the difference of their middle
    ranks among all values given (*ordinal*).

    Args:
        units: the values that each unit was given, one per rater who judged it; units of fewer than two are left out.
        level: of the scale.

    Returns:
        At most 1; negative where raters disagree more than by chance. None where no unit has two values, and where all
        values are the same, since there is no chance disagreement to measure against.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in pairable for value in unit})
    coincidences = np.zeros((len(values), len(values)))
    for unit in pairable:
        counts = np.array([unit.count(value) for value in values], dtype=float)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = coincidences.sum(axis=0)
    distance = _distances(totals, level)
    expected = float((np.outer(totals, totals) * distance).sum())
    if not expected:
        return None
    return 1 - (float(totals.sum()) - 1) * float((coincidences * distance).sum()) / expected


def _distances(totals: np.ndarray, level: Level) -> np.ndarray:
    """Disagreement of each two values ``(value, value)``, in ascending order, of which there are ``totals``."""
    if level == "nominal":
        return np.asarray(1 - np.eye(len(totals)))
    middle = totals.cumsum() - totals / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2)
