"""What the watched process is told to do: plain data, as JSON over a pipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from asa_bench.attacking.code import CodeRecipe
from asa_bench.attacking.own_masked_lm import MaskedLMRecipe
from asa_bench.attacking.own_vectors import VectorsRecipe
from asa_bench.attacking.protocols import RECIPE, Frame
from asa_bench.attacking.recipe import Recipe
from asa_bench.models.precision import Kernel, Resolved
from asa_bench.tasks import Example

Guide = Literal["on", "worse"]
"""What guides a search that knows the adversary: the model under its masks, or whichever of the model with and without
them is nearer to failing."""


class Adversary(BaseModel):
    """The adversary that a model was trained against, for an attack that knows it."""

    model_config = ConfigDict(frozen=True)

    method: str
    """The method that trained it: ASA."""
    settings: dict[str, Any]
    """The method's settings."""
    weights: Path
    """What it has learnt."""
    guide: Guide


class AttackJob(BaseModel):
    """One attack on one checkpoint."""

    model_config = ConfigDict(frozen=True)

    recipe: CodeRecipe | MaskedLMRecipe | VectorsRecipe | Recipe
    """What to do; its name is a part of each example's seed."""
    frame: Frame = Frame(name=RECIPE)
    """The protocol's demands."""
    search: Literal["recipe", "random"] = "recipe"
    """*random* puts a random search in the place of the recipe's."""
    adversary: Adversary | None = None
    """For an attack that knows it; None for all others."""
    checkpoint: Path
    """Folder of the model; whoever attacks a function of the user's does not look there."""
    columns: tuple[str, ...]
    """Names of the text fields."""
    examples: tuple[Example, ...]
    query_budget: int | None
    """Most queries per example; None where only the frame's rule per word holds."""
    temperature: float | None
    """The fitted temperature; None for raw probabilities."""
    seed: int
    precision: Resolved
    attention: Kernel
    threads: int
    device: str = "cpu"
    """As torch names it."""
    in_flight: int = 64
    """Examples attacked at once; rows do not depend on it."""
