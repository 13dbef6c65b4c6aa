"""Tables of what people say of the adversarial texts, and of how far they can be relied on."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from asa_bench.reporting.accuracy_tables import ROBUST
from asa_bench.reporting.formats import number
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain, words
from asa_bench.reporting.view import NOTHING, View
from asa_bench.stats.intervals import proportion
from asa_bench.stats.ratings import KEPT, SCALES, accepted_robust_accuracy, agreement, current, judged, raters, share

VERDICTS = ("meaning_kept", "label_kept", "accepted")

SCALE_NAMES = {"label_read": "label read", "meaning": "meaning", "grammar": "grammar"}


def rated(view: View) -> Table | None:
    """What people accept, by attack and defence; None where nobody rated a text that is still in the run."""
    verdicts = judged(current(view.ratings, view.examples))
    rows = [row for attack in view.text_attacks for row in _rows(view, attack, verdicts[verdicts["attack"] == attack])]
    if not rows:
        return None
    return Table(
        "ratings",
        "What people say of the adversarial texts",
        "Rated by people who did not know attack, defence or outcome, on a sample of the successes (Texts). Meaning "
        f"kept: mean rating {KEPT} or more of 5. Label kept: more than half of the raters read the gold label from the "
        "adversarial text. Accepted: both; only such a text is an adversarial example. Grammar: mean of 1 to 5. "
        "Intervals: Wilson, 95 %, over the rated texts; all defences: over all rated texts of the attack. Robust, "
        "accepted only: an estimate from that sample, no count – the accuracy if only successes that people accept "
        "counted, every success taken to be accepted as often as the rated ones; its interval knows of the sample of "
        "texts and of the examples. An attack that had to keep to acceptable texts might have found others.",
        [
            Column("Attack", numeric=False),
            Column("Defence", numeric=False),
            Column("Texts"),
            Column("Meaning kept, %", interval=True),
            Column("Label kept, %", interval=True),
            Column("Accepted, %", interval=True),
            Column("Grammar"),
            Column("Robust, %", interval=True),
            Column("Robust, accepted only (estimate), %", interval=True),
        ],
        rows,
    )


def rater_table(view: View) -> Table | None:
    """How many texts each person rated, and how many controls wrongly; None where nobody rated anything."""
    found = list(raters(view.ratings))
    if not found:
        return None
    now = current(view.ratings, view.examples)
    several = int((now.groupby("item").size() > 1).sum())
    alphas = ", ".join(f"{SCALE_NAMES[name]} {number(agreement(now, name), 2)}" for name in SCALES)
    return Table(
        "raters",
        "Raters",
        "Controls stood unmarked among the texts: copies, whose meaning is kept, and pairs of unlike examples, whose "
        f"meaning is not. One is failed where the rating of meaning ({KEPT} or more: kept) says otherwise; who "
        "answers at random fails about half. Agreement on the texts that two or more rated (Krippendorff's alpha: 1 = "
        f"they agree, 0 = as by chance; {several:,} texts): {alphas}.",
        [
            Column("Rater", numeric=False),
            Column("Texts"),
            Column("Controls"),
            Column("Controls failed, %", interval=True),
        ],
        [
            [
                words(each.name),
                plain(each.texts, 0),
                plain(each.controls, 0),
                percentage(proportion(each.failed, each.controls)),
            ]
            for each in found
        ],
    )


def _rows(view: View, attack: str, verdicts: pd.DataFrame) -> Iterator[list[Cell]]:
    """A row for each defence with rated texts, and where there are several, one for all of them."""
    defences = [defence for defence in view.defences if verdicts["defence"].eq(defence).any()]
    for defence in defences:
        own = verdicts[verdicts["defence"] == defence]
        robust = view.estimate(defence, ROBUST, attack)
        estimated = accepted_robust_accuracy(view.attacked(attack, defence), share(own["accepted"]))
        yield [words(attack), words(defence), *_verdict(own), percentage(robust), percentage(estimated)]
    if len(defences) > 1:
        yield [words(attack), words("all defences"), *_verdict(verdicts), percentage(NOTHING), percentage(NOTHING)]


def _verdict(verdicts: pd.DataFrame) -> list[Cell]:
    shares = [percentage(share(verdicts[name])) for name in VERDICTS]
    return [plain(len(verdicts), 0), *shares, plain(float(verdicts["grammar"].mean()), 1)]
