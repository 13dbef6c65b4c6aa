"""Attack recipes: short TOML files that name a TextAttack recipe and state its paper, kind, budget and assets."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from asa_bench.assets import MANIFEST, cached
from asa_bench.attacking.official import OFFICIAL
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_toml
from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.registry import Registry, unknown
from asa_bench.core.shipped import shipped
from asa_bench.core.validation import NAME, Settings, validated

TRUSTED = ("textattack", "asa_bench")
"""Packages inside which a recipe's ``build`` may point; nothing else is ever imported for a recipe."""


Option = str | int | float | bool | list[int] | list[float]
"""What an argument of a recipe's ``build`` may be."""

REVISIONS = {
    "asa_bench.attacking.bad_characters.BadCharacters": 2,
    "asa_bench.attacking.embedding_pgd.EmbeddingPGD": 2,
    "asa_bench.attacking.attention_mask.AttentionMask": 2,
    "asa_bench.attacking.gradient_swap.GradientSwapRecipe": 2,
}
"""Revisions of recipe classes of our own: raised whenever a change to one changes what its attacks do."""


class OwnMaskedLM(Settings):
    """How a recipe is built on a masked language model of the user's."""

    build: str
    """Dotted name of a recipe class inside asa_bench, whose ``build`` takes ``masked_lm``."""
    assets: tuple[str, ...] = ()
    """Assets that must be there then, besides the stop words."""
    about: str
    """What stands in the place of what."""

    @field_validator("build")
    @classmethod
    def _inside(cls, reference: str) -> str:
        return _checked(reference)


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
    """Dotted name of a TextAttack recipe class, or for kind *model* of a white-box attack, inside textattack or
    asa_bench."""
    counterpart: str = ""
    """A recipe of the same candidates and constraints that sees less of the model: one that beats it is a sign."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Arguments of the recipe's ``build``; TextAttack's own defaults where they are left out."""
    query_budget: int | None = Field(default=None, ge=1)
    """Queries per example unless a suite says otherwise; none for one of kind *model*."""
    assets: tuple[str, ...] = Field(default=(), validate_default=True)
    """Assets that must be there, and are fetched; TextAttack itself needs the stop words."""
    needs: tuple[str, ...] = ()
    """Official assets that are never fetched, see :mod:`asa_bench.attacking.official`."""
    own_masked_lm: OwnMaskedLM | None = None
    """How it runs with a masked language model that a suite names; null where it takes none."""
    unsuited: str = ""
    """Why it cannot attack a text classifier here; empty when it can."""
    about: str = ""
    """What it does, and where it departs from its paper."""

    @property
    def digest(self) -> str:
        """Digest of everything that decides what the attack does (not of its descriptions)."""
        decisive = [self.build, self.options] if self.options else self.build
        return fingerprint([decisive, REVISIONS[self.build]] if self.build in REVISIONS else decisive)

    @field_validator("build")
    @classmethod
    def _inside(cls, reference: str) -> str:
        return _checked(reference)

    @field_validator("assets")
    @classmethod
    def _known_assets(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in names:
            if name not in MANIFEST:
                raise ValueError(str(unknown("asset", name, MANIFEST)))
        alone = info.data.get("kind") == "model"  # no TextAttack
        return names if alone or "stopwords" in names else ("stopwords", *names)

    @field_validator("needs")
    @classmethod
    def _known_needs(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in OFFICIAL:
                raise ValueError(str(unknown("official asset", name, OFFICIAL)))
        return names

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if (self.kind == "model") != (self.query_budget is None):
            raise ValueError("query_budget: expected for all kinds but 'model', which has none")
        return self

    def made(self, victim: Any) -> Any:
        """The attack on ``victim``: TextAttack's, or a :class:`~asa_bench.attacking.white_box.WhiteBox`.

        Raises:
            InputError: when ``build`` names no recipe.
        """
        return resolve(self.build).build(victim, **self.options)

    def lacks(self) -> list[str]:
        """What it needs that is neither here nor fetched by itself; empty when it can run."""
        absent = [name for name in self.needs if not OFFICIAL[name].present()]
        absent += [name for name in self.assets if MANIFEST[name].built_from and not cached(name)]
        return [self.unsuited, *absent] if self.unsuited else absent


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


def find_recipe(reference: str, root: Path) -> Recipe:
    """A recipe by name, or by the path of a TOML file that is relative to ``root``.

    One of a file needs what shipped recipes with the same ``build`` need, and is unsuited where they are, whether the
    file says so or not.

    Raises:
        InputError: when there is no such recipe, or its file is wrong.
    """
    if not reference.endswith(".toml"):
        return recipes()[reference]
    own = read_recipe(root / Path(reference).expanduser())
    alike = [own, *(recipe for recipe in recipes().values() if recipe.build == own.build)]
    wants: dict[str, Any] = {
        field: tuple(dict.fromkeys(chain(*(getattr(one, field) for one in alike)))) for field in ("assets", "needs")
    }
    unsuited = next((one.unsuited for one in alike if one.unsuited), "")
    return own.model_copy(update={**wants, "unsuited": unsuited})


def _trusted(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in TRUSTED


def _checked(reference: str) -> str:
    """``reference``, if it is a name inside a trusted package."""
    if not _trusted(reference.rpartition(".")[0]):
        raise ValueError(_outside(reference))
    return reference


def _outside(reference: str) -> str:
    return f"'{reference}' lies outside {' and '.join(TRUSTED)}"


def resolve(reference: str) -> Any:
    """The recipe class that a dotted name inside a trusted package points at.

    Raises:
        InputError: for a name outside the trusted packages, or one that points at nothing or at no recipe.
    """
    module, _, name = reference.rpartition(".")
    if not _trusted(module):
        raise InputError(f"build: {_outside(reference)}")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"build: nothing is called '{reference}'") from None
    if not hasattr(found, "build") or not _trusted(found.__module__):
        raise InputError(f"build: '{reference}' is no recipe")
    return found
