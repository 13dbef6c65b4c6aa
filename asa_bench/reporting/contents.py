"""What a report contains, before any format: sentences, tables, figures and examples per task × encoder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from asa_bench.records.store import Run
from asa_bench.reporting import (
    accuracy_tables,
    asa_tables,
    comparison_tables,
    cost_tables,
    effort_tables,
    external_tables,
    flag_tables,
    quality_tables,
    rating_tables,
    temperature_tables,
    white_box_tables,
    worst_case_tables,
)
from asa_bench.reporting.drawing import Plot
from asa_bench.reporting.figures import figures
from asa_bench.reporting.summary import sentences
from asa_bench.reporting.tables import Table
from asa_bench.reporting.texts import Piece, differences, fields, visible
from asa_bench.reporting.view import View, views

SAMPLES = 5
"""Successful adversarial examples shown per attack and defence."""


@dataclass(frozen=True)
class Example:
    """One successful adversarial example; the texts in pieces, hidden characters made visible."""

    original: list[Piece]
    adversarial: list[Piece]
    facts: str


@dataclass(frozen=True)
class Sample:
    """Some successes of one attack on one defence, out of ``total``."""

    attack: str
    defence: str
    total: int
    examples: list[Example]


@dataclass(frozen=True)
class Part:
    """The report on one task × encoder. File names in it are unique within the report."""

    view: View
    sentences: list[str]
    comparison: Table
    tables: list[Table]
    plots: list[Plot]
    samples: list[Sample]

    @property
    def wordless(self) -> bool:
        """Whether attacks on texts succeeded, and the records have not kept the texts."""
        rows, worded = self.view.examples, [name for name in self.view.attacks if not self.view.strengths(name)]
        return not self.samples and bool((rows["attack"].isin(worded) & (rows["outcome"] == "succeeded")).any())


def parts(run: Run) -> list[Part]:
    """The report's parts, in the suite's order."""
    found = views(run)
    suffixes = _suffixes(found)
    return [_part(view, suffix) for view, suffix in zip(found, suffixes, strict=True)]


def run_tables(info: Mapping[str, Any]) -> list[Table]:
    """Tables about the run as a whole: exclusions and failed cells."""
    return [table for table in (cost_tables.exclusions(info), cost_tables.failed_cells(info)) if table]


def settings(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A nested mapping as dotted keys and texts, ``train.epochs`` → ``2``; entries of lists carry their name."""
    for key, inner in value.items():
        path = f"{prefix}{key}"
        if isinstance(inner, Mapping):
            yield from settings(inner, f"{path}.")
        elif isinstance(inner, list) and any(isinstance(entry, Mapping) for entry in inner):
            for position, entry in enumerate(inner):
                named = entry if isinstance(entry, Mapping) else {"value": entry}
                yield from settings(named, f"{path}[{named.get('name', position)}].")
        else:
            yield visible(path), visible(_setting(inner))


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _part(view: View, suffix: str) -> Part:
    comparison, *others = (replace(table, name=f"{table.name}{suffix}") for table in _tables(view))
    plots = [replace(plot, name=f"{plot.name}{suffix}") for plot in figures(view)]
    return Part(view, sentences(view), comparison, others, plots, samples(view))


DETAILS = (
    (("text",), "attacks", "Attacks in detail"),
    (("control",), "controls", "Controls: random search with the same transformation, constraints and budget"),
    (("aware",), "aware-attacks", "Attacks that know ASA's adversary"),
    (("diagnostic", "model"), "other-attacks", "Diagnostic and model attacks"),
)
"""Kinds of attack that share a table, its name and title."""


def _tables(view: View) -> Iterator[Table]:
    yield accuracy_tables.comparison(view)
    if comparisons := comparison_tables.compared(view):
        yield comparisons
    if by_attack := comparison_tables.compared_by_attack(view):
        yield by_attack
    if flagged := flag_tables.flag_table(view):
        yield flagged
    for kinds, name, title in DETAILS:
        if chosen := [attack for attack in view.attacks if view.kind(attack) in kinds]:
            yield accuracy_tables.attack_detail(view, chosen, name, title)
    yield from white_box_tables.strength_tables(view)
    makers = (
        worst_case_tables.decided,
        external_tables.external,
        effort_tables.limits,
        effort_tables.budgets,
        effort_tables.common,
        quality_tables.quality,
        rating_tables.rated,
        rating_tables.rater_table,
        flag_tables.transfer_table,
        accuracy_tables.out_of_domain,
        temperature_tables.calibration,
        temperature_tables.sweep,
        cost_tables.training_cost,
        cost_tables.tuning,
        asa_tables.learning_curve,
        asa_tables.masked_ratios,
        asa_tables.pass_divergence,
        asa_tables.keyword_attention,
        asa_tables.divergence,
    )
    for table in makers:
        if built := table(view):
            yield built


def samples(view: View) -> list[Sample]:
    """The first successes by example id, which is a hash: a fair sample, the same examples for every defence."""
    worded = (view.examples["outcome"] == "succeeded") & view.examples["adversarial_text"].notna()
    successes = view.examples[worded].sort_values(["example_id", "seed"])
    found = []
    for attack in view.attacks:
        for defence in view.defences:
            rows = successes[(successes["attack"] == attack) & (successes["defence"] == defence)]
            if len(rows):
                shown = [_example(row) for _, row in rows.drop_duplicates("example_id").head(SAMPLES).iterrows()]
                found.append(Sample(attack, defence, len(rows), shown))
    return [*found, *_found_elsewhere(view)]


def _found_elsewhere(view: View) -> Iterator[Sample]:
    """Confirmed texts that others brought, beside the originals."""
    place = ["defence", "seed", "example_id"]
    originals = view.examples[[*place, "original_text"]].drop_duplicates(place)
    worded = view.external["confirmed"] & view.external["adversarial_text"].notna()
    confirmed = view.external[worded].merge(originals, on=place)
    unknown = dict.fromkeys(name for name, _ in _COUNTS)
    rows = confirmed.rename(columns={"prediction": "adversarial_prediction"})
    rows = rows.assign(original_prediction=rows["label"], **unknown).sort_values(["example_id", "seed"], kind="stable")
    for (source, defence), own in rows.groupby(["name", "defence"]):
        shown = [_example(row) for _, row in own.drop_duplicates("example_id").head(SAMPLES).iterrows()]
        yield Sample(f"{source} (found elsewhere)", str(defence), len(own), shown)


def _example(row: pd.Series) -> Example:
    def text(column: str) -> str:
        return "" if pd.isna(row[column]) else fields(str(row[column]))

    facts = [f"example {row['example_id']}", f"seed {row['seed']}", f"label {row['label']}"]
    if pd.notna(row["adversarial_prediction"]):
        facts.append(f"prediction {row['original_prediction']} → {row['adversarial_prediction']}")
    facts += [f"{words} {row[name]}" for name, words in _COUNTS if pd.notna(row[name])]
    return Example(*differences(text("original_text"), text("adversarial_text")), facts=visible(" · ".join(facts)))


_COUNTS = (("words_changed", "words changed"), ("queries", "queries"))


def _suffixes(found: list[View]) -> list[str]:
    """What makes file names unique when there are several parts; empty for a single one."""
    if len(found) < 2:
        return [""] * len(found)
    names: list[str] = []
    for view in found:
        name = "-" + re.sub(r"[^A-Za-z0-9._]+", "-", f"{view.task}-{view.encoder}").strip("-")
        names.append(f"{name}-{len(names) + 1}" if name in names else name)
    return names
