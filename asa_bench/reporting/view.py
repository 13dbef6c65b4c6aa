"""The part of a run that one page section shows: one task with one encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from asa_bench.records.schema import CURVES, EXTERNAL, MAPS, PROBES, RATINGS, VIEWS, table
from asa_bench.records.store import Run
from asa_bench.stats.flags import Known
from asa_bench.stats.intervals import Estimate

NOTHING = Estimate(None, None, None, 0)
"""A metric that the run does not have."""

_TERMS = ("query_budget", "protocol", "temperature", "assets")
"""Settings in which two attacks must agree to be one search, guided by more or by less."""


@dataclass(frozen=True)
class View:
    """One task × encoder of a run. Names are in the suite's order; what is not in the data is not in the lists."""

    task: str
    encoder: str
    info: Mapping[str, Any]
    results: pd.DataFrame
    examples: pd.DataFrame
    training: pd.DataFrame
    views: pd.DataFrame = field(default_factory=lambda: table([], VIEWS))
    maps: pd.DataFrame = field(default_factory=lambda: table([], MAPS))
    curves: pd.DataFrame = field(default_factory=lambda: table([], CURVES))
    probes: pd.DataFrame = field(default_factory=lambda: table([], PROBES))
    ratings: pd.DataFrame = field(default_factory=lambda: table([], RATINGS))
    external: pd.DataFrame = field(default_factory=lambda: table([], EXTERNAL))

    @property
    def title(self) -> str:
        """Task and encoder in words."""
        return f"{self.task} with {self.encoder}"

    @cached_property
    def defences(self) -> list[str]:
        """Defences that have any numbers or training rows."""
        return _in_order(_names(self.info, "defence"), [*self.results["defence"], *self.training["defence"]])

    @cached_property
    def attacks(self) -> list[str]:
        """All attacks that have numbers, of every kind."""
        return _in_order(_names(self.info, "attack"), self.results["attack"].dropna())

    @property
    def text_attacks(self) -> list[str]:
        """Attacks that give robust accuracy and enter the worst case; none that is invalid."""
        return [attack for attack in self.attacks if self.kind(attack) == "text" and attack not in self.invalid]

    @cached_property
    def has_worst_case(self) -> bool:
        """Whether there are several text attacks, and a model that stood them all."""
        stood = (self.estimate(name, "worst_case_accuracy").n for name in self.defences)
        return len(self.text_attacks) > 1 and any(stood)

    @cached_property
    def invalid(self) -> dict[str, str]:
        """Attacks that did nothing here, and why; they say nothing about robustness."""
        entries = self.info.get("invalid") or []
        here = [entry for entry in entries if (entry["task"], entry["encoder"]) == (self.task, self.encoder)]
        return {entry["attack"]: entry["reason"] for entry in here}

    @cached_property
    def baseline(self) -> str | None:
        """The first defence of method *baseline* in this view; with several runs, else the first of all."""
        others = self.defences[:1] if self.info.get("runs") else []
        baselines = [name for name in self.defences if self.method(name) == "baseline"]
        return next(iter([*baselines, *others]), None)

    def baseline_of(self, defence: str) -> str | None:
        """What a defence is compared with: its run's own baseline (names are ``run/name``), or the first of all."""
        run, _, _ = defence.rpartition("/")
        own = [name for name in self.defences if run and name.rpartition("/")[0] == run]
        baselines = [name for name in own if self.method(name) == "baseline" and name != defence]
        return next(iter(baselines), self.baseline)

    def method(self, defence: str) -> str:
        """The method behind a defence's name; the name itself when the suite does not say."""
        return str(self._entry("defence", defence).get("method") or defence)

    def like(self, defence: str) -> str | None:
        """The defence that this one is a control of; None for one that is like no other."""
        return self._entry("defence", defence).get("like")

    def kind(self, attack: str) -> str:
        """The attack's kind: ``text``, ``diagnostic``, ``model``, ``control``, ``sweep`` or ``aware``."""
        return str(self._entry("attack", attack).get("kind") or "text")

    def budget(self, attack: str) -> int | None:
        """The attack's query budget per example; None when it has none."""
        value = self._entry("attack", attack).get("query_budget")
        return None if value is None else int(value)

    def counterpart(self, attack: str) -> str | None:
        """The attack here of the same candidates, constraints and budget that sees less of the model; None without."""
        own = self._entry("attack", attack)
        alike = {"recipe": own.get("counterpart"), **{name: own.get(name) for name in _TERMS}}
        entries = ((name, self._entry("attack", name)) for name in self.text_attacks)
        return next((name for name, entry in entries if {key: entry.get(key) for key in alike} == alike), None)

    def recipe(self, attack: str) -> str:
        """The attack's recipe; its name when the suite does not say."""
        return str(self._entry("attack", attack).get("recipe") or attack)

    def known(self, defence: str) -> list[Known]:
        """The attacks that the defence was trained on or tuned by."""
        entry, tune = self._entry("defence", defence), self.info.get("suite", {}).get("tune") or {}
        learns = self.method(defence) == "adversarial-examples" and "recipe" in entry
        judged = [tune] if "criterion" in tune else list(tune.values())  # several runs, each with its own
        tables: list[tuple[Literal["learnt", "tuned"], Mapping[str, Any]]] = [("learnt", entry)] if learns else []
        if any(cell.get("robust_accuracy") is not None for cell in self.cells("trial", defence)):
            tables += [("tuned", table) for table in judged if table["criterion"] == "robust-accuracy"]
        return [Known(why, str(table["recipe"]), int(table["examples"])) for why, table in tables]

    def strengths(self, attack: str) -> tuple[float, ...]:
        """What an attack of kind *model*, or its control, tried; empty for one of texts."""
        return tuple(map(float, self._entry("attack", attack).get("strengths") or ()))

    def measure(self, attack: str) -> str:
        """What those strengths are, in words."""
        return str(self._entry("attack", attack).get("measure") or "strength")

    def control_of(self, attack: str) -> str | None:
        """The random search in the attack's place; None without one."""
        name = f"{attack}-random"
        return name if name in self.attacks and self.kind(name) == "control" else None

    def attacked(self, attack: str, defence: str) -> pd.DataFrame:
        """The rows of one attack on one defence, over all seeds."""
        return self.examples[(self.examples["attack"] == attack) & (self.examples["defence"] == defence)]

    def has(self, cell: Mapping[str, Any]) -> bool:
        """Whether a cell of ``run.json`` belongs to the comparison that this view shows."""
        return (cell.get("task"), cell.get("encoder"), cell.get("portion")) == (self.task, self.encoder, None)

    def cell(self, kind: str, defence: str) -> Mapping[str, Any]:
        """What ``run.json`` tells of the first cell of a kind of a defence; empty where it tells nothing."""
        return next(self.cells(kind, defence), {})

    def cells(self, kind: str, defence: str) -> Iterator[Mapping[str, Any]]:
        """What ``run.json`` tells of the cells of a kind of a defence."""
        found = (cell for cell in self.info.get("cells") or [] if cell.get("kind") == kind and self.has(cell))
        return (cell for cell in found if cell.get("defence") == defence)

    def seeds(self, defence: str) -> list[int]:
        """Training seeds that the defence has numbers for."""
        rows = self.results[(self.results["defence"] == defence) & self.results["seed"].notna()]
        return sorted({int(seed) for seed in rows["seed"]})

    def estimate(self, defence: str, metric: str, attack: str | None = None, seed: int | None = None) -> Estimate:
        """A metric over seeds, or of one seed; all None with n = 0 when the run does not have it."""
        return self._estimates.get((defence, metric, attack, seed), NOTHING)

    def metrics(self, prefix: str) -> list[str]:
        """Names of the metrics that start with ``prefix``, sorted."""
        return sorted({metric for metric in self.results["metric"] if metric.startswith(prefix)})

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str | None, int | None], Estimate]:
        columns = ["defence", "metric", "attack", "seed", "value", "low", "high", "n"]
        plain = self.results[columns].astype(object).where(self.results[columns].notna(), None)
        return {(d, m, a, s): Estimate(v, low, high, n or 0) for d, m, a, s, v, low, high, n in plain.to_numpy()}

    def _entry(self, kind: str, name: str) -> Mapping[str, Any]:
        entries = _entries(self.info, kind)
        return next((entry for entry in entries if entry_name(entry) == name), {})


def views(run: Run) -> list[View]:
    """The run's tasks × encoders that have any rows, in the suite's order."""
    frames = [run.results, run.examples, run.training]
    pairs = {pair for frame in frames for pair in zip(frame["task"], frame["encoder"], strict=True)}
    tasks, encoders = ([pair[i] for pair in pairs] for i in (0, 1))
    ordered = [
        (task, encoder)
        for task in _in_order(_names(run.info, "task"), tasks)
        for encoder in _in_order(_names(run.info, "encoder"), encoders)
    ]
    return [_view(run, *pair) for pair in ordered if pair in pairs]


def _view(run: Run, task: str, encoder: str) -> View:
    def part(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["task"] == task) & (frame["encoder"] == encoder)]

    frames = (run.results, run.examples, run.training, run.views, run.maps, run.curves)
    further = (run.probes, run.ratings, run.external)
    return View(task, encoder, run.info, *map(part, frames + further))


def _entries(info: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    entries = info.get("suite", {}).get(kind) or []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def entry_name(entry: Mapping[str, Any]) -> str | None:
    """What a task, encoder, defence or attack of the suite goes by."""
    return entry.get("name") or entry.get("recipe") or entry.get("method")


def _names(info: Mapping[str, Any], kind: str) -> list[str]:
    return [name for entry in _entries(info, kind) if (name := entry_name(entry))]


def _in_order(preferred: Iterable[str], present: Iterable[str]) -> list[str]:
    """The names that are present: those of ``preferred`` in its order, then the others sorted."""
    names, first = set(present), list(dict.fromkeys(preferred))
    return [name for name in first if name in names] + sorted(names - set(first))
