"""Attack recipes: short TOML files that name a TextAttack recipe and state its paper, kind, budget and assets."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_toml
from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.registry import Registry
from asa_bench.core.shipped import shipped
from asa_bench.core.validation import NAME, Settings, validated

TRUSTED = ("textattack", "asa_bench")
"""Packages inside which a recipe's ``build`` may point; nothing else is ever imported for a recipe."""


class Recipe(Settings):
    """One attack, as its TOML file states it."""

    name: str = Field(pattern=NAME)
    """What suites call it."""
    title: str
    """What reports call it."""
    paper: str
    """Where it was published."""
    kind: Literal["text", "diagnostic", "model"] = "text"
    """*text*: robust accuracy, enters the worst case. *diagnostic* and *model* have their own tables."""
    access: Literal["labels", "scores", "gradients"] = "scores"
    """What the attack sees of the model."""
    build: str
    """Dotted name of a TextAttack recipe class, inside textattack or asa_bench."""
    query_budget: int = Field(ge=1)
    """Queries per example unless a suite says otherwise."""
    assets: tuple[str, ...] = ()
    """Assets that must be there."""
    about: str = ""
    """What it does, and where it departs from its paper."""

    @property
    def digest(self) -> str:
        """Digest of everything that decides what the attack does (not of its descriptions)."""
        return fingerprint(self.build)


@cache
def recipes() -> Registry[Recipe]:
    """All shipped recipes by name."""
    files = sorted(shipped("attacks").glob("*.toml"))
    return Registry("attack", [(recipe.name, recipe) for recipe in map(read_recipe, files)])


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises:
        InputError: when the file is missing, malformed or has an unknown key.
    """
    return validated(Recipe, read_toml(path), str(path))


def resolve(reference: str) -> Any:
    """The thing that a dotted name inside a trusted package points at.

    Raises:
        InputError: for a name outside the trusted packages, or one that points at nothing.
    """
    module, _, name = reference.rpartition(".")
    if module.split(".")[0] not in TRUSTED:
        raise InputError(f"build: '{reference}' lies outside {' and '.join(TRUSTED)}")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"build: nothing is called '{reference}'") from None
