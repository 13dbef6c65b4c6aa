"""What the gate counts as a loss, and as a measurement."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from asa_bench.core.files import read_toml
from asa_bench.core.validation import Settings, validated
from asa_bench.stats.intervals import MINIMUM_SEEDS
from asa_bench.stats.selftest import INERT_SHARE, INERT_SUCCESS
from asa_bench.tracking.compare import Difference

TOLERANCE = 1e-9
"""0.50 − 0.48 is more than 0.02 in floating point."""


class Limits(Settings):
    """The limits of ``asa-bench gate``, as ``--limits FILE`` gives them."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """A loss is significant when its p value, after Holm's correction, is under this."""
    loss_of_checkpoints: float = Field(default=0.05, ge=0, le=1)
    """Smallest loss (a fraction) that counts with one or two training seeds a side."""
    loss_over_seeds: float = Field(default=0.02, ge=0, le=1)
    """Smallest loss that counts with three seeds or more."""
    common_examples: int = Field(default=100, ge=1)
    """Fewest common examples for a measurement."""
    common_share: float = Field(default=0.8, ge=0, le=1)
    """Least share of the smaller side's examples that the other side has too."""
    errors: float = Field(default=0.01, ge=0, le=1)
    """Largest share of errors and time-outs of an attack on one model."""
    inert_success: float = Field(default=INERT_SUCCESS, ge=0, le=1)
    """An attack with less success than this on a baseline, or without one on every model of both sides, is inert."""
    inert_share: float = Field(default=INERT_SHARE, ge=0, le=1)
    """So is one without a candidate, or without one that moves the model, for more than this share of the examples."""

    def loss(self, row: Difference) -> float:
        """The smallest loss that counts for a comparison; half of what there is to lose always does."""
        limit = self.loss_over_seeds if row.seeds >= MINIMUM_SEEDS else self.loss_of_checkpoints
        return min(limit, row.reference / 2)

    def significant_loss(self, row: Difference) -> bool:
        """Whether a metric of the primary family fell beyond chance."""
        return row.p_adjusted is not None and row.p_adjusted < self.alpha and row.difference < 0

    def counts(self, row: Difference) -> bool:
        """Whether a metric fell by as much as counts, be it by chance or not."""
        return row.difference < 0 and -row.difference >= self.loss(row) - TOLERANCE

    def regressed(self, row: Difference) -> bool:
        """Whether a metric of the primary family fell beyond chance and by as much as counts."""
        return self.significant_loss(row) and self.counts(row)


def read_limits(path: Path | None) -> Limits:
    """The limits in a TOML file; without one, the defaults.

    Raises:
        InputError: naming file and field.
    """
    return Limits() if path is None else validated(Limits, read_toml(path), str(path))
