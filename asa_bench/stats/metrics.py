"""A run's metrics from its rows. Definitions are those of ``docs/numbers.md``; the empty case is null, never 0."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd

from asa_bench.records.schema import CELL, RESULTS, table
from asa_bench.records.store import concatenate
from asa_bench.stats.aggregate import over_seeds
from asa_bench.stats.calibration import expected_calibration_error
from asa_bench.stats.flags import SURE
from asa_bench.stats.intervals import Estimate, proportion

Row = dict[str, Any]
Named = Iterator[tuple[str, Estimate]]

TEST = "test"
"""``dataset`` of the in-domain test set in the predictions."""

PLACE = ("task", "encoder", "attack")
"""What names an attack, over all models."""

WORST = "worst_case_accuracy"
EXTERNAL_WORST = "external_worst_case_accuracy"
"""The worst case, and the worst case with what was found elsewhere."""

VALIDATION = "validation"
"""``dataset`` of the validation set; the others are out-of-domain."""


def results(
    examples: pd.DataFrame,
    predictions: pd.DataFrame,
    calibration: pd.DataFrame,
    worst_case_attacks: Collection[str] | None = None,
    invalid: Collection[Mapping[str, str]] = (),
    external: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """All metrics of a run, per seed and over seeds, as a table of the schema ``RESULTS``.

    Args:
        examples: attacked examples (schema ``EXAMPLES``).
        predictions: clean predictions (schema ``PREDICTIONS``).
        calibration: fitted temperatures (schema ``CALIBRATION``).
        worst_case_attacks: names of the attacks that enter the worst case (those of kind *text*); None means all.
        invalid: ``task, encoder, attack`` of attacks that did nothing: they have no robust accuracy, and enter no
            worst case.
        external: texts that were found elsewhere (schema ``EXTERNAL``).
    """
    void = {(entry["task"], entry["encoder"], entry["attack"]) for entry in invalid}
    rows: list[Row] = []
    for cell, group in _cells(predictions, CELL):
        rows += _rows(cell, clean_metrics(group))
    for cell, group in _cells(calibration, CELL):
        rows += _rows(cell, _number("calibration_temperature", group["temperature"]))
    for cell, group in _cells(examples, [*CELL, "attack"]):
        rows += _rows(cell, attack_metrics(group, valid=_place(cell) not in void))
    rows += _worst_case_rows(_measured(examples, void), worst_case_attacks, external)
    return over_seeds(table(rows, RESULTS))


def with_worst_case(
    recorded: pd.DataFrame,
    examples: pd.DataFrame,
    worst_case_attacks: Collection[str],
    invalid: Collection[Mapping[str, str]] = (),
    external: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Results of one run or several with metrics per seed as ``recorded``, worst case and aggregates anew.

    The other arguments are those of :func:`results`.
    """
    kept = recorded[recorded["seed"].notna() & ~recorded["metric"].isin([WORST, EXTERNAL_WORST])]
    void = {(entry["task"], entry["encoder"], entry["attack"]) for entry in invalid}
    worst = table(_worst_case_rows(_measured(examples, void), worst_case_attacks, external), RESULTS)
    return over_seeds(concatenate([kept, worst], RESULTS))


def _measured(examples: pd.DataFrame, void: Collection[tuple[str, ...]]) -> pd.DataFrame:
    """The rows of valid attacks."""
    valid = [place not in void for place in zip(*(examples[name] for name in PLACE), strict=True)]
    return examples[pd.Series(valid, examples.index, dtype=bool)]


def clean_metrics(predictions: pd.DataFrame) -> Named:
    """Clean and out-of-domain accuracy and calibration error of one model."""
    right = (predictions["prediction"] == predictions["label"]).fillna(value=False)
    for dataset, rows in right.groupby(predictions["dataset"]):
        if dataset == TEST:
            yield "clean_accuracy", _share(rows)
        elif dataset == VALIDATION:
            yield "validation_accuracy", _share(rows)
        else:
            yield f"accuracy_{dataset}", _share(rows)
    test = predictions[predictions["dataset"] == TEST]
    if test["truncated"].notna().any():
        yield "truncated_share", _share(test["truncated"].dropna())
    yield "saturated_share", _share(test["confidence"].dropna() > SURE)
    for metric, column in (("ece", "confidence"), ("ece_calibrated", "calibrated_confidence")):
        error = expected_calibration_error(test[column], right[test.index])
        if error is not None:
            yield metric, Estimate(error, None, None, int(test[column].notna().sum()))


def attack_metrics(rows: pd.DataFrame, *, valid: bool = True) -> Named:
    """Metrics of one attack on one model.

    *Attacked* are the examples whose attack came to an end: succeeded or failed. Errors and time-outs are left out of
    the success rate's denominator, since in it they would count in the defence's favour; in robust accuracy's
    denominator, all rows, they count against it. Either way they never make a model look robust. Nor does an attack
    that is not ``valid``: with it robust accuracy is null.
    """
    outcome = rows["outcome"]
    attacked, succeeded = rows[outcome.isin(["succeeded", "failed"])], rows[outcome == "succeeded"]
    yield "robust_accuracy", _share(outcome == "failed") if valid else Estimate(None, None, None, len(rows))
    yield "attack_success_rate", proportion(len(succeeded), len(attacked))
    yield "attacked_clean_accuracy", _share(_right_before(rows))
    yield from _number("queries_mean", attacked["queries"])
    yield from _number("queries_median", attacked["queries"], "median")
    if rows["candidates"].notna().any():
        yield from _number("candidates_mean", attacked["candidates"])
    yield from _number("words_changed_mean", succeeded["words_changed"])
    yield from _number("similarity_mean", succeeded["similarity"])
    yield "errors", Estimate(float((outcome == "error").sum()), None, None, len(rows))
    yield "timeouts", Estimate(float((outcome == "timeout").sum()), None, None, len(rows))


def _place(cell: Row) -> tuple[str, ...]:
    return tuple(cell[name] for name in PLACE)


def robust_under_all(examples: pd.DataFrame, attacks: Collection[str]) -> pd.Series:
    """Whether each example of one model is still right under every one of ``attacks``.

    Returns:
        Booleans by ``example_id``, in the order of the ids, for the examples that all the attacks share; empty when
        one of the attacks has no rows.
    """
    rows = examples[examples["attack"].isin(list(attacks))]
    by_example = rows.assign(robust=rows["outcome"] == "failed").groupby("example_id")
    shared = by_example["attack"].nunique() == len(set(attacks))
    robust: pd.Series = by_example["robust"].all()[shared].astype(bool)
    return robust.sort_index()


def _worst_case_rows(
    examples: pd.DataFrame, chosen: Collection[str] | None, external: pd.DataFrame | None
) -> list[Row]:
    """A model that lacks one of its task's attacks gets no worst case: it would be over another set."""
    rows: list[Row] = []
    if chosen is not None:
        examples = examples[examples["attack"].isin(list(chosen))]
    for _, group in _cells(examples, ["task", "encoder"]):
        attacks = set(group["attack"])
        for cell, model in _cells(group, CELL):
            robust = robust_under_all(model, attacks)
            if len(robust):
                rows += _rows(cell, iter([(WORST, _share(robust)), *_lowered(cell, robust, external)]))
    return rows


def _lowered(cell: Row, robust: pd.Series, external: pd.DataFrame | None) -> Named:
    """The worst case of a model with what was found elsewhere: an example that is lost stays lost."""
    if external is None:
        return
    method = [name for name in CELL if name != "seed"]
    brought = external[(external[method] == pd.Series(cell)[method]).all(axis=1)]
    if len(brought):  # for all seeds alike: a mean over some of them could be above the worst case's over all
        yield EXTERNAL_WORST, share_left(robust, brought[brought["seed"] == cell["seed"]])


def share_left(robust: pd.Series, external: pd.DataFrame) -> Estimate:
    """The share of one model's examples that are ``robust`` and that no confirmed text misleads.

    Args:
        robust: booleans by ``example_id``.
        external: texts that the model was asked about (schema ``EXTERNAL``).
    """
    return _share(robust & ~robust.index.isin(external.loc[external["confirmed"], "example_id"]))


def _right_before(rows: pd.DataFrame) -> pd.Series:
    """Whether the victim was right before the attack, for the rows where that is known: not errors and time-outs."""
    known = rows["outcome"][rows["outcome"].isin(["succeeded", "failed", "skipped"])]
    return known != "skipped"


def _number(metric: str, column: pd.Series, statistic: str = "mean") -> Named:
    values = column.dropna()
    value = float(values.agg(statistic)) if len(values) else None
    yield metric, Estimate(value, None, None, len(values))


def _share(flags: pd.Series) -> Estimate:
    return proportion(int(flags.sum()), len(flags))


def _cells(frame: pd.DataFrame, by: list[str]) -> Iterator[tuple[Row, pd.DataFrame]]:
    for key, group in frame.groupby(by, sort=True):
        yield dict(zip(by, key, strict=True)), group


def _rows(cell: Row, metrics: Named) -> list[Row]:
    return [{"attack": None, **cell, "metric": metric, **estimate._asdict()} for metric, estimate in metrics]
