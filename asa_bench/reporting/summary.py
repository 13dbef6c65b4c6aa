"""The answer in words: does a defence keep more accuracy under attack than the baseline?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from asa_bench.reporting.formats import listed, p_value, percent, percent_interval, points
from asa_bench.reporting.view import View
from asa_bench.stats.guidance import Blind, blind
from asa_bench.stats.intervals import MINIMUM_SEEDS, Estimate
from asa_bench.stats.metrics import robust_under_all
from asa_bench.stats.paired import ALPHA, Paired, combine_seeds, examples_needed, holm, paired

PLANNED_DIFFERENCE = 0.05
"""Difference to plan for when none at all was seen."""

MANY = 3
"""From so many comparisons of a defence on, those that say nothing share a sentence."""

NAMED = 3
"""Attacks that a sentence names; the table below it names all."""


@dataclass(frozen=True)
class Comparison:
    """One defence against another, under all text attacks that both stood at once."""

    defence: str
    against: str
    pair: Paired
    seeds: int
    attacks: list[str]
    """Those that both models stood, and that the pairs are about."""
    family: int | None = None
    """How many comparisons the primary family has; None for an exploratory one."""
    p_adjusted: float | None = None
    """Holm's p value within the primary family."""

    @property
    def significant(self) -> bool:
        """Whether the adjusted p value is under 5 %."""
        return self.p_adjusted is not None and self.p_adjusted < ALPHA


def comparisons(view: View) -> list[Comparison]:
    """The primary family, then every other defence against the baseline.

    On the examples that both sides answer under every text attack that both stood. The family is each primary defence
    (those that the suite names, else those of ASA, else all) against the baseline and the suite's rivals; one that is
    made like a primary defence stands against that one alone.
    """
    primary = _compared(view, _family(view), view.text_attacks)
    chosen = {(defence, against) for defence, against, *_ in primary}
    others = [pair for pair in _with_baselines(view) if pair not in chosen]
    exploratory = _compared(view, others, view.text_attacks)
    adjusted = holm([found[2].p_value for found in primary])
    told = [Comparison(*found, len(primary), p) for found, p in zip(primary, adjusted, strict=True)]
    return [*told, *(Comparison(*found) for found in exploratory)]


def comparisons_by_attack(view: View) -> list[Comparison]:
    """Every defence against the baseline under each text attack by itself; ``p_adjusted`` is Holm's over all of them.

    Empty with fewer than two text attacks: one alone is what :func:`comparisons` is about.
    """
    each = [_compared(view, _with_baselines(view), [attack]) for attack in view.text_attacks]
    found = [comparison for compared in each for comparison in compared] if len(each) > 1 else []
    adjusted = holm([pair.p_value for _, _, pair, _, _ in found])
    return [Comparison(*one, p_adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def _with_baselines(view: View) -> list[tuple[str, str | None]]:
    return [(defence, view.baseline_of(defence)) for defence in view.defences]


def _family(view: View) -> list[tuple[str, str | None]]:
    suite = view.info.get("suite") or {}
    asked = suite.get("primary") or [name for name in view.defences if view.method(name).startswith("asa")]
    primary, rival = [name for name in view.defences if name in asked] or view.defences, suite.get("rival")
    rivals = [rival] if isinstance(rival, str) else rival or []
    against = [(name, other) for name in primary if name not in rivals for other in (view.baseline_of(name), *rivals)]
    known = [(name, other) for name, other in against if other in view.defences]
    return [(name, other) for name, other in known if view.like(other) not in {*primary} - {name}]


def _compared(
    view: View, asked: Sequence[tuple[str, str | None]], attacks: Sequence[str]
) -> list[tuple[str, str, Paired, int, list[str]]]:
    """Defence, what it is compared with, the comparison, its seeds and those of ``attacks`` that both stood.

    Only pairs that share examples.
    """
    found = []
    for defence, against in asked:
        shared = [] if against in (None, defence) else _shared_attacks(view, attacks, str(against), defence)
        if against is not None and shared and (pairs := _pairs(view, against, defence, shared)):
            found.append((defence, against, combine_seeds(pairs), len(pairs), shared))
    return found


def _shared_attacks(view: View, attacks: Sequence[str], *defences: str) -> list[str]:
    rows = view.examples
    stood = [set(rows.loc[rows["defence"] == defence, "attack"]) for defence in defences]
    return [attack for attack in attacks if all(attack in names for names in stood)]


def sentences(view: View) -> list[str]:
    """The answer for one task and encoder: a sentence per defence, then what it speaks of."""
    *told, scope = _answer(view)
    return [*told, *_blind_searches(view), *_cut(view), scope]


def _blind_searches(view: View) -> list[str]:
    """Attacks whose guided search is no better than a random one: scores that guide nowhere, or no guide needed.

    Each model is judged by itself: one whose scores mislead must not hide behind the others.
    """
    found = []
    for attack in [*view.text_attacks, *(name for name in view.attacks if view.kind(name) == "model")]:
        judged = ((name, _blind(view, attack, [name])) for name in view.defences)
        where = [f"on {name} ({_counted(counts)})" for name, counts in judged if counts]
        if not where and (counts := _blind(view, attack, view.defences)):  # each alone may be too few
            where = [f"on all models together ({_counted(counts)})"]
        if where:
            found.append(
                f"On the examples that both attacked, random search succeeds no less often than {attack} with the same "
                f"budget {listed(where)}: no gain by what guides {attack} is seen there."
            )
    return found


def _blind(view: View, attack: str, defences: Sequence[str]) -> Blind | None:
    """Whether an attack's control does as well as it on some defences together."""
    sides = (attack, f"{attack}-random")
    return blind(*(pd.concat([view.attacked(side, name) for name in defences]) for side in sides))


def _counted(counts: Blind) -> str:
    return f"{counts.random} against {counts.guided} of {counts.n}"


def _cut(view: View) -> list[str]:
    """What share of the texts the models did not read to their end, where that is any."""
    shares = {defence: view.estimate(defence, "truncated_share").value or 0.0 for defence in view.defences}
    most = max(shares, key=lambda defence: shares[defence], default=None)
    if most is None or not shares[most]:
        return []
    return [f"{percent(shares[most])} % of the clean texts are longer than {most} reads, and were cut."]


def _answer(view: View) -> list[str]:
    if not view.text_attacks:
        return ["No attack has given results, so nothing is known about robustness."]
    compared = comparisons(view)
    if not compared and view.baseline is None:
        return [*(_level(view, defence) for defence in view.defences), _ALONE]
    if not compared:
        return [f"No defence shares attacked examples with {view.baseline}, so nothing is compared."]
    return [*_told(compared), *_untold(compared), _scope(compared)]


def _told(compared: list[Comparison]) -> Iterator[str]:
    """The primary family, a sentence each; what says nothing, from ``MANY`` on, in one sentence for each defence."""
    primary = [comparison for comparison in compared if comparison.family]
    for _, found in groupby(primary, key=lambda comparison: (comparison.defence, comparison.attacks)):
        own = list(found)
        silent = [comparison for comparison in own if not comparison.significant]
        together = silent if len(silent) >= MANY else []
        yield from (_sentence(comparison) for comparison in own if comparison not in together)
        if together:
            yield _nothing(together)


def _nothing(silent: list[Comparison]) -> str:
    """What several comparisons of one defence, under the same attacks, leave open."""
    first, differences = silent[0], [comparison.pair.difference for comparison in silent]
    least = min(comparison.p_adjusted or 0.0 for comparison in silent)
    return (
        f"Nothing can be said about {first.defence} against {listed([each.against for each in silent])} under "
        f"{_under(first.attacks)}: differences of {points(min(differences))} to {points(max(differences))} points, "
        f"with their intervals in the table of comparisons ({p_value(least)} at the least with Holm's correction for "
        f"{first.family})."
    )


def _untold(compared: list[Comparison]) -> list[str]:
    """What is exploratory, in one sentence; empty when all is told."""
    others = [comparison for comparison in compared if not comparison.family]
    if not others:
        return []
    pairs = listed([f"{other.defence} with {other.against}" for other in others])
    return [f"Exploratory, in the table of comparisons, without correction for their number: {pairs}."]


_ALONE = (
    "No defence here is the baseline, so nothing is compared; asa-bench compare sets this run beside another one, "
    "example by example."
)


def _level(view: View, defence: str) -> str:
    """What one model reaches, where there is nothing to compare it with."""
    clean, worst = view.estimate(defence, "clean_accuracy"), view.estimate(defence, "worst_case_accuracy")
    return (
        f"{defence} is right on {_share(clean)} of the clean texts, "
        f"and still right on {_share(worst)} under {_under(view.text_attacks)}."
    )


def _share(estimate: Estimate) -> str:
    interval = percent_interval(estimate.low, estimate.high)
    return f"{percent(estimate.value)} %" + (f" ({interval}; n = {estimate.n:,})" if interval else "")


def _under(attacks: list[str]) -> str:
    if len(attacks) > NAMED:
        return f"each of {len(attacks)} attacks"
    return attacks[0] if len(attacks) == 1 else f"each of {listed(attacks)}"


def _pairs(view: View, base: str, defence: str, attacks: list[str]) -> list[Paired]:
    pairs = []
    for seed in sorted(set(view.seeds(base)) & set(view.seeds(defence))):
        rows = view.examples[view.examples["seed"] == seed]
        sides = [robust_under_all(rows[rows["defence"] == name], attacks) for name in (base, defence)]
        pair = paired(*sides)
        if pair is not None:
            pairs.append(pair)
    return pairs


def _sentence(comparison: Comparison) -> str:
    pair, base = comparison.pair, comparison.against
    under = _under(comparison.attacks)
    evidence = f"{_interval(pair)}{_p(comparison)}, n = {pair.n}"
    if comparison.significant:
        direction = "above" if pair.difference > 0 else "below"
        return (
            f"{comparison.defence} is still right on {percent(pair.new)} % of the examples under {under}, "
            f"{points(abs(pair.difference)).lstrip('+')} points {direction} {base} ({evidence})."
        )
    return (
        f"Nothing can be said about {comparison.defence} against {base} under {under}: {percent(pair.new)} % and "
        f"{percent(pair.reference)} % still right, a difference of {points(pair.difference)} points ({evidence}). "
        f"{_needed(comparison)}"
    )


def _interval(pair: Paired) -> str:
    if pair.low is None or pair.high is None:
        return ""
    return f"95 % interval {points(pair.low)} to {points(pair.high)}; "


def _p(comparison: Comparison) -> str:
    return f"{p_value(comparison.p_adjusted)} by {comparison.pair.test} with Holm's correction"


def _needed(comparison: Comparison) -> str:
    pair = comparison.pair
    if comparison.seeds >= MINIMUM_SEEDS:
        return f"More than these {comparison.seeds} training seeds would be needed."
    if pair.lost + pair.gained == 0:
        return "No example told the two apart, so there is nothing to plan a larger test from."
    seen = abs(pair.difference) > 0
    difference = abs(pair.difference) if seen else PLANNED_DIFFERENCE
    needed = examples_needed(difference, max(pair.discordant_share, difference))
    subject = "a difference of this size" if seen else f"a difference of {points(difference).lstrip('+')} points"
    return f"To show {subject}, about {_rounded(needed):,} examples would be needed (power 80 %)."


def _rounded(needed: int) -> int:
    """Two significant digits: the calculation knows no more."""
    magnitude = int(10 ** max(len(str(needed)) - 2, 0))
    return -(-needed // magnitude) * magnitude


def _scope(compared: list[Comparison]) -> str:
    seeds = min(comparison.seeds for comparison in compared)
    if seeds >= MINIMUM_SEEDS:
        return f"{seeds} training seeds each: this is about the methods as trained here, on these examples."
    count = "One training seed" if seeds == 1 else "Two training seeds"
    return f"{count} each: this is about these checkpoints, not about the methods."
