"""Tables of what the models get right: the comparison, the attacks in detail, other domains."""

from __future__ import annotations

from collections.abc import Sequence

from asa_bench.reporting.flag_tables import flags, marks
from asa_bench.reporting.formats import listed
from asa_bench.reporting.tables import Cell, Column, Table, marked, percentage, plain, words
from asa_bench.reporting.view import View
from asa_bench.stats.intervals import MINIMUM_SEEDS, Estimate
from asa_bench.stats.metrics import TEST

JUDGE = "minilm"
"""The asset that judges similarity; an attack that needs it has it among its constraints, too."""

LETTERS = " Letters in square brackets: flags; their table says why the number may flatter the model."

CLEAN, ROBUST, WORST = "clean_accuracy", "robust_accuracy", "worst_case_accuracy"


def comparison(view: View) -> Table:
    """Defences × attacks: clean accuracy, the worst case, and robust accuracy under each text attack."""
    attacks, worst = view.text_attacks, view.has_worst_case
    shown = [*attacks, *view.invalid]
    titles = ["Clean accuracy, %", *(["Worst case, %"] if worst else []), *(f"{attack}, %" for attack in shown)]
    rows, signs = [], flags(view)
    for defence in view.defences:
        row = [words(defence), marked(percentage(view.estimate(defence, CLEAN)), marks(signs, defence, None))]
        row += [marked(percentage(view.estimate(defence, WORST)), marks(signs, defence, None))] if worst else []
        for attack in attacks:
            robust = percentage(view.estimate(defence, ROBUST, attack))
            row.append(marked(robust, marks(signs, defence, attack)))
        rows.append(row + [Cell(None, "invalid")] * len(view.invalid))
    return Table(
        "comparison",
        "Clean and robust accuracy",
        _comparison_caption(view) + (LETTERS if signs else ""),
        [Column("Defence", numeric=False), *(Column(title, interval=True) for title in titles)],
        rows,
        turned_head="Accuracy, %",
    )


def attack_detail(view: View, attacks: Sequence[str], name: str, title: str) -> Table:
    """One row per attack and defence: success with both its numbers, effort, size of the change, what went wrong."""
    rows = [_attack_row(view, attack, defence) for attack in attacks for defence in view.defences]
    return Table(
        name,
        title,
        "Success rate: examples whose prediction the attack turned wrong, over the attacked ones, which are those that "
        "were right before and whose attack came to an end (both numbers in brackets, over all seeds). Queries: per "
        "attacked example. Words changed and similarity: means over successes. Errors and time-outs: counts per seed; "
        f"they count as not shown robust and are left out of the success rate.{own_constraint(view, attacks)}",
        [
            Column("Attack", numeric=False),
            Column("Defence", numeric=False),
            Column("Success rate, %", interval=True),
            Column("Queries, mean"),
            Column("Queries, median"),
            Column("Words changed"),
            Column("Similarity"),
            Column("Errors"),
            Column("Time-outs"),
        ],
        [row for row in rows if row],
    )


def own_constraint(view: View, attacks: Sequence[str]) -> str:
    """A sentence on attacks whose similarity has its own constraint for its judge; empty without any."""
    protocols = view.info.get("protocols") or {}
    own = [attack for attack in attacks if JUDGE in ((protocols.get(attack) or {}).get("assets") or {})]
    return f" Similarity of {listed(own)}: judged by the attack's own constraint, not by a stranger." if own else ""


def _attack_row(view: View, attack: str, defence: str) -> list[Cell]:
    success = view.estimate(defence, "attack_success_rate", attack)
    if not view.estimate(defence, ROBUST, attack).n:
        return []
    succeeded = sum(
        round(seed.value * seed.n)
        for seed in (view.estimate(defence, "attack_success_rate", attack, seed) for seed in view.seeds(defence))
        if seed.value is not None
    )
    cells = [words(attack), words(defence), percentage(success, f"{succeeded}/{success.n}")]
    for metric, digits in (("queries_mean", 1), ("queries_median", 0), ("words_changed_mean", 1)):
        cells.append(plain(view.estimate(defence, metric, attack).value, digits))
    cells.append(plain(view.estimate(defence, "similarity_mean", attack).value, 2))
    return cells + [_count(view, defence, metric, attack) for metric in ("errors", "timeouts")]


def _count(view: View, defence: str, metric: str, attack: str) -> Cell:
    value = view.estimate(defence, metric, attack).value
    whole = value is None or float(value).is_integer()
    return plain(value, 0 if whole else 1)


def out_of_domain(view: View) -> Table | None:
    """Accuracy on the test sets of other domains; None when the run has none."""
    metrics = view.metrics("accuracy_")
    if not metrics:
        return None
    columns = [CLEAN, *metrics]
    titles = [TEST, *(metric.removeprefix("accuracy_") for metric in metrics)]
    return Table(
        "out-of-domain",
        "Accuracy in other domains",
        f"Share of right predictions on clean text. {TEST}: the test set of {view.task}; the others were never trained "
        f"on. n = {listed([_n(view, metric) for metric in columns])} examples. {interval_note(view)}",
        [Column("Defence", numeric=False), *(Column(f"{title}, %", interval=True) for title in titles)],
        [
            [words(defence), *(percentage(view.estimate(defence, metric)) for metric in columns)]
            for defence in view.defences
        ],
    )


def interval_note(view: View) -> str:
    """What the intervals are, and what one or two training seeds allow to be said."""
    counts = {len(view.seeds(defence)) for defence in view.defences} - {0}
    if counts == {1}:
        return (
            "Brackets: 95 % Wilson intervals over the examples of one training seed; they speak of these checkpoints, "
            "not of the methods."
        )
    if counts == {2}:
        return "Means of two training seeds, without intervals; they speak of these checkpoints, not of the methods."
    if counts and min(counts) >= MINIMUM_SEEDS:
        return (
            f"Means of {span(counts)} training seeds; brackets: 95 % t intervals over the seeds, on these examples "
            "(none where all seeds agree)."
        )
    return (
        f"Means over the training seeds, {span(counts)} per defence; brackets: 95 % intervals, Wilson over the "
        "examples with one seed, t over the seeds with three or more. One or two seeds speak of these checkpoints, "
        "not of the methods."
    )


def _comparison_caption(view: View) -> str:
    attacks = view.text_attacks
    sizes = sorted({seed.n for a in attacks for d in view.defences for seed in _per_seed(view, d, ROBUST, a)})
    parts = [
        f"Clean accuracy: right on the test set (n = {_n(view, CLEAN)}). Under attack: robust accuracy, the share of "
        "all sampled examples that are right before the attack and still right after it"
        + (f" (n = {span(set(sizes))})" if sizes else "")
        + ". An attack succeeds when it turns a right prediction wrong; errors and time-outs count as not shown robust."
    ]
    if len(attacks) > 1 and not view.has_worst_case:
        parts.append("No worst case: no model stood every attack.")
    elif attacks[1:]:
        budgets = listed([f"{a}{f' ({b} queries)' if (b := view.budget(a)) else ''}" for a in attacks])
        parts.append(f"Worst case: still right under each of {budgets}.")
    parts += [
        f"{attack} is invalid: {reason}; it says nothing about robustness." for attack, reason in view.invalid.items()
    ]
    return " ".join([*parts, interval_note(view)])


def _n(view: View, metric: str) -> str:
    sizes = {seed.n for defence in view.defences for seed in _per_seed(view, defence, metric, None)}
    return span(sizes) if sizes else "0"


def _per_seed(view: View, defence: str, metric: str, attack: str | None) -> list[Estimate]:
    found = [view.estimate(defence, metric, attack, seed) for seed in view.seeds(defence)]
    return [estimate for estimate in found if estimate.n]


def span(counts: set[int]) -> str:
    """Counts as a phrase: the only one, or the smallest to the largest."""
    if not counts:
        return "0"
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
