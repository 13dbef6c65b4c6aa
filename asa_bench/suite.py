"""The suite file: what to train, on what, and how to attack it."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from asa_bench.attacking.planned import PlannedAttack, plan_attack, with_controls
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_toml
from asa_bench.core.registry import nearest, unknown
from asa_bench.core.validation import NAME, Settings, validated
from asa_bench.defences import build_defence
from asa_bench.defences.training import TrainSettings
from asa_bench.models.encoder import SHIPPED, EncoderSettings
from asa_bench.models.sentences import JUDGE
from asa_bench.probes.attention import ViewSettings
from asa_bench.probes.evaluation import EvaluationSettings
from asa_bench.tasks import TASKS, TaskSettings

SUITES = Path(__file__).parent / "suites"

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

    @model_validator(mode="before")
    @classmethod
    def _gather_settings(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "method" not in data:
            return data
        own = {key: value for key, value in data.items() if key not in ("name", "method")}
        return {"name": data.get("name", data["method"]), "method": data["method"], "settings": own}


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
    attack: tuple[AttackSettings, ...] = ()
    """What the trained models are attacked with."""
    views: ViewSettings | None = None
    """How the models' attention is looked at; not at all by default."""
    curve: CurveSettings | None = None
    """Sizes of the training data for a learning curve; none by default."""
    control_examples: int = Field(default=50, ge=0)
    """Examples on which each text attack gets a control: a random search of the same transformation, constraints and
    budget, called ``<attack>-random``; 0 for none."""
    keep_models: bool = True
    """Keep the checkpoints after their last use."""

    @field_validator("task", "encoder", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        _refuse_repeats("seeds", map(str, self.seeds))
        _refuse_repeats("task", (task.name for task in self.task))
        _refuse_repeats("encoder", (encoder.label for encoder in self.encoder))
        _refuse_repeats("defence", (defence.name for defence in self.defence))
        _refuse_repeats("attack", (attack.name for attack in self.attack))
        known = [defence.name for defence in self.defence]
        for name in (self.curve and self.curve.defences) or ():
            if name not in known:
                raise ValueError(str(unknown("defence", name, known)))
        return self


def _refuse_repeats(field: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{field} '{name}' stands there twice; give one of them another name")
        seen.add(name)


@dataclass(frozen=True)
class LoadedSuite:
    """A checked suite and where it came from."""

    suite: Suite
    root: Path
    """The folder at which its relative paths start."""
    attacks: tuple[PlannedAttack, ...]
    """Its attacks and their controls, with the recipes and protocols that they name."""
    source: str = "suite"
    """Its file, which opens messages about it."""

    def assets(self) -> list[str]:
        """Names of the assets that a run of the suite needs."""
        suite = self.suite
        names = {SHIPPED[encoder.name] for encoder in suite.encoder if encoder.name in SHIPPED}
        names |= {name for task in suite.task if task.data is None for name in TASKS[task.name].assets}
        names |= {name for attack in self.attacks for name in (JUDGE, *attack.assets)}
        return sorted(names)

    def resolved(self) -> dict[str, Any]:
        """The suite with every default filled in, as plain data for ``run.json``."""
        plain = self.suite.model_dump(mode="json")
        for entry, flat in zip(self.suite.defence, plain["defence"], strict=True):
            own = build_defence(entry.method, entry.settings, "suite").settings.model_dump(mode="json")
            del flat["settings"]
            flat.update(own)
        return {**plain, "attack": [attack.resolved() for attack in self.attacks]}


def load_suite(reference: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> LoadedSuite:
    """A suite by shipped name, by TOML path, or from a mapping of the same shape.

    Args:
        reference: which suite.
        overrides: ``key=value`` pairs, see :func:`override`.

    Raises:
        InputError: naming file and field, for whatever is wrong.
    """
    if isinstance(reference, Mapping):
        data, source, root = copy.deepcopy(dict(reference)), "suite", Path.cwd()
    else:
        path = _find(str(reference))
        data, source = read_toml(path), str(path)
        root = Path.cwd() if path.parent == SUITES else path.resolve().parent
    for pair in overrides:
        override(data, pair)
        source += f" --set {pair}"
    suite = validated(Suite, data, source)
    _check_names(suite, source)
    return LoadedSuite(suite, root, _attacks(suite, root, source), source)


def shipped_suites() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def _find(reference: str) -> Path:
    if reference in shipped_suites():
        return SUITES / f"{reference}.toml"
    path = Path(reference)
    if path.is_file():
        return path
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise InputError(f"{reference}: no such suite file")
    raise unknown("suite", reference, shipped_suites())


def _check_names(suite: Suite, source: str) -> None:
    """Look up every name and check every method's settings, so that a typing error costs no training time."""
    for index, entry in enumerate(suite.defence):
        try:
            defence = build_defence(entry.method, entry.settings, source, f"defence[{index}].")
        except InputError as error:
            raise InputError(_at(str(error), f"{source}: ")) from None
        earlier = [other.name for other in suite.defence[:index]]
        if defence.source is not None and defence.source not in earlier:
            raise InputError(f"{source}: defence[{index}].like: no defence '{defence.source}' stands before it")
        drawn = (suite.curve and suite.curve.defences) or ()
        if defence.source is not None and entry.name in drawn and defence.source not in drawn:
            raise InputError(f"{source}: curve.defences: expected '{defence.source}' beside '{entry.name}'")
    for task in suite.task:
        if task.data is None and task.name not in TASKS:
            raise InputError(f"{source}: {unknown('task', task.name, TASKS)}; name a file of your own with 'data'")


def _attacks(suite: Suite, root: Path, source: str) -> tuple[PlannedAttack, ...]:
    """The suite's attacks with their controls.

    Raises:
        InputError: for an unknown recipe or protocol, a file of one that is wrong, and a name that a control takes.
    """
    try:
        chosen = [plan_attack(settings, root) for settings in suite.attack]
        attacks = tuple(with_controls(chosen, suite.control_examples))
        _refuse_repeats("attack", (attack.name for attack in attacks))
    except (InputError, ValueError) as error:
        raise InputError(f"{source}: {error}") from None
    return attacks


def _at(message: str, prefix: str) -> str:
    return message if message.startswith(prefix) else prefix + message


def override(data: dict[str, Any], pair: str) -> None:
    """Set one key of a suite in place: ``train.epochs=1``, ``attack.pwws.examples=20``, ``attack.examples=20``.

    A list of tables is addressed by the name of one of them, or as a whole. The value is read as TOML, and as a string
    where it is not TOML.

    Raises:
        InputError: when the pair has no ``=`` or its key leads nowhere.
    """
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise InputError(f"--set {pair}: expected key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, last = key.strip().split(".")
    for table in _tables(data, path, pair):
        table[last] = value


def _tables(data: dict[str, Any], path: list[str], pair: str) -> list[dict[str, Any]]:
    """The tables at ``path``: one, or several where the path ends in a list of tables."""
    tables, listed = [data], False
    for part in path:
        if listed:
            known = [name for table in tables for name in _names_of(table)]
            tables, listed = [table for table in tables if part in _names_of(table)], False
            if not tables:
                raise InputError(f"--set {pair}: no entry '{part}'{nearest(part, known)}")
            continue
        inner = [table.setdefault(part, {}) for table in tables]
        listed = any(isinstance(value, list) for value in inner)
        tables = [table for value in inner for table in (value if isinstance(value, list) else [value])]
        if not all(isinstance(table, dict) for table in tables):
            raise InputError(f"--set {pair}: '{part}' is no table")
    return tables


def _names_of(table: dict[str, Any]) -> list[str]:
    """What the entry is called: its name, or what it is named after; a list of at most one."""
    return [str(table[key]) for key in ("name", "method", "recipe") if key in table][:1]
