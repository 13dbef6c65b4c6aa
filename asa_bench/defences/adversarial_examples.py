"""Adversarial-example training: learn from an attack's successes. Cost 1F + 1B, and the attack before the training.

The classic defence (for DeepWordBug Gao et al. 2018, arXiv 1801.04354): a model of the suite is attacked on training
examples; the texts that misled it join the training data with their gold labels. The optimizer steps stay as many as
without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from typing_extensions import override

from asa_bench.core.validation import NAME, Settings
from asa_bench.defences.baseline import FineTuning


class AdversarialExamplesSettings(Settings):
    """Which model is attacked, and how."""

    like: str = Field(default="baseline", pattern=NAME)
    """Name of the defence of this suite whose model is attacked; it must stand before this one."""
    recipe: str = "deepwordbug"
    """A recipe, see ``asa-bench list attacks``, or the path of a TOML file of your own."""
    examples: int = Field(default=1000, ge=1)
    """Most training examples to attack, drawn by the hash of their ids."""
    query_budget: int | None = Field(default=None, ge=1)
    """Most model queries per example; the recipe's own by default."""


class AdversarialExamples(FineTuning[AdversarialExamplesSettings]):
    """Fine-tuning on the training data and an attack's successes on it."""

    Settings = AdversarialExamplesSettings

    @property
    @override
    def source(self) -> str:
        return self.settings.like

    @property
    @override
    def harvest(self) -> Mapping[str, Any]:
        return self.settings.model_dump(include={"recipe", "examples", "query_budget"})
