"""One ``[[attack]]`` of a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from asa_bench.attacking.recipe import Option
from asa_bench.core.validation import NAME, Settings

REVISION = 5
"""Raised whenever a change to victim, goal function or driver changes rows: it is part of the protocol."""

SEARCH_REVISION = 2
"""Raised whenever a change to a random search changes its rows: it is part of a control's protocol."""

AWARE_REVISION = 3
"""Raised whenever a change to how an adversary guides a search changes rows: part of an aware attack's protocol."""


class AttackAssets(Settings):
    """``[attack.assets]``: what the user gives a recipe to work with."""

    masked_lm: str | None = Field(default=None, min_length=1)
    """A masked language model for a recipe that proposes words with one: a folder, or ``name@commit`` on the Hub."""
    vectors: str | None = Field(default=None, min_length=1)
    """Word vectors for a recipe that takes neighbours in them: a text file of word2vec or GloVe, or a folder as
    ``asa-bench assets build`` makes it."""


class AttackSettings(Settings):
    """How a recipe is used in a suite."""

    name: str = Field(default="", pattern=NAME)
    """The attack's name in the tables; the recipe's by default. A variant is another name."""
    recipe: str
    """A recipe, see ``asa-bench list attacks``, or the path of a TOML file of your own."""
    examples: int = Field(default=200, ge=1)
    """Test examples to attack, drawn by the hash of their ids: the same for all models and attacks."""
    query_budget: int | None = Field(default=None, ge=1)
    """Most model queries per example; the recipe's own by default."""
    temperature: Literal["calibrated", "raw"] = "calibrated"
    """*calibrated*: the search sees log-probabilities at the temperature fitted on validation. *raw*: TextAttack's own
    goal function on the model's probabilities."""
    temperature_factor: float = Field(default=1.0, gt=0)
    """The fitted temperature times this: a model that is robust at one temperature alone starves its attacks (Raina et
    al. 2024, arXiv 2402.17509). Another one than 1 makes the attack one of kind *sweep*."""
    protocol: str = "recipe"
    """The frame round the search: *recipe* = the recipe's own constraints; *textdefender*; or a TOML file."""
    assets: AttackAssets = AttackAssets()
    """What the recipe works with instead of its authors' assets."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Arguments of the recipe's ``build``, in the place of the recipe's own."""
    adversary: Literal["off", "on", "worse"] = "off"
    """What guides the search on a model that ASA trained: the model as it is (*off*), under its adversary's masks
    (*on*), or for each text whichever of the two is nearer to failing (*worse*). A success is one of the model as it
    is. Other than *off* makes the attack one of kind *aware*, which the models of ASA alone get."""
    search: Literal["recipe", "random"] = "recipe"
    """*random*: a random search in the place of the recipe's, as a control."""

    @model_validator(mode="after")
    def _factor_of_a_fitted_one(self) -> Self:
        if self.temperature == "raw" and self.temperature_factor != 1:
            raise ValueError("temperature_factor: a raw temperature is not fitted, so that nothing can be multiplied")
        return self

    @model_validator(mode="after")
    def _scores_under_masks(self) -> Self:
        if self.adversary != "off" and self.temperature == "raw":
            raise ValueError("temperature: expected 'calibrated' with an adversary, whose scores are log-probabilities")
        return self

    @model_validator(mode="before")
    @classmethod
    def _name_after_recipe(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("recipe"), str):
            return {"name": Path(data["recipe"]).name.removesuffix(".toml"), **data}
        return data
