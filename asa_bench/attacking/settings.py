"""One ``[[attack]]`` of a suite, and the frozen frame (protocol) that decides what its numbers may be compared with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from asa_bench.assets import asset_digests
from asa_bench.attacking.recipe import Recipe
from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.validation import NAME, Settings

REVISION = 2
"""Raised whenever a change to victim, goal function or driver changes rows: it is part of the protocol."""


class AttackSettings(Settings):
    """How a recipe is used in a suite."""

    name: str = Field(default="", pattern=NAME)
    """The attack's name in the tables; the recipe's by default. A variant is another name."""
    recipe: str
    """A recipe, see ``asa-bench list attacks``."""
    examples: int = Field(default=200, ge=1)
    """Test examples to attack, drawn by the hash of their ids: the same for all models and attacks."""
    query_budget: int | None = Field(default=None, ge=1)
    """Most model queries per example; the recipe's own by default."""
    temperature: Literal["calibrated", "raw"] = "calibrated"
    """*calibrated*: the search sees log-probabilities at the temperature fitted on validation. *raw*: TextAttack's own
    goal function on the model's probabilities."""
    protocol: Literal["recipe"] = "recipe"
    """The frame round the search: *recipe* = the recipe's own constraints."""

    @model_validator(mode="before")
    @classmethod
    def _name_after_recipe(cls, data: Any) -> Any:
        if isinstance(data, dict) and "recipe" in data:
            return {"name": data["recipe"], **data}
        return data

    def budget(self, recipe: Recipe) -> int:
        """Queries per example."""
        return self.query_budget or recipe.query_budget


def protocol(attack: AttackSettings, recipe: Recipe) -> dict[str, Any]:
    """Everything that decides whether two numbers of this attack may be compared, with its fingerprint.

    The fitted temperature is not in it (each model has its own), nor are the sample's ids (comparisons pair by id).
    """
    from importlib.metadata import version

    frame = {
        "recipe": recipe.name,
        "recipe_digest": recipe.digest,
        "protocol": attack.protocol,
        "query_budget": attack.budget(recipe),
        "temperature": attack.temperature,
        "revision": REVISION,
        "length_rule": "training length",
        "assets": asset_digests(recipe.assets),
        "textattack": version("textattack"),
    }
    return {**frame, "fingerprint": fingerprint(frame)}
