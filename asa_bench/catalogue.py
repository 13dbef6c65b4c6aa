"""What there is to choose from, and what is missing for it here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from asa_bench.assets import MANIFEST, cached
from asa_bench.assets.cache import remedy
from asa_bench.assets.doctor import Check
from asa_bench.attacking.official import OFFICIAL
from asa_bench.attacking.recipe import Recipe, recipes
from asa_bench.defences import DEFENCES
from asa_bench.suite_file import SUITES, load_suite, shipped_suites
from asa_bench.tasks import TASKS

Entry = dict[str, Any]
"""``name, kind, available, missing, source``."""


def catalogue(what: Literal["attacks", "defences", "tasks", "suites"]) -> list[Entry]:
    """One entry per thing; ``missing`` names what it lacks here, and the assets that are not in the cache yet."""
    listings = {"attacks": _attacks, "defences": _defences, "tasks": _tasks, "suites": _suites}
    return listings[what]()


def _attacks() -> list[Entry]:
    return [
        _entry(recipe.name, recipe.kind, recipe.assets, recipe.paper, recipe.lacks()) for recipe in recipes().values()
    ]


def attack_checks() -> list[Check]:
    """The doctor's findings about the attacks: which lack something that is never fetched, and how to get it."""
    return [_attack_check(recipe) for recipe in recipes().values()]


def _attack_check(recipe: Recipe) -> Check:
    lacks = recipe.lacks()
    return Check(
        f"attack {recipe.name}",
        not lacks,
        f"lacks {'; '.join(lacks)}" if lacks else "runs",
        "; ".join(map(_remedy, lacks)),
    )


def _remedy(lack: str) -> str:
    if lack in MANIFEST:
        return remedy(MANIFEST[lack])
    return OFFICIAL[lack].remedy if lack in OFFICIAL else "none here"


def _defences() -> list[Entry]:
    return [_entry(name, "defence", (), method.source or method.summary) for name, method in DEFENCES.items()]


def _tasks() -> list[Entry]:
    return [_entry(name, "task", task.assets, task.description) for name, task in TASKS.items()]


def _suites() -> list[Entry]:
    return [_entry(name, "suite", load_suite(name).assets(), str(SUITES / f"{name}.toml")) for name in shipped_suites()]


def _entry(name: str, kind: str, assets: Sequence[str], source: str, lacks: Sequence[str] = ()) -> Entry:
    missing = list(dict.fromkeys([*lacks, *(asset for asset in assets if not cached(asset))]))
    return {"name": name, "kind": kind, "available": not missing, "missing": missing, "source": source}
