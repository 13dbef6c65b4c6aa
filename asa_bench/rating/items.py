"""What people can be asked about in a run: its adversarial texts, and controls that show careless raters."""

from __future__ import annotations

import pandas as pd

from asa_bench.core.fingerprint import fingerprint
from asa_bench.records.schema import CELL
from asa_bench.records.store import Run
from asa_bench.reporting.view import views
from asa_bench.stats.ratings import COPY, MISMATCH

TEXT = [*CELL, "attack", "protocol", "example_id", "adversarial_text"]
"""What makes a text an item: the same text found by another model or attack is another one."""

CONTROL = ["task", "encoder", "example_id", "control"]
"""What makes a control an item: it belongs to no model."""


def originals(run: Run) -> pd.DataFrame:
    """The attacked examples of valid attacks of kind *text* (schema ``EXAMPLES``), those without a text left out."""
    frames = [view.examples[view.examples["attack"].isin(view.text_attacks)] for view in views(run)]
    rows = pd.concat(frames) if frames else run.examples
    return rows[rows["original_text"].notna()]


def texts(rows: pd.DataFrame) -> pd.DataFrame:
    """The successes among ``rows`` with their ``item``; ``control`` is null."""
    found = rows[(rows["outcome"] == "succeeded") & rows["adversarial_text"].notna()]
    return found.assign(item=_ids(found[TEXT]), control=None)


def controls(rows: pd.DataFrame) -> pd.DataFrame:
    """Each example of ``rows`` as a control of either kind, with its ``item``; nothing in it names a model.

    Where all texts are the same there is no mismatch.
    """
    place = ["task", "encoder"]
    examples = rows.drop_duplicates([*place, "example_id"]).sort_values([*place, "example_id"])
    bare = examples[[*place, "example_id", "label", "original_text"]]
    several = bare.groupby(place)["original_text"].transform("nunique") > 1
    both = pd.concat([bare.assign(control=COPY), bare[several].assign(control=MISMATCH)])
    return both.assign(item=_ids(both[CONTROL]))


def items(run: Run) -> pd.DataFrame:
    """All that may stand in a sheet of ``run``, by ``item``."""
    rows = originals(run)
    return pd.concat([texts(rows), controls(rows)]).set_index("item", drop=False)


def _ids(frame: pd.DataFrame) -> list[str]:
    """Names that tell nothing and come out the same again; the letter keeps spreadsheets from reading a number."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [f"x{fingerprint(list(row))[:16]}" for row in plain.itertuples(index=False)]
