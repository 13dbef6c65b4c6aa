"""Attacking one example after the other: seeds, outcomes, rows. A bad example is an outcome, never the run's end."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from textattack.attack_results import (
    FailedAttackResult,
    MaximizedAttackResult,
    SkippedAttackResult,
    SuccessfulAttackResult,
)
from textattack.shared import AttackedText

from asa_bench.attacking.rows import Row, empty_row, failed_row, joined
from asa_bench.attacking.victim import TracedAttack
from asa_bench.core.errors import one_line
from asa_bench.core.seeding import derive_seed, seed_everything
from asa_bench.tasks import Example

OUTCOMES = {SuccessfulAttackResult: "succeeded", FailedAttackResult: "failed", SkippedAttackResult: "skipped"}


def attack_example(attack: TracedAttack, example: Example, columns: Sequence[str], seed: int, recipe: str) -> Row:
    """The row of one attacked example; an exception inside the attack becomes the outcome *error*.

    Randomness comes from ``(seed, recipe, example.id)`` alone, and caches are cleared, so that a row does not depend on
    the examples before it.
    """
    seed_everything(derive_seed("attack", seed, recipe, example.id))
    attack.clear_cache()
    attack.goal_function.num_queries = 0
    attack.candidates, attack.trace, attack.moved = 0, (), None
    started = time.perf_counter()
    try:
        result = attack.attack(AttackedText(OrderedDict(zip(columns, example.fields, strict=True))), example.label)
        row = {**empty_row(example), **_outcome(result)}
    except Exception as error:
        row = failed_row(example, "error", one_line(error))
        row["queries"] = attack.goal_function.num_queries
    seconds = time.perf_counter() - started
    seen = {"candidates": attack.candidates, "trace": json.dumps(attack.trace), "moved": attack.moved}
    return {**row, **seen, "seconds": seconds}


def _outcome(result: Any) -> Row:
    outcome = _named(result)
    row: Row = {
        "outcome": outcome,
        "original_prediction": int(result.original_result.output),
        "queries": result.num_queries,
    }
    if outcome == "succeeded":
        original, adversarial = result.original_result.attacked_text, result.perturbed_result.attacked_text
        row["adversarial_text"] = joined(adversarial._text_input.values())
        row["adversarial_prediction"] = int(result.perturbed_result.output)
        row["words_changed"] = int(original.words_diff_num(adversarial))
    return row


def _named(result: Any) -> str:
    """The outcome; a maximised goal has succeeded when it changed the text at all."""
    if not isinstance(result, MaximizedAttackResult):
        return OUTCOMES[type(result)]
    unchanged = result.original_result.attacked_text.text == result.perturbed_result.attacked_text.text
    return "failed" if unchanged else "succeeded"
