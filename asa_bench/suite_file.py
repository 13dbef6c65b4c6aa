"""Reading a suite: its file, what ``--set`` changes, and everything that it names."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asa_bench.attacking.planned import PlannedAttack, plan_attack, with_controls, with_sweeps
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_toml
from asa_bench.core.registry import nearest, unknown
from asa_bench.core.validation import validated
from asa_bench.defences import build_defence
from asa_bench.defences.base import Defence
from asa_bench.defences.training import TrainSettings
from asa_bench.models.encoder import SHIPPED
from asa_bench.models.sentences import JUDGE
from asa_bench.probes.quality import LEXICON
from asa_bench.suite import TUNED_TRAINING, Suite, refuse_repeats
from asa_bench.tasks import TASKS

SUITES = Path(__file__).parent / "suites"
"""Where the suites that come with the package lie."""


@dataclass(frozen=True)
class LoadedSuite:
    """A checked suite and where it came from."""

    suite: Suite
    root: Path
    """The folder at which its relative paths start."""
    attacks: tuple[PlannedAttack, ...]
    """Its attacks and their controls, with the recipes and protocols that they name."""
    harvests: Mapping[str, PlannedAttack] = field(default_factory=dict)
    """Attacks whose successes a defence is trained on, by the defence's name."""
    tuning: PlannedAttack | None = None
    """The attack that tuning is judged by, where it is."""
    source: str = "suite"
    """Its file, which opens messages about it."""

    def assets(self) -> list[str]:
        """Names of the assets that a run of the suite needs."""
        suite = self.suite
        names = {SHIPPED[encoder.name] for encoder in suite.encoder if encoder.name in SHIPPED}
        names |= {name for task in suite.task if task.data is None for name in TASKS[task.name].assets}
        names |= {name for attack in self.all_attacks() for name in (JUDGE, LEXICON, *attack.assets)}
        return sorted(names)

    def all_attacks(self) -> list[PlannedAttack]:
        """The attacks of the comparison, and those that models are trained or tuned with."""
        return [*self.attacks, *self.harvests.values(), *([self.tuning] if self.tuning else [])]

    def resolved(self) -> dict[str, Any]:
        """The suite with every default filled in, as plain data for ``run.json``."""
        plain = self.suite.model_dump(mode="json")
        for entry, flat in zip(self.suite.defence, plain["defence"], strict=True):
            own = build_defence(entry.method, entry.settings, "suite").settings.model_dump(mode="json")
            del flat["settings"]
            if not entry.tune:
                del flat["tune"]
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
    attacks, harvests = _attacks(suite, root, source), _harvests(suite, root, source)
    return LoadedSuite(suite, root, attacks, harvests, _tuning(suite, root, source), source)


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
        if defence.source is not None:
            _check_source(suite, index, defence, source)
        drawn = (suite.curve and suite.curve.defences) or ()
        if defence.source is not None and entry.name in drawn and defence.source not in drawn:
            raise InputError(f"{source}: curve.defences: expected '{defence.source}' beside '{entry.name}'")
    _check_trials(suite, source)
    for task in suite.task:
        if task.data is None and task.name not in TASKS:
            raise InputError(f"{source}: {unknown('task', task.name, TASKS)}; name a file of your own with 'data'")


def _check_source(suite: Suite, index: int, defence: Defence[Any], source: str) -> None:
    """Check the defence that another one learns from."""
    field = f"{source}: defence[{index}]."
    entry = next((other for other in suite.defence[:index] if other.name == defence.source), None)
    if entry is None:
        raise InputError(f"{field}like: no defence '{defence.source}' stands before it")
    try:
        defence.check_source(build_defence(entry.method, entry.settings, source))
    except InputError as error:
        raise InputError(f"{field}{error}") from None


def _check_trials(suite: Suite, source: str) -> None:
    """Check every value to try, and that all defences have as many trials."""
    for index, entry in enumerate(suite.defence):
        field, plain = f"defence[{index}].tune", build_defence(entry.method, entry.settings, source)
        trials = entry.trials()
        for number, trial in enumerate(trials):
            if trial in trials[:number]:
                raise InputError(f"{source}: {field}: {trial} stands there twice; a trial counts once")
            training = {key: value for key, value in trial.items() if key in TUNED_TRAINING}
            validated(TrainSettings, training, source, f"{field}.")
            varied = build_defence(entry.method, entry.varied(trial).settings, source, f"{field}.")
            if (varied.source, varied.harvest) != (plain.source, plain.harvest):
                raise InputError(f"{source}: {field}: what it learns from cannot be tuned")
        first = suite.defence[0]
        if len(entry.trials()) != len(first.trials()):
            raise InputError(
                f"{source}: {field}: {len(entry.trials())} trials, but {len(first.trials())} for '{first.name}'; "
                "every defence gets as many"
            )


def _tuning(suite: Suite, root: Path, source: str) -> PlannedAttack | None:
    """The attack on validation examples that tuning is judged by."""
    tune = suite.tune
    if tune.criterion != "robust-accuracy" or not suite.defence[0].tune:
        return None
    settings = {"recipe": tune.recipe, "examples": tune.examples, "query_budget": tune.query_budget}
    return _text_attack(AttackSettings(name="tune", **settings), root, f"{source}: tune.recipe")


def _text_attack(settings: AttackSettings, root: Path, field: str) -> PlannedAttack:
    """An attack that says something about robustness."""
    try:
        attack = plan_attack(settings, root)
    except InputError as error:
        raise InputError(f"{field}: {error}") from None
    if attack.kind != "text":
        raise InputError(f"{field}: expected an attack of kind text; '{attack.recipe.name}' is of kind {attack.kind}")
    return attack


def _attacks(suite: Suite, root: Path, source: str) -> tuple[PlannedAttack, ...]:
    """The suite's attacks with their controls and sweeps.

    Raises:
        InputError: for an unknown recipe or protocol, a file of one that is wrong, and a name that one of these takes.
    """
    try:
        chosen = [plan_attack(settings, root) for settings in suite.attack]
        swept = with_sweeps(chosen, suite.sweep, suite.sweep_examples)
        attacks = tuple(with_controls(swept, suite.control_examples))
        refuse_repeats("attack", (attack.name for attack in attacks))
    except (InputError, ValueError) as error:
        raise InputError(f"{source}: {error}") from None
    return attacks


def _harvests(suite: Suite, root: Path, source: str) -> dict[str, PlannedAttack]:
    """The attacks whose successes defences are trained on.

    Raises:
        InputError: for an unknown recipe, or a file of one that is wrong.
    """
    found = {}
    for index, entry in enumerate(suite.defence):
        harvest = build_defence(entry.method, entry.settings, source).harvest
        if harvest is not None:
            settings = AttackSettings(name=entry.name, **harvest)
            found[entry.name] = _text_attack(settings, root, f"{source}: defence[{index}].recipe")
    return found


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
