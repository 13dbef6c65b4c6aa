"""Which attacks of a run are invalid: they did nothing, and say nothing about robustness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from asa_bench.reporting.formats import percent
from asa_bench.stats.selftest import Inert, inert

PLACE = ["task", "encoder", "attack"]


def invalid_attacks(examples: pd.DataFrame, suite: Mapping[str, Any]) -> list[dict[str, str]]:
    """``task, encoder, attack, reason`` of each attack on texts that is inert on one of the models there.

    Args:
        examples: attacked examples (schema ``EXAMPLES``).
        suite: the resolved suite, which says which defences are baselines, and what kind each attack is.
    """
    text = {entry["name"] for entry in suite["attack"] if entry["kind"] in ("text", "aware")}
    baselines = {entry["name"] for entry in suite["defence"] if entry.get("method") == "baseline"}
    found = []
    for place, rows in examples[examples["attack"].isin(text)].groupby(PLACE, sort=True):
        models = rows.groupby(["defence", "seed"], sort=True)
        verdicts = (inert(part, baseline=defence in baselines) for (defence, _), part in models)
        if verdict := next(filter(None, verdicts), None):
            task, encoder, attack = map(str, place)
            found.append({"task": task, "encoder": encoder, "attack": attack, "reason": reason(verdict)})
    return found


def reason(verdict: Inert) -> str:
    """The verdict in words."""
    share = percent(verdict.share)
    if verdict.why == "idle":
        return f"inert, without a candidate for {share} % of the examples"
    if verdict.why == "unfelt":
        return f"inert, with no candidate that moves the model for {share} % of the examples"
    return f"inert, with {share} % success on the baseline"
