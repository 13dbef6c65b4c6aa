"""Several runs as one, so that one report sets them side by side.

What is the same stands under one name: tasks that share examples and their labels, attacks of one protocol, defences of
the same settings with other seeds. What only has its name in common is kept apart as ``run/name``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from asa_bench.core.errors import InputError
from asa_bench.records import schema
from asa_bench.records.schema import CELL
from asa_bench.records.store import TABLES, Run, concatenate
from asa_bench.reporting.formats import listed
from asa_bench.reporting.renaming import Kind, renamed
from asa_bench.reporting.unlike import told
from asa_bench.reporting.view import entry_name
from asa_bench.stats.aggregate import over_seeds
from asa_bench.stats.alike import relabelled
from asa_bench.stats.metrics import TEST, with_worst_case

Named = dict[str, Run]
"""Runs by the names that tell them apart."""


def merged(runs: Sequence[Run]) -> Run:
    """``runs`` as one run, first come first: rows as recorded, aggregates and the worst case counted over all.

    What the reader has to know of the runs' differences is among the warnings.

    Raises:
        InputError: when a run is there twice, or has neither a task nor a protocol in common with another one.
    """
    recorded = named = dict(zip(_names(runs), runs, strict=True))
    _check(named)
    for kind, plan in PLANS.items():
        changes = plan(named)
        named = {name: renamed(run, kind, changes[name]) for name, run in named.items()}
    info = {**_info(named), "warnings": list(told(recorded, named))}
    frames = {name: [getattr(run, name) for run in named.values()] for name in TABLES}
    tables = {name: concatenate(frames[name], kind) for name, kind in TABLES.items()}
    text = {str(entry_name(entry)) for entry in info["suite"]["attack"] if entry.get("kind", "text") == "text"}
    tables["results"] = with_worst_case(
        tables["results"], tables["examples"], text, info["invalid"], tables["external"]
    )
    tables["curves"] = _curves(tables["curves"])
    return Run(path=runs[0].path, info=info, **tables)


def _names(runs: Sequence[Run]) -> list[str]:
    """The shortest ends of the paths that tell the runs apart."""
    parts = [run.path.resolve().parts for run in runs]
    for place, run in enumerate(runs):
        if parts[place] in parts[:place]:
            raise InputError(f"{run.path}: given twice")
    lengths = range(1, max(map(len, parts)) + 1)
    length = next(n for n in lengths if len({path[-n:] for path in parts}) == len(parts))
    return ["/".join(path[-length:]).removesuffix(".json") for path in parts]


def _check(named: Named) -> None:
    ours = {name: _places(run) for name, run in named.items()}
    for name, run in named.items():
        others = set().union(*(places for other, places in ours.items() if other != name))
        if not ours[name] & others:
            rest = listed([str(other.path) for key, other in named.items() if key != name])
            raise InputError(f"{run.path}: neither a task nor an attack's protocol in common with {rest}")


def _places(run: Run) -> set[tuple[str, Any]]:
    tasks = {*run.examples["task"], *run.predictions["task"]}
    protocols = {frame.get("fingerprint") for frame in (run.info.get("protocols") or {}).values()}
    return {("task", task) for task in tasks} | {("protocol", fingerprint) for fingerprint in protocols}


def _apart(names: Mapping[str, Any], named: Named) -> dict[str, dict[str, str]]:
    """For each run the names to exchange: ``names`` holds, by name, what each run means by it, in a comparable form.

    A name that means two things becomes ``run/name``, the run being the first that means this.
    """
    changes: dict[str, dict[str, str]] = {run: {} for run in named}
    for name, meanings in names.items():
        distinct: list[Any] = []
        first: list[str] = []
        for run, meaning in meanings.items():
            if meaning not in distinct:
                distinct.append(meaning)
                first.append(run)
        if len(distinct) > 1:
            for run, meaning in meanings.items():
                changes[run][name] = f"{first[distinct.index(meaning)]}/{name}"
    return changes


def _tasks(named: Named) -> dict[str, dict[str, str]]:
    """A task is the same in two runs when they share examples of it, with the same labels."""
    meanings: dict[str, dict[str, str]] = {}
    for name, run in named.items():
        for task in dict.fromkeys([*run.examples["task"], *run.predictions["task"]]):
            known = meanings.setdefault(task, {})
            same = (other for other in known if _same_task(task, named[other], run))
            known[name] = next((known[other] for other in same), name)
    return _apart(meanings, named)


def _same_task(task: str, one: Run, other: Run) -> bool:
    return task not in relabelled(one, other) and bool(_ids(one, task) & _ids(other, task))


def _ids(run: Run, task: str) -> set[str]:
    """Ids of the examples that were attacked or are in the test set."""
    attacked, test = (frame[frame["task"] == task] for frame in (run.examples, run.predictions))
    return {*attacked["example_id"], *test.loc[test["dataset"] == TEST, "example_id"]}


def _encoders(named: Named) -> dict[str, dict[str, str]]:
    """Where every run is about one model alone, its encoder's name does not matter: the models stand side by side."""
    models = {name: run.examples[["encoder", "defence"]].drop_duplicates() for name, run in named.items()}
    if any(len(pairs) != 1 for pairs in models.values()):
        return {name: {} for name in named}
    found = {name: str(pairs["encoder"].iloc[0]) for name, pairs in models.items()}
    joined = listed(list(dict.fromkeys(found.values())))
    return {name: {encoder: joined} for name, encoder in found.items()}


def _attacks(named: Named) -> dict[str, dict[str, str]]:
    meanings: dict[str, dict[str, Any]] = {}
    for name, run in named.items():
        protocols = run.info.get("protocols") or {}
        for attack in dict.fromkeys([*protocols, *run.examples["attack"]]):
            meanings.setdefault(attack, {})[name] = (protocols.get(attack) or {}).get("fingerprint")
    return _apart(meanings, named)


def _defences(named: Named) -> dict[str, dict[str, str]]:
    """A defence is the same in two runs when all its settings are, and no model of it is in both.

    With one defence of a run, all that no other run has bear its name, so that it is seen which belong together.
    """
    changes: dict[str, dict[str, str]] = {name: {} for name in named}
    models = {name: _models(run) for name, run in named.items()}
    alone = []
    for defence in dict.fromkeys(cell[2] for cells in models.values() for cell in cells):
        having = {name: {cell for cell in cells if cell[2] == defence} for name, cells in models.items()}
        having = {name: cells for name, cells in having.items() if cells}
        alike = all(_same_method(named[a], named[b], defence) for a, b in pairwise(having))
        if not alike or sum(map(len, having.values())) > len(set().union(*having.values())):
            for name in having:
                changes[name][defence] = f"{name}/{defence}"
        elif len(having) == 1:
            alone.append((next(iter(having)), defence))
    for name, defence in alone:
        if changes[name]:
            changes[name][defence] = f"{name}/{defence}"
    return changes


def _models(run: Run) -> list[tuple[Any, ...]]:
    cells = pd.concat([frame[CELL] for frame in (run.results.dropna(subset=["seed"]), run.examples, run.training)])
    return list(cells.drop_duplicates().itertuples(index=False, name=None))


def _same_method(one: Run, other: Run, defence: str) -> bool:
    """Whether all that makes a defence's models is the same, but for the seed."""
    made_of = (_shared(one.info.get(field) or {}, other.info.get(field) or {}) for field in ("encoders", "tasks"))
    return _settings(one, defence) == _settings(other, defence) and all(mine == theirs for mine, theirs in made_of)


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    names = sorted(one.keys() & other.keys())
    return [one[name] for name in names], [other[name] for name in names]


def _settings(run: Run, defence: str) -> list[Any]:
    entries = [entry for entry in run.suite.get("defence") or [] if entry_name(entry) == defence]
    return [*entries, run.suite.get("train")]


PLANS: dict[Kind, Callable[[Named], dict[str, dict[str, str]]]] = {
    "task": _tasks,
    "encoder": _encoders,
    "attack": _attacks,
    "defence": _defences,
}
"""Which names each run's are exchanged for, kind after kind."""


def _info(named: Named) -> dict[str, Any]:
    infos = {name: run.info for name, run in named.items()}
    ends = [info.get("end") or "" for info in infos.values()]
    lists = {key: _union(info.get(key) for info in infos.values()) for key in ("cells", "invalid", "exclusions")}
    keyed = {key: _joined({name: info.get(key) or {} for name, info in infos.items()}) for key in KEYED}
    return {
        "format": schema.FORMAT,
        "suite": _suite(named),
        **keyed,
        **lists,
        "start": min(info.get("start") or "" for info in infos.values()),
        "end": max(ends) if all(ends) else "",
        "runs": [{"name": name, **{key: info.get(key) for key in RUN}} for name, info in infos.items()],
    }


KEYED = ("protocols", "labels", "assets", "encoders", "tasks", "versions", "resolved", "hardware")

RUN = ("command", "git", "protocol_fingerprint")
"""What is told of each run by itself."""


def _suite(named: Named) -> dict[str, Any]:
    suites = {name: run.suite for name, run in named.items()}
    entries = {str(kind): _entries(suite.get(kind) for suite in suites.values()) for kind in PLANS}
    rest = {name: {key: value for key, value in suite.items() if key not in PLANS} for name, suite in suites.items()}
    return {**_joined(rest), **entries, "name": listed(list(named))}


def _entries(lists: Iterable[list[Any] | None]) -> list[Any]:
    """The first entry of each name."""
    found: dict[str | None, Any] = {}
    for entry in _union(lists):
        found.setdefault(entry_name(entry), entry)
    return list(found.values())


def _union(lists: Iterable[list[Any] | None]) -> list[Any]:
    """All entries, each once, in the order in which they come."""
    found: list[Any] = []
    for entry in (entry for entries in lists for entry in entries or []):
        if entry not in found:
            found.append(entry)
    return found


def _joined(mappings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Each key with its value where all who have it agree, else with a value for each run."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for mapping in mappings.values() for key in mapping):
        values = {name: mapping[key] for name, mapping in mappings.items() if key in mapping}
        first = next(iter(values.values()))
        found[key] = first if all(value == first for value in values.values()) else values
    return found


def _curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The curves, with their aggregates over the seeds of all runs."""
    per_seed = frame.dropna(subset=["seed"])
    points = [
        over_seeds(rows.drop(columns="train_examples")).assign(train_examples=size)
        for size, rows in per_seed.groupby("train_examples")
    ]
    return concatenate(points, schema.CURVES)
