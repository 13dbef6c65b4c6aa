from typing import Any

import pandas as pd
import pytest

from asa_bench.records.schema import CALIBRATION, EXAMPLES, PREDICTIONS, RESULTS, table
from asa_bench.stats.metrics import results, robust_under_all

CELL: dict[str, Any] = {"task": "t", "encoder": "e", "defence": "d", "seed": 0}
NO_EXAMPLES, NO_PREDICTIONS, NO_CALIBRATION = (table([], kind) for kind in (EXAMPLES, PREDICTIONS, CALIBRATION))


def attacked(outcomes: str, attack: str = "pwws", **changes: Any) -> list[dict[str, Any]]:
    """Rows from letters: Succeeded, Failed, sKipped, Error, Timeout."""
    names = {"S": "succeeded", "F": "failed", "K": "skipped", "E": "error", "T": "timeout"}
    rows = []
    for i, letter in enumerate(outcomes):
        hit = letter == "S"
        row = {**CELL, "attack": attack, "example_id": f"id{i}", "label": 1, "outcome": names[letter]}
        row |= {"original_prediction": {"K": 0, "E": None, "T": 1}.get(letter, 1), "queries": 10 * (i + 1)}
        row |= {"words_changed": i + 1 if hit else None, "similarity": 0.5 if hit else None}
        rows.append(row | changes)
    return rows


def metrics(examples: list[dict[str, Any]], worst: list[str] | None = None) -> dict[tuple[str | None, str], Any]:
    frame = results(table(examples, EXAMPLES), NO_PREDICTIONS, NO_CALIBRATION, worst)
    last = frame[frame["seed"].isna()]
    keys = zip(last["attack"].astype(object).where(last["attack"].notna(), None), last["metric"], strict=True)
    return dict(zip(keys, zip(last["value"], last["n"], strict=True), strict=True))


def test_attack_metrics_by_hand() -> None:
    found = metrics(attacked("SSFKKETFSF"))
    assert found["pwws", "robust_accuracy"] == (0.3, 10)  # errors and time-outs are in the denominator
    assert found["pwws", "attack_success_rate"] == (0.5, 6)  # and not in this one
    assert found["pwws", "attacked_clean_accuracy"] == (0.75, 8)  # theirs is unknown
    assert found["pwws", "queries_mean"] == (pytest.approx((10 + 20 + 30 + 80 + 90 + 100) / 6), 6)
    assert found["pwws", "queries_median"] == (55, 6)
    assert found["pwws", "words_changed_mean"] == (pytest.approx((1 + 2 + 9) / 3), 3)
    assert found["pwws", "similarity_mean"] == (0.5, 3)
    assert found["pwws", "errors"] == (1, 10)
    assert found["pwws", "timeouts"] == (1, 10)


def test_nothing_attacked_is_null_not_zero() -> None:
    found = metrics(attacked("KK"))
    for metric in ("attack_success_rate", "queries_mean", "words_changed_mean"):
        value, n = found["pwws", metric]
        assert value is pd.NA
        assert n == 0
    assert found["pwws", "robust_accuracy"] == (0, 2)


def test_worst_case_is_over_shared_examples_and_every_attack() -> None:
    examples = attacked("FFFS") + attacked("FSFFF", "deepwordbug")
    assert metrics(examples)[None, "worst_case_accuracy"] == (0.5, 4)
    assert metrics(examples, ["pwws"])[None, "worst_case_accuracy"] == (0.75, 4)


def test_a_model_that_lacks_an_attack_has_no_worst_case() -> None:
    examples = attacked("FF") + attacked("FF", "deepwordbug") + attacked("FF", defence="other")
    frame = results(table(examples, EXAMPLES), NO_PREDICTIONS, NO_CALIBRATION)
    assert set(frame.loc[frame["metric"] == "worst_case_accuracy", "defence"]) == {"d"}


def test_attacks_outside_the_chosen_ones_have_no_worst_case() -> None:
    assert (None, "worst_case_accuracy") not in metrics(attacked("FF", "input-reduction"), ["pwws"])


def test_robust_under_all_is_by_example() -> None:
    rows = table(attacked("FFS") + attacked("FSF", "deepwordbug"), EXAMPLES)
    assert robust_under_all(rows, ["pwws", "deepwordbug"]).to_dict() == {"id0": True, "id1": False, "id2": False}
    assert robust_under_all(rows, ["pwws", "none"]).empty


def test_clean_metrics_by_hand() -> None:
    rows = [
        {**CELL, "dataset": dataset, "label": 1, "prediction": prediction, "confidence": c, "calibrated_confidence": k}
        for dataset, prediction, c, k in [
            ("test", 1, 1.0, 0.75), ("test", 1, 1.0, 0.75), ("test", 1, 1.0, 0.75), ("test", 0, 1.0, 0.75),
            ("tweets", 1, 0.9, 0.9), ("validation", 0, 0.9, 0.9),
        ]
    ]  # fmt: skip
    calibration = table([{**CELL, "temperature": 2.5, "validation_loss": 0.4}], CALIBRATION)
    frame = results(NO_EXAMPLES, table(rows, PREDICTIONS), calibration)
    values = frame[frame["seed"].isna()].set_index("metric")["value"].to_dict()
    assert values == {
        "accuracy_tweets": 1.0, "calibration_temperature": 2.5, "clean_accuracy": 0.75, "ece": 0.25,
        "ece_calibrated": 0.0, "saturated_share": 1.0, "validation_accuracy": 0.0,
    }  # fmt: skip
    assert frame["attack"].isna().all()


def test_nothing_gives_an_empty_table_of_the_schema() -> None:
    frame = results(NO_EXAMPLES, NO_PREDICTIONS, NO_CALIBRATION)
    assert frame.empty
    assert list(frame.columns) == RESULTS.names


def test_row_order_does_not_depend_on_the_input_order() -> None:
    examples = table(attacked("SFK") + attacked("FFS", seed=1) + attacked("FFS", defence="c"), EXAMPLES)
    shuffled = examples.sample(frac=1, random_state=0).reset_index(drop=True)
    first, second = (results(frame, NO_PREDICTIONS, NO_CALIBRATION) for frame in (examples, shuffled))
    pd.testing.assert_frame_equal(first, second)
