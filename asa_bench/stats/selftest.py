"""The self-test of an attack: one that does nothing must not make a model look robust."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pandas as pd

INERT_SHARE = 0.5
"""An attack without a candidate, or none that moves the model, on more than this share of the examples is inert."""

INERT_SUCCESS = 0.05
"""So is one with less success than this on a baseline."""

FEWEST = 20
"""Attacked examples from which on a lack of success says anything: one success in 20 is 5 %."""


class Inert(NamedTuple):
    """Why an attack is inert, with the share that says so."""

    why: Literal["idle", "unfelt", "success"]
    share: float


def inert(
    rows: pd.DataFrame, *, baseline: bool, most_idle: float = INERT_SHARE, least_success: float = INERT_SUCCESS
) -> Inert | None:
    """What makes an attack inert; None when it is not.

    Args:
        rows: its examples (schema ``EXAMPLES``) on one model.
        baseline: whether the model is undefended, so that the attack must have some success on it.
        most_idle: largest share of the attacked examples that may be without a candidate, or whose candidates
            leave the score as it was: characters that the tokenizer drops, scores that are rounded away.
        least_success: smallest share of success on a baseline.
    """
    attacked = rows[rows["outcome"].isin(["succeeded", "failed"])]
    if not len(attacked):
        return None
    without = attacked["candidates"].eq(0).fillna(False)
    unfelt = without | ~attacked["moved"].fillna(True)
    for verdict in (Inert("idle", float(without.mean())), Inert("unfelt", float(unfelt.mean()))):
        if verdict.share > most_idle:
            return verdict
    success = float((attacked["outcome"] == "succeeded").mean())
    judged = baseline and len(attacked) >= FEWEST
    return Inert("success", success) if judged and success < least_success else None
