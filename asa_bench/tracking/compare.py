"""Comparison of two runs on the same examples, recounted from their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import pandas as pd

from asa_bench.records.reference import open_run
from asa_bench.records.schema import CELL
from asa_bench.records.store import Run
from asa_bench.stats.alike import relabelled, text_attacks
from asa_bench.stats.intervals import MINIMUM_SEEDS
from asa_bench.stats.metrics import TEST, robust_under_all
from asa_bench.stats.paired import ALPHA, Paired, combine_seeds, holm, paired
from asa_bench.tracking.pairing import Key, Pair, notes, pairs, unlike

CLEAN, ROBUST, WORST = "clean_accuracy", "robust_accuracy", "worst_case_accuracy"


@dataclass(frozen=True)
class Difference:
    """One metric of one pair of models; accuracies and differences are fractions."""

    task: str
    encoder: str
    defence: str
    attack: str | None
    metric: str
    reference: float
    new: float
    difference: float
    """``new - reference``."""
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    """Holm's, within the task's primary family; None outside it."""
    significant: bool | None
    """Whether ``p_adjusted`` is under alpha, 5 % unless the gate's limits say otherwise; None outside the primary
    family."""
    n: int
    """Common examples (of one seed)."""
    flips_lost: int
    flips_gained: int
    family: Literal["primary", "exploratory"]
    seeds: int
    test: str
    common_share: float
    """Common examples over those of the smaller side; the least over seeds."""

    @property
    def speaks_of(self) -> str:
        """What a difference may be put down to: from three seeds on the method, else these checkpoints."""
        return "the method" if self.seeds >= MINIMUM_SEEDS else "these checkpoints"


@dataclass(frozen=True)
class Comparison:
    """Everything that two runs say about each other."""

    rows: list[Difference]
    flips: pd.DataFrame
    """``task, encoder, defence, seed, attack, example_id, direction, label, original_text,
    reference_adversarial_text, new_adversarial_text``; *lost* = only the reference was still right."""
    unlike: list[str]
    """Why attacks, or tasks, are not comparable: protocols or labels differ. They are left out of ``rows``."""
    notes: list[str]
    """What differs without forbidding the comparison."""
    unpaired: list[str]
    """Models of the reference, or seeds of them, that the new run lacks."""

    def family_size(self, task: str) -> int:
        """How many p values Holm's correction is made for in the primary family of a task."""
        return sum(row.task == task and row.family == "primary" and row.p_value is not None for row in self.rows)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        return pd.DataFrame([asdict(row) for row in self.rows])


def compare(reference: str | Any, new: str | Any, *, alpha: float = ALPHA) -> Comparison:
    """Compare two runs, pairing by task, attack and example id, and by defence and encoder where there are several.

    Args:
        reference: the run to be judged by: a :class:`Run`, or the path or name of a run directory or reference.
        new: the run that is judged, likewise.
        alpha: a difference of the primary family is significant when its p value, after Holm's correction, is under it.

    Raises:
        InputError: when a side is no run, or the two have no task in common.
        DamagedRunError: when a run's files cannot be read.
    """
    old, fresh = (side if isinstance(side, Run) else open_run(side) for side in (reference, new))
    found, missing, further = pairs(old, fresh)
    differing, changed = unlike(old, fresh), relabelled(old, fresh)
    found = [pair for pair in found if pair.task not in changed]
    attacks = sorted(text_attacks(old))
    comparable = [attack for attack in attacks if attack not in differing]
    rows = [row for pair in found for row in _differences(old, fresh, pair, attacks, comparable)]
    flips = [flip for pair in found for attack in comparable for flip in _flips(old, fresh, pair, attack)]
    return Comparison(
        rows=_adjusted(rows, alpha),
        flips=pd.DataFrame(flips, columns=FLIPS, dtype=object),  # None stays None
        unlike=[*differing.values(), *changed.values()],
        notes=[*notes(old, fresh), *further],
        unpaired=missing,
    )


@dataclass(frozen=True)
class _Model:
    """The rows of one trained model."""

    run: Run
    key: Key
    seed: int

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Its rows of a table."""
        wanted = zip(CELL, (*self.key, self.seed), strict=True)
        for column, value in wanted:
            frame = frame[frame[column] == value]
        return frame


Right = Callable[[_Model], pd.Series]
"""Whether each example of a model is right, by its id."""


def _differences(
    old: Run, new: Run, pair: Pair, attacks: Sequence[str], comparable: Sequence[str]
) -> Iterator[Difference]:
    """Clean accuracy, the worst case (where every attack is comparable), and each comparable attack."""
    yield from _difference(pair, CLEAN, None, [_sides(old, new, pair, seeds, clean) for seeds in pair.seeds])
    if attacks and len(comparable) == len(attacks):
        worst = [_sides(old, new, pair, seeds, partial(robust, attacks=attacks)) for seeds in pair.seeds]
        yield from _difference(pair, WORST, None, worst)
    for attack in comparable:
        under = partial(robust, attacks=[attack])
        yield from _difference(pair, ROBUST, attack, [_sides(old, new, pair, seeds, under) for seeds in pair.seeds])


def _sides(old: Run, new: Run, pair: Pair, seeds: tuple[int, int], right: Right) -> tuple[pd.Series, pd.Series]:
    return right(_Model(old, pair.reference, seeds[0])), right(_Model(new, pair.new, seeds[1]))


def clean(model: _Model) -> pd.Series:
    """Whether each clean test example was right, by its id; from the attacked rows where nothing else is recorded."""
    rows = model.of(model.run.predictions)
    rows = rows[rows["dataset"] == TEST]
    if len(rows):
        right = (rows["prediction"] == rows["label"]).fillna(value=False)
        return right.astype(bool).set_axis(rows["example_id"])
    rows = model.of(model.run.examples)
    rows = rows[rows["outcome"].isin(["succeeded", "failed", "skipped"])].drop_duplicates("example_id")
    return (rows["outcome"] != "skipped").astype(bool).set_axis(rows["example_id"])


def robust(model: _Model, attacks: Sequence[str]) -> pd.Series:
    """Whether each example was still right under every one of ``attacks``; errors and time-outs were not."""
    return robust_under_all(model.of(model.run.examples), attacks)


def _difference(
    pair: Pair, metric: str, attack: str | None, sides: Sequence[tuple[pd.Series, pd.Series]]
) -> Iterator[Difference]:
    found = [(old, new, result) for old, new in sides if (result := paired(old, new)) is not None]
    if not found:
        return
    both: Paired = combine_seeds([result for _, _, result in found])
    yield Difference(
        task=pair.task,
        encoder=pair.new[1],
        defence=pair.defence,
        attack=attack,
        metric=metric,
        **{
            name: getattr(both, name)
            for name in ("reference", "new", "difference", "low", "high", "p_value", "n", "test")
        },
        p_adjusted=None,
        significant=None,
        flips_lost=both.lost,
        flips_gained=both.gained,
        family="exploratory" if metric == ROBUST else "primary",
        seeds=len(found),
        common_share=min(result.n / min(len(old), len(new)) for old, new, result in found),
    )


def _adjusted(rows: Sequence[Difference], alpha: float) -> list[Difference]:
    """``rows`` with Holm's p values within the primary family of each task."""
    adjusted: dict[int, float | None] = {}
    for task in {row.task for row in rows}:
        family = [i for i, row in enumerate(rows) if row.task == task and row.family == "primary"]
        adjusted.update(zip(family, holm([rows[i].p_value for i in family]), strict=True))
    return [
        replace(row, p_adjusted=p, significant=p is not None and p < alpha) if row.family == "primary" else row
        for row, p in ((row, adjusted.get(i)) for i, row in enumerate(rows))
    ]


FLIPS = ["task", "encoder", "defence", "seed", "attack", "example_id", "direction", "label",
         "original_text", "reference_adversarial_text", "new_adversarial_text"]  # fmt: skip


def _flips(old: Run, new: Run, pair: Pair, attack: str) -> Iterator[dict[str, Any]]:
    for seeds in pair.seeds:
        frames = [
            _Model(old, pair.reference, seeds[0]).of(old.examples),
            _Model(new, pair.new, seeds[1]).of(new.examples),
        ]
        left, right = (frame[frame["attack"] == attack].set_index("example_id") for frame in frames)
        for example in sorted(set(left.index) & set(right.index)):
            before, after = left.loc[example], right.loc[example]
            if (before["outcome"] == "failed") == (after["outcome"] == "failed"):
                continue
            yield {
                "task": pair.task,
                "encoder": pair.new[1],
                "defence": pair.defence,
                "seed": seeds[1],
                "attack": attack,
                "example_id": example,
                "direction": "lost" if before["outcome"] == "failed" else "gained",
                "label": int(before["label"]),
                "original_text": _text(after["original_text"]) or _text(before["original_text"]),
                "reference_adversarial_text": _text(before["adversarial_text"]),
                "new_adversarial_text": _text(after["adversarial_text"]),
            }


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
