"""What the watched process is told to do: plain data, as JSON over a pipe."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from asa_bench.attacking.recipe import Recipe
from asa_bench.models.precision import Kernel, Resolved
from asa_bench.tasks import Example


class AttackJob(BaseModel):
    """One attack on one checkpoint."""

    model_config = ConfigDict(frozen=True)

    recipe: Recipe
    """What to do; its name is a part of each example's seed."""
    checkpoint: Path
    """Folder of the model; whoever attacks a function of the user's does not look there."""
    columns: tuple[str, ...]
    """Names of the text fields."""
    examples: tuple[Example, ...]
    query_budget: int
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
