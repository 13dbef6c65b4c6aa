"""Signs that a number flatters a model, beside the number and in a table; and what misleads more than one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from asa_bench.reporting.formats import listed, percent, points
from asa_bench.reporting.tables import Cell, Column, Table, words
from asa_bench.reporting.view import View
from asa_bench.stats.flags import MOST, SURE, Flag, met_before, model_flags, outdone, stalled

CHECKS = ("unlike_answers", "zero_gradient", "training_accuracy")
"""Measures that the probes have; the others are metrics."""

METRICS = ("saturated_share", "truncated_share", "ece_calibrated", "validation_accuracy")


class Flagged(NamedTuple):
    """A sign, where it belongs, and its letter in the tables."""

    letter: str
    defence: str
    attack: str | None
    """None: all numbers of the defence."""
    reason: str


def flags(view: View) -> list[Flagged]:
    """All signs of a task and encoder, in the order of defences and attacks; equal reasons share a letter."""
    letters: dict[str, str] = {}
    found = []
    for defence, attack, flag in _signs(view):
        reason = REASONS[flag.why].format(value=_value(flag), n=f"{flag.n:,}", sure=f"{SURE:.2%}".replace("%", " %"))
        letter = letters.setdefault(flag.why, chr(ord("a") + len(letters)))
        found.append(Flagged(letter, defence, attack, reason))
    return found


def marks(found: list[Flagged], defence: str, attack: str | None) -> str:
    """The letters beside a number of a defence: its own, and under an attack that attack's."""
    places = (None, attack)
    return "".join(sorted({flag.letter for flag in found if flag.defence == defence and flag.attack in places}))


def flag_table(view: View) -> Table | None:
    """Every sign with its reason; None where there are none."""
    found = flags(view)
    if not found:
        return None
    return Table(
        "flags",
        "Flags: numbers that may flatter a model",
        "A flag does not say that a number is wrong; it says what to look at before it is believed. The letters stand "
        "beside the numbers in the table of robust accuracy. Looked for: "
        + listed(list(LOOKED_FOR.values()))
        + ". Invalid attacks and searches that random search equals are told above.",
        [Column(title, numeric=False) for title in ("Flag", "Defence", "Attack", "Why")],
        [[words(f.letter), words(f.defence), words(f.attack or "all"), words(f.reason)] for f in found],
    )


def transfer_table(view: View) -> Table | None:
    """What misled each defence, asked of the others; None where that was not measured."""
    rows = view.probes[view.probes["probe"] == "transfer"]
    if rows.empty:
        return None
    attacks = [attack for attack in view.attacks if attack in set(rows["attack"])]
    shares = {
        key: (float((part["value"] * part["n"]).sum() / part["n"].sum()), int(part["n"].sum()))
        for key, part in rows.groupby(["attack", "against", "defence"])
    }
    body = [
        [words(attack), words(source), *(_share(shares.get((attack, source, asked))) for asked in view.defences)]
        for attack in attacks
        for source in view.defences
        if any((attack, source, asked) in shares for asked in view.defences)
    ]
    return Table(
        "transfer",
        "Transfer: texts that misled one model, asked of another",
        "Share of the adversarial texts found against the defence of the row that mislead the model of the column as "
        "well, over those whose original it has right (their number in brackets; same seed, pooled over seeds). "
        "No attack on the model of the column: every other number here is of attacks on the model itself.",
        [Column("Attack", numeric=False), Column("Found against", numeric=False)]
        + [Column(f"{defence}, %") for defence in view.defences],
        body,
    )


def _signs(view: View) -> Iterator[tuple[str, str | None, Flag]]:
    for defence in view.defences:
        yield from ((defence, None, flag) for flag in model_flags(_measures(view, defence)))
        for attack in view.text_attacks:
            budget = view.budget(attack)
            if budget and (flag := stalled(view.attacked(attack, defence), budget)):
                yield defence, attack, flag
            blinder = view.counterpart(attack)
            sides = view.attacked(attack, defence), view.attacked(blinder or "", defence)
            if blinder and (flag := outdone(*sides)):
                yield defence, attack, flag
            yield from ((defence, attack, flag) for flag in met_before(view.recipe(attack), view.known(defence)))


def _measures(view: View, defence: str) -> Mapping[str, tuple[float | None, int]]:
    found: dict[str, tuple[float | None, int]] = {}
    for metric in METRICS:
        estimate = view.estimate(defence, metric)
        found[metric] = (estimate.value, estimate.n)
    own = view.probes[view.probes["defence"] == defence]
    for check in CHECKS:
        rows = own[own["probe"] == check]
        if len(rows):
            found[check] = (float(rows["value"].mean()), int(rows["n"].sum()))
    return found


def _value(flag: Flag) -> str:
    return points(flag.value) if flag.why in ("gap", "outdone") else percent(flag.value)


def _share(found: tuple[float, int] | None) -> Cell:
    return Cell(None, "–") if found is None else Cell(found[0], percent(found[0]), f"{found[1]:,}")


REASONS = {
    "unlike_answers": "{value} % of {n} texts got other scores when they were asked about again: the model answers at "
    "random, which misleads a search and is no robustness",
    "zero_gradient": "for {value} % of {n} texts the loss has no gradient at all: attacks that follow it are blind",
    "saturated_share": "{value} % of {n} clean answers are surer than {sure} before calibration: attacks on raw "
    "probabilities are starved, and what a fitted temperature can mend is little",
    "truncated_share": "{value} % of {n} clean texts are longer than the model reads: attacks may change what it never "
    "sees",
    "ece_calibrated": "confidence misses accuracy by {value} points on {n} texts, after calibration, too: the scores "
    "that guide the attacks are poor",
    "gap": "{value} points more are right on training examples than on validation (n = {n}): overfitted, which the "
    "clean accuracy shows and robust accuracy inherits",
    "stalled": "nothing fell in the second half of the query budget, though {n} examples used all of it: the search "
    "was stuck, and more queries would not have shown it",
    "outdone": "sees the gradient, and yet turns {value} points fewer of {n} examples than the attack of the same "
    "candidates and constraints that sees scores alone: the gradient misleads or is masked",
    "learnt": "trained on this attack: it learnt from the recipe's successes on up to {n} training examples; the "
    "number says little about attacks that it has not met",
    "tuned": "tuned on this attack: its settings were chosen by what the recipe left of up to {n} validation examples; "
    "the number says little about attacks that it has not met",
}
"""Why each sign matters, in words."""

LOOKED_FOR = {
    "unlike_answers": "unlike answers to the same text",
    "zero_gradient": f"no gradient for over {MOST['zero_gradient']:.0%} of the texts".replace("%", " %"),
    "saturated_share": "saturated scores for most texts",
    "truncated_share": f"over {MOST['truncated_share']:.0%} of the texts cut".replace("%", " %"),
    "ece_calibrated": f"calibration error over {MOST['ece_calibrated']:.0%} after calibration".replace("%", " %"),
    "gap": f"validation accuracy over {MOST['gap'] * 100:.0f} points below training accuracy",
    "stalled": "a second half of the budget without success",
    "outdone": "a white-box attack that its black-box counterpart outdoes",
    "learnt": "an attack that the defence was trained on",
    "tuned": "an attack that the defence was tuned on",
}
"""What is looked for, in words."""
