"""The suite file: what to train, on what, and how to attack it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.registry import unknown
from asa_bench.core.validation import NAME, Settings
from asa_bench.defences.training import TrainSettings
from asa_bench.models.encoder import EncoderSettings
from asa_bench.probes.attention import ViewSettings
from asa_bench.probes.evaluation import EvaluationSettings
from asa_bench.tasks import TaskSettings

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""What NumPy takes for a seed."""


class DefenceEntry(Settings):
    """One ``[[defence]]``: a method, a name for the tables, and the method's own settings beside them."""

    name: str = Field(pattern=NAME)
    """The defence's name in the tables; the method's by default. A variant is another name."""
    method: str
    """A method, see ``asa-bench list defences``."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The method's settings."""
    tune: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Values to try for some of the settings, or for the learning rate, warm-up and weight decay of its training."""

    @model_validator(mode="before")
    @classmethod
    def _gather_settings(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "method" not in data:
            return data
        own = {key: value for key, value in data.items() if key not in ("name", "method", "tune")}
        named = {"name": data.get("name", data["method"]), "method": data["method"], "tune": data.get("tune", {})}
        return {**named, "settings": own}

    def trials(self) -> list[dict[str, Any]]:
        """Every combination of the values to try; none where there is nothing to tune."""
        combinations = itertools.product(*self.tune.values())
        return [dict(zip(self.tune, values, strict=True)) for values in combinations] if self.tune else []

    def varied(self, values: Mapping[str, Any]) -> DefenceEntry:
        """The entry with the method's settings among ``values``."""
        own = {key: value for key, value in values.items() if key not in TUNED_TRAINING}
        return self.model_copy(update={"settings": {**self.settings, **own}})


TUNED_TRAINING = ("learning_rate", "warmup", "weight_decay")
"""What of the ``[train]`` table a defence's ``tune`` may vary."""


class TuneSettings(Settings):
    """The ``[tune]`` table: how the values in the defences' ``tune`` are chosen, with the suite's first seed.

    Validation examples decide, never test examples.
    """

    criterion: Literal["validation-loss", "robust-accuracy"] = "validation-loss"
    """*robust-accuracy*: what is left of validation accuracy under an attack."""
    recipe: str = "deepwordbug"
    """That attack."""
    examples: int = Field(default=100, ge=1)
    """Validation examples that it attacks, drawn by the hash of their ids."""
    query_budget: int | None = Field(default=None, ge=1)
    """Its queries per example; the recipe's own by default."""


class CurveSettings(Settings):
    """The ``[curve]`` table: the comparison at other sizes of the training data, for as many optimizer steps.

    Its attacks have no controls.
    """

    examples: tuple[Annotated[int, Field(ge=2)], ...] = Field(min_length=1)
    """Training examples of each point; the epochs are scaled so that the optimizer steps stay the same."""
    defences: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of the defences on the curve; all by default."""
    seeds: tuple[Seed, ...] | None = Field(default=None, min_length=1)
    """Training seeds of the curve; the suite's by default."""
    attack_examples: int | None = Field(default=None, ge=1)
    """Most test examples attacked at each point; by default as many as in the comparison."""


class Suite(Settings):
    """A whole comparison."""

    name: str = Field(pattern=NAME)
    """The suite's name; a run directory belongs to one suite."""
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    """Training seeds: every defence is trained once per seed."""
    task: tuple[TaskSettings, ...] = Field(min_length=1)
    """What is predicted from what; several make a grid."""
    encoder: tuple[EncoderSettings, ...] = (EncoderSettings(),)
    """What is fine-tuned; several make a grid."""
    train: TrainSettings = TrainSettings()
    """How all defences are trained."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How many clean examples are predicted."""
    defence: tuple[DefenceEntry, ...] = Field(min_length=1)
    """What is compared."""
    primary: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Defences whose comparisons are the primary family, corrected for their number; by default those of ASA, or all
    where there are none. Every other comparison is exploratory."""
    rival: str | tuple[str, ...] | None = None
    """The defence, or defences, that those are compared with besides the baseline; one that is made *like* a primary
    defence, with that one alone."""
    attack: tuple[AttackSettings, ...] = ()
    """What the trained models are attacked with."""
    views: ViewSettings | None = None
    """How the models' attention is looked at; not at all by default."""
    tune: TuneSettings = TuneSettings()
    """How settings are tuned, where defences ask for it."""
    curve: CurveSettings | None = None
    """Sizes of the training data for a learning curve; none by default."""
    control_examples: int = Field(default=50, ge=0)
    """Examples on which each text attack gets a control: a random search of the same transformation, constraints and
    budget, called ``<attack>-random``; 0 for none."""
    sweep: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Factors of the fitted temperature: each text attack is done again at each, as ``<attack>-at-<factor>``."""
    sweep_examples: int = Field(default=50, ge=1)
    """Examples of those attacks at most."""
    keep_models: bool = True
    """Keep the checkpoints after their last use."""

    @field_validator("task", "encoder", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        refuse_repeats("seeds", map(str, self.seeds))
        refuse_repeats("sweep", (f"{factor:g}" for factor in self.sweep))
        if 1.0 in self.sweep:
            raise ValueError("sweep: expected factors other than 1, which is the attack itself")
        refuse_repeats("task", (task.name for task in self.task))
        refuse_repeats("encoder", (encoder.label for encoder in self.encoder))
        refuse_repeats("defence", (defence.name for defence in self.defence))
        refuse_repeats("attack", (attack.name for attack in self.attack))
        known = [defence.name for defence in self.defence]
        rivals = [self.rival] if isinstance(self.rival, str) else self.rival or ()
        named = [*((self.curve and self.curve.defences) or ()), *(self.primary or ()), *rivals]
        for name in named:
            if name not in known:
                raise ValueError(str(unknown("defence", name, known)))
        return self


def refuse_repeats(field: str, names: Iterable[str]) -> None:
    """Refuse a name that stands there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{field} '{name}' stands there twice; give one of them another name")
        seen.add(name)
