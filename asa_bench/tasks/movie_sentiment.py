"""Sentiment of movie review snippets, with product reviews, tweets and editorials as out-of-domain test sets.

Hutto & Gilbert (ICWSM 2014) had each sentence rated from -4 to 4 by about 20 people. A sentence whose mean rating is
further than 0.5 from 0 is labelled with its sign; the rest is neutral and left out.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from pathlib import Path

from asa_bench.assets import asset_path
from asa_bench.core.files import read_text
from asa_bench.core.fingerprint import example_ids
from asa_bench.tasks.base import Example, Exclusion, TaskData
from asa_bench.tasks.grouping import near_identical_groups, split_by_group

NAME = "movie-sentiment"
LABELS = ("negative", "positive")
SHARES = (("train", 0.7), ("validation", 0.1), ("test", 0.2))
NEUTRAL = 0.5
"""Largest distance of a mean rating from 0 that counts as neutral."""

MOVIES = "movieReviewSnippets"
OUT_OF_DOMAIN = {"product": "amazonReviewSnippets", "tweets": "tweets", "editorial": "nytEditorialSnippets"}


@functools.cache
def load() -> TaskData:
    """The task, from the asset ``hutto``.

    Raises:
        MissingAssetError: when the asset is neither cached nor reachable.
    """
    folder = asset_path("hutto")
    movies, exclusions = _read(folder, "movies", MOVIES)
    splits = split_by_group(movies, SHARES, NAME)
    out_of_domain: dict[str, tuple[Example, ...]] = {}
    for name, stem in OUT_OF_DOMAIN.items():
        rows, duplicates = _read(folder, name, stem)
        out_of_domain[name], known = _unlike(rows, splits["train"], name)
        exclusions += [*duplicates, *known]
    return TaskData(
        name=NAME,
        text_columns=("text",),
        labels=LABELS,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        out_of_domain=out_of_domain,
        exclusions=tuple(exclusion for exclusion in exclusions if exclusion.count),
    )


def _read(folder: Path, dataset: str, stem: str) -> tuple[list[Example], list[Exclusion]]:
    """The labelled, distinct sentences of one file.

    Of identical sentences the first one stays: a repeat would be trained on or attacked twice and weigh double.
    """
    rows = [line.split("\t") for line in read_text(folder / f"{stem}_GroundTruth.txt").splitlines() if line]
    rated = [(clean(text), float(rating)) for _, rating, text in rows]
    polar = [(text, rating) for text, rating in rated if abs(rating) > NEUTRAL]
    distinct = dict(reversed(polar))  # the first of each text wins
    kept = [(text, distinct.pop(text)) for text, _ in polar if text in distinct]
    ids = example_ids([(text,) for text, _ in kept])
    examples = [Example(key, (text,), int(rating > 0)) for key, (text, rating) in zip(ids, kept, strict=True)]
    return examples, [
        Exclusion(dataset, f"neutral (mean rating within {NEUTRAL} of 0)", len(rated) - len(polar)),
        Exclusion(dataset, "repeats an earlier text", len(polar) - len(kept)),
    ]


def clean(text: str) -> str:
    """``text`` without surrounding space and HTML entities, of which some are escaped twice (``&amp;amp;``)."""
    return html.unescape(html.unescape(text)).strip()


def _unlike(
    rows: Sequence[Example], train: Sequence[Example], dataset: str
) -> tuple[tuple[Example, ...], list[Exclusion]]:
    """The ``rows`` that are not near-identical to a training example."""
    groups = near_identical_groups([example.fields[0] for example in (*train, *rows)])
    trained = set(groups[: len(train)])
    kept = tuple(row for row, group in zip(rows, groups[len(train) :], strict=True) if group not in trained)
    return kept, [Exclusion(dataset, "near-identical to a training text", len(rows) - len(kept))]
