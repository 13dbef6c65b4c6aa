"""What ``asa-bench attack`` is asked to do, and the attacks that this means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from asa_bench.assets.build import VECTORS
from asa_bench.attacking.code import read_code
from asa_bench.attacking.planned import PlannedAttack, plan_attack, refuse_unavailable, with_controls
from asa_bench.attacking.protocols import find_frame
from asa_bench.attacking.recipe import find_recipe
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.validation import NAME, Settings
from asa_bench.models.precision import Precision
from asa_bench.suite import Seed
from asa_bench.tasks.base import Name

EXAMPLES = 200
"""Examples that are attacked unless the user says how many, or has fewer."""

SOURCE = "attack"
"""What opens messages about the command's options."""


class ModelRun(Settings):
    """What ``asa-bench attack`` is asked to do; each field is an option of the command."""

    name: str = Field(default="model", pattern=NAME)
    """The model's name in the tables (in the column *defence*)."""
    task_name: str | None = Field(default=None, pattern=NAME)
    """The task's name; by default the stem of the data's name."""
    text: tuple[Name, ...] = Field(default=("text",), min_length=1, max_length=2)
    """Columns of the texts; two make a pair."""
    label: Name = "label"
    """Column of the labels: integers are ids, strings the model's label names (whatever their case)."""
    labelling: dict[str, str] = Field(default_factory=dict)
    """Label in the data → label of the model, by name or id, where they differ."""
    split: str | None = None
    """Split of a folder, a Hub data set or a shipped task; *test* by default, where there is one."""
    attack: tuple[str, ...] = ()
    """Recipes, see ``asa-bench list attacks``, or paths of TOML files."""
    attack_file: tuple[Path, ...] = ()
    """Python files with a function ``Attack(model)``, as TextAttack's command takes them. They are run."""
    masked_lm: str | None = Field(default=None, min_length=1)
    """A masked language model for the attacks that take one: a folder, or ``name@commit`` on the Hub."""
    vectors: str | None = Field(default=None, min_length=1)
    """Word vectors for the attacks that take neighbours in them: a text file, or a folder."""
    protocol: str = "recipe"
    """The frame round every search: a name, or the path of a TOML file."""
    control_examples: int = Field(default=50, ge=0)
    """Examples on which each text attack gets a random search as a control; 0 for none."""
    examples: int | None = Field(default=None, ge=1)
    """Rows to attack, drawn by the hash of their ids; 200, or all where there are fewer."""
    query_budget: int | None = Field(default=None, ge=1)
    """Most model queries per example; each recipe's own by default."""
    temperature: Literal["calibrated", "raw"] = "calibrated"
    """*calibrated* needs validation rows; without them it is *raw*, and the record says so."""
    precision: Precision = "auto"
    """*auto* is bf16 where the device computes in it."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """*auto* is the GPU where there is one; several ``--workers`` share out all of them."""
    threads: int = Field(default=2, ge=1)
    """CPU threads of torch; fixed, since results depend on it."""
    seed: Seed = 0
    """Seed of the attacks' randomness."""

    @field_validator("text")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"expected distinct columns, got {','.join(value)}")
        return value

    @field_validator("attack", mode="before")
    @classmethod
    def _several_in_one(cls, value: Any) -> Any:
        """``pwws,deepwordbug`` is two attacks."""
        names = [value] if isinstance(value, str) else value
        return tuple(dict.fromkeys(part.strip() for name in names for part in name.split(",")))


def requested_attacks(settings: ModelRun) -> list[PlannedAttack]:
    """The attacks that are asked for; how many examples and queries they get is settled by :func:`sized`.

    Raises:
        InputError: for an attack or protocol that does not exist, is wrong or lacks something, or stands there twice.
    """
    here = Path.cwd()
    common = {"protocol": settings.protocol}
    named = [_named(settings, {"recipe": name, **common}, here) for name in settings.attack]
    if settings.masked_lm and not any(attack.settings.assets.masked_lm for attack in named):
        raise InputError("--masked-lm: none of the attacks takes a masked language model")
    if settings.vectors and not any(attack.settings.assets.vectors for attack in named):
        raise InputError("--vectors: none of the attacks takes word vectors")
    frame = find_frame(settings.protocol, here)
    for path in settings.attack_file:
        recipe = read_code(path)
        named.append(PlannedAttack(AttackSettings(name=recipe.name, recipe=str(path), **common), recipe, frame))
    if not named:
        raise InputError("attack: expected at least one --attack or --attack-file")
    names = [attack.name for attack in named]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"attack: '{repeated}' stands there twice")
    refuse_unavailable(named, SOURCE)
    return named


def _named(settings: ModelRun, given: dict[str, Any], here: Path) -> PlannedAttack:
    try:
        recipe = find_recipe(given["recipe"], here)
        if recipe.own_masked_lm:
            given = {**given, "assets": {"masked_lm": settings.masked_lm}}
        if VECTORS in recipe.assets:
            given = {**given, "assets": {"vectors": settings.vectors}}
        return plan_attack(AttackSettings.model_validate(given), here)
    except InputError as error:
        raise InputError(f"--attack: {error}") from None


def sized(
    settings: ModelRun, found: Iterable[PlannedAttack], examples: int, *, calibrated: bool
) -> tuple[PlannedAttack, ...]:
    """``found`` with the numbers of ``settings``, and their controls; without calibration, on raw probabilities."""
    changes = {
        "examples": examples,
        "query_budget": settings.query_budget,
        "temperature": settings.temperature if calibrated else "raw",
    }
    inside = {**changes, "query_budget": None}  # kind model has no budget
    attacks = [
        replace(attack, settings=attack.settings.model_copy(update=inside if attack.kind == "model" else changes))
        for attack in found
    ]
    return tuple(with_controls(attacks, settings.control_examples))
