"""Attacks as a plan has them: settings with the recipe and the protocol that they name, their controls and sweeps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asa_bench.assets import MANIFEST, asset_digests
from asa_bench.assets.textattack_home import import_textattack
from asa_bench.attacking.own_masked_lm import on_masked_lm
from asa_bench.attacking.own_vectors import on_own_vectors
from asa_bench.attacking.protocols import Frame, find_frame
from asa_bench.attacking.recipe import Recipe, find_recipe, resolve
from asa_bench.attacking.settings import AWARE_REVISION, REVISION, SEARCH_REVISION, AttackAssets, AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.registry import unknown
from asa_bench.models.kinds import layers


@dataclass(frozen=True)
class PlannedAttack:
    """One attack of a plan."""

    settings: AttackSettings
    recipe: Recipe
    frame: Frame

    @property
    def name(self) -> str:
        """The attack's name in the tables."""
        return self.settings.name

    @property
    def kind(self) -> str:
        """The recipe's kind; a random search in its place is a *control*, at another temperature it is a *sweep*.

        One that knows the adversary is *aware*.
        """
        if self.settings.search == "random":
            return "control"
        if self.settings.adversary != "off":
            return "aware"
        return "sweep" if self.settings.temperature_factor != 1 else self.recipe.kind

    @property
    def budget(self) -> int | None:
        """Queries per example; None where only the protocol's rule per word holds, and for kind *model*."""
        if self.settings.query_budget or not self.frame.queries_per_word:
            return self.settings.query_budget or self.recipe.query_budget
        return None

    @property
    def assets(self) -> set[str]:
        """Assets that it needs."""
        return {*self.recipe.assets, *self.frame.assets}

    def on_at_most(self, examples: int | None) -> PlannedAttack:
        """The same attack on fewer examples; None changes nothing."""
        return self.varied(examples)

    def varied(self, examples: int | None, **changes: Any) -> PlannedAttack:
        """The same attack on at most so many examples (None: as many), with other settings."""
        size = min(examples or self.settings.examples, self.settings.examples)
        return replace(self, settings=self.settings.model_copy(update={"examples": size, **changes}))

    def protocol(self) -> dict[str, Any]:
        """Everything that decides whether two numbers of this attack may be compared, with its fingerprint.

        The fitted temperature is not in it (each model has its own), nor are the sample's ids (comparisons pair by id).
        """
        from importlib.metadata import version

        frame: dict[str, Any] = {
            "recipe": self.recipe.name,
            "recipe_digest": self.recipe.digest,
            "protocol": self.frame.name,
            "query_budget": self.budget,
            "temperature": self.settings.temperature,
            "revision": REVISION,
            "length_rule": "training length",
            "assets": asset_digests(self.assets),
            "textattack": version("textattack"),
        }
        if demands := self.frame.content():
            frame["frame"] = demands
        if self.kind == "control":
            frame |= {"search": self.settings.search, "search_revision": SEARCH_REVISION}
        if self.kind == "aware":
            frame |= {"adversary": self.settings.adversary, "aware_revision": AWARE_REVISION}
        if self.kind == "sweep":
            frame["temperature_factor"] = self.settings.temperature_factor
        return {**frame, "fingerprint": fingerprint(frame)}

    def resolved(self) -> dict[str, Any]:
        """The settings with every default filled in, as plain data for ``run.json``."""
        given = self.settings.assets.model_dump(exclude_none=True)
        left_out = {"assets"} | (set() if self.settings.options else {"options"})
        settings = self.settings.model_dump(mode="json", exclude=left_out) | ({"assets": given} if given else {})
        inside = self.recipe.made(None) if self.recipe.kind == "model" else None
        own = {"strengths": list(inside.strengths), "measure": inside.measure} if inside else {}
        counterpart = {"counterpart": self.recipe.counterpart} if self.recipe.counterpart else {}
        return {**settings, "kind": self.kind, "query_budget": self.budget, **own, **counterpart}


def plan_attack(settings: AttackSettings, root: Path) -> PlannedAttack:
    """``settings`` with its recipe and protocol; relative paths start at ``root``.

    Raises:
        InputError: when there is no such recipe or protocol, or a file of one is wrong.
    """
    recipe, given = find_recipe(settings.recipe, root), settings.assets
    if given.masked_lm is not None:
        recipe = on_masked_lm(recipe, given.masked_lm, root)
    if given.vectors is not None:
        recipe = on_own_vectors(recipe, given.vectors, root)
    if settings.options:
        recipe = recipe.model_copy(update={"options": {**recipe.options, **settings.options}})
    attack = PlannedAttack(settings, recipe, find_frame(settings.protocol, root))
    if recipe.kind == "model":
        _refuse_text_settings(settings)
    if settings.adversary != "off" and settings.temperature_factor != 1:
        raise InputError(f"attack '{settings.name}': temperature_factor: expected 1 beside 'adversary'")
    if settings.adversary != "off" and (recipe.kind != "text" or recipe.access == "gradients"):
        raise InputError(f"attack '{settings.name}': adversary: expected 'off' but for text attacks that see scores")
    return attack


def _refuse_text_settings(settings: AttackSettings) -> None:
    """An attack of kind *model* changes no words, so that what bounds a search of words would be silently ignored."""
    for field in ("query_budget", "protocol", "temperature_factor", "adversary"):
        if getattr(settings, field) != AttackSettings.model_fields[field].default:
            raise InputError(f"attack '{settings.name}': {field}: an attack of kind model has none")


def with_controls(attacks: Iterable[PlannedAttack], examples: int) -> Iterator[PlannedAttack]:
    """Each attack, with a random one of the same candidates, constraints and budget behind each of kind *text*.

    Behind each of kind *model* stands one with as many random perturbations.

    Args:
        attacks: the attacks.
        examples: how many examples a control gets at most; 0 for no controls.
    """
    for attack in attacks:
        yield attack
        if examples and attack.kind in ("text", "model"):
            yield attack.varied(examples, name=f"{attack.name}-random", search="random")


def with_sweeps(attacks: Iterable[PlannedAttack], factors: Sequence[float], examples: int) -> Iterator[PlannedAttack]:
    """Each attack, with itself at other temperatures behind each calibrated one of kind *text*.

    Args:
        attacks: the attacks.
        factors: what the fitted temperature is multiplied by, one more attack for each.
        examples: how many examples a sweep gets at most.
    """
    for attack in attacks:
        yield attack
        if attack.kind == "text" and attack.settings.temperature == "calibrated":
            for factor in factors:
                yield attack.varied(examples, name=f"{attack.name}-at-{factor:g}", temperature_factor=factor)


def refuse_unavailable(attacks: Iterable[PlannedAttack], source: str) -> None:
    """Refuse attacks that lack something here, or whose own file names no recipe, before anything starts.

    Raises:
        InputError: naming the first such attack and what is wrong with it.
    """
    for attack in attacks:
        if lacks := attack.recipe.lacks():
            raise InputError(f"{source}: attack '{attack.name}' lacks {', '.join(lacks)}; see asa-bench doctor")
        if attack.settings.recipe.endswith(".toml") or attack.settings.options:
            _look_up(attack, source)


def refuse_missing_layers(attacks: Iterable[PlannedAttack], model: Path, source: str) -> None:
    """Refuse attacks on a layer that the model in a folder has not.

    Raises:
        InputError: naming the first such attack.
    """
    for attack in attacks:
        layer = attack.recipe.options.get("layer")
        if attack.recipe.kind == "model" and isinstance(layer, int) and layer >= (there := layers(model)):
            field = f"{source}: attack '{attack.name}': options: layer"
            raise InputError(f"{field}: expected 0 to {there - 1} for {model.name}, got {layer}")


def _look_up(attack: PlannedAttack, source: str) -> None:
    """Find the recipe's class, and whether it takes the options."""
    own = attack.settings.recipe if attack.settings.recipe.endswith(".toml") else f"{source}: attack '{attack.name}'"
    if attack.recipe.kind != "model":
        import_textattack(name for name in attack.recipe.assets if MANIFEST[name].layout)
    try:
        build = resolve(attack.recipe.build).build
        if attack.recipe.kind == "model":
            build(None, **attack.recipe.options)
        else:
            _refuse_unknown(attack.recipe.options, build)
    except InputError as error:
        raise InputError(f"{own}: {error}") from None


def _refuse_unknown(options: Iterable[str], build: Callable[..., Any]) -> None:
    """Refuse options that the recipe's ``build`` has no argument for; the first is the model, others are assets."""
    _, *known = (name for name in inspect.signature(build).parameters if name not in AttackAssets.model_fields)
    for name in options:
        if name not in known:
            raise InputError(f"options: {unknown('option', name, known)}")
