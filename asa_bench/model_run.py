"""One call from a ready-made model to a finished run directory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from asa_bench.attacking.here import AttackHere
from asa_bench.benchmark import carry_out
from asa_bench.core.errors import InputError
from asa_bench.core.validation import validated
from asa_bench.model_plan import Given, given_checkpoint, make_model_plan
from asa_bench.model_settings import SOURCE, ModelRun
from asa_bench.models.predictor import Predict, Predictor
from asa_bench.plan import default_directory
from asa_bench.records.directory import RunDirectory
from asa_bench.records.store import Run
from asa_bench.stages import Progress
from asa_bench.tasks import Example
from asa_bench.tasks.attacked import labelled

Rows = str | Path | pd.DataFrame | Sequence[tuple[str | tuple[str, ...], int | str]]
"""A file's path, a table with text and label columns, or pairs of text (a tuple for several fields) and label."""


def attack(
    model: Any = None,
    tokenizer: Any = None,
    examples: Rows | None = None,
    attacks: Sequence[str] = ("deepwordbug",),
    *,
    predict: Predict | None = None,
    labels: Sequence[str] | None = None,
    validation: Rows | None = None,
    out: str | Path | None = None,
    fresh: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
    number: int | None = None,
    **settings: Any,
) -> Run:
    """Attack a text classifier that you already have, and write a run directory with a report.

    >>> asa_bench.attack("my/checkpoint", examples="test.csv", attacks=["pwws"])            # doctest: +SKIP
    >>> asa_bench.attack(model, tokenizer, [("good film", 1), ("dull", 0)], ["pwws"])       # doctest: +SKIP
    >>> asa_bench.attack(predict=pipeline.predict_proba, labels=["neg", "pos"],             # doctest: +SKIP
    ...                  examples="test.csv", attacks=["deepwordbug"])

    Args:
        model: a folder or Hub name of a sequence classifier, or a model of transformers.
        tokenizer: its tokenizer, with a model of transformers.
        examples: rows to attack.
        attacks: recipes, see ``asa-bench list attacks``, or paths of TOML files.
        predict: instead of ``model``: any function from a list of texts to probabilities ``(texts, labels)``. It is
            attacked in this process.
        labels: with ``predict``: names of its columns.
        validation: rows to fit the temperature on; by default rows of ``examples`` that are not attacked.
        out: the run directory; ``runs/<name>-on-<task>`` by default.
        fresh: do again what an earlier run did with other settings, instead of refusing.
        workers: processes that attack at once, for models on a GPU; results do not depend on it.
        progress: who is told how the work goes.
        number: how many of the examples to attack; 200, or all where there are fewer.
        settings: further fields of :class:`asa_bench.model_settings.ModelRun`, such as ``name``, ``seed`` or
            ``labelling``: what the model calls the data's labels.

    Returns:
        The run as :func:`asa_bench.load_run` gives it.

    Raises:
        InputError: for anything wrong with model, data, recipes or directory. Nothing is overwritten then.
    """
    if (model is None) == (predict is None) or examples is None:
        raise InputError("attack: expected examples, and either model or predict")
    if predict is not None and workers != 1:
        raise InputError("attack: predict is attacked in this process; workers have to be 1")
    asked = validated(ModelRun, {**settings, "attack": tuple(attacks), "examples": number}, SOURCE)
    with tempfile.TemporaryDirectory() as scratch:
        given = _given(model, tokenizer, predict, labels, Path(scratch))
        data, held_out = (_data(rows, asked, given) for rows in (examples, validation))
        assert data is not None
        plan = make_model_plan(asked, given, data, held_out)
        directory = RunDirectory(Path(out) if out is not None else default_directory(plan.name))
        attacker = None if given.predictor is None else AttackHere(given.predictor)
        return carry_out(plan, directory, fresh=fresh, workers=workers, progress=progress, attacker=attacker)


def _given(model: Any, tokenizer: Any, predict: Predict | None, labels: Sequence[str] | None, scratch: Path) -> Given:
    if predict is not None:
        if labels is None or len(labels) < 2:
            raise InputError("attack: predict goes with labels: the names of its columns, two or more")
        names = tuple(map(str, labels))
        return Given(getattr(predict, "__qualname__", type(predict).__name__), names, "function",
                     predictor=Predictor(predict, names))  # fmt: skip
    if isinstance(model, str | Path):
        return given_checkpoint(str(model))
    if tokenizer is None:
        raise InputError("attack: a model of transformers goes with its tokenizer")
    model.save_pretrained(scratch, safe_serialization=True)
    tokenizer.save_pretrained(scratch)
    found = given_checkpoint(str(scratch))
    return Given(f"a {type(model).__name__} given in Python", found.labels, found.encoder, folder=scratch)


def _data(rows: Rows | None, asked: ModelRun, given: Given) -> str | tuple[Example, ...] | None:
    if rows is None or isinstance(rows, str):
        return rows
    if isinstance(rows, Path):
        return str(rows)
    if isinstance(rows, pd.DataFrame):
        return labelled(rows, asked.text, asked.label, given.labels, asked.labelling, "examples")
    texts = [(text,) if isinstance(text, str) else tuple(text) for text, _ in rows]
    columns: Mapping[str, Any] = {name: [text[i] for text in texts] for i, name in enumerate(asked.text)}
    frame = pd.DataFrame({**columns, asked.label: pd.Series([label for _, label in rows], dtype=object)})
    return labelled(frame, asked.text, asked.label, given.labels, asked.labelling, "examples")
