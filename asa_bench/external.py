"""Adversarial texts that somebody found elsewhere: asked of a run's models again, they may lower its worst case."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch

from asa_bench.attacking.rows import split
from asa_bench.core.errors import InputError
from asa_bench.core.registry import nearest
from asa_bench.model_plan import given_checkpoint
from asa_bench.models.checkpoint import weights_digest
from asa_bench.models.classifier import Classifier, load_classifier
from asa_bench.models.encoder import EncoderSettings, checkpoint_digest
from asa_bench.models.kinds import kernel
from asa_bench.records.directory import RunDirectory
from asa_bench.records.schema import CELL, EXTERNAL, RESULTS, table
from asa_bench.records.store import Run, concatenate, finished_run, load_run, read_table, write_csv, write_table
from asa_bench.stats.metrics import with_worst_case
from asa_bench.tasks.rows import read_rows

NAME = re.compile(r"\w[\w.-]{0,59}")
"""What external results may be called: safe in tables."""

PLACES = ("task", "encoder", "defence", "seed")
"""Columns that say which models a text is meant for; where one is missing or empty, for all."""

ORIGINALS = ("example_id", "original_text")
"""Columns that say which example a text was made from; one is enough, and two have to agree."""

A_SLIP = 0.8
"""How alike a column must be to one that is not there to be taken for it, misspelt, and not for a remark."""


class Claim(NamedTuple):
    """A text that is said to mislead a model, and the attacked example that it was made from."""

    model: tuple[str, str, str, int]
    """Task, encoder, defence and seed."""
    example_id: str
    label: int
    right_before: bool
    text: str


def import_external(path: str | Path, file: Path, name: str) -> Run:
    """Ask the models of the run at ``path`` about the texts in ``file``; what misleads them lowers the worst case.

    Texts that were there stay, under the same ``name`` too: what has lowered a number once goes on to. Nothing that a
    run measured itself changes.

    Args:
        path: a finished run whose checkpoints are there.
        file: CSV, TSV, JSONL or Parquet with ``adversarial_text``, ``example_id`` or ``original_text``, and, for texts
            that are meant for some models only, ``defence``, ``seed``, ``task``, ``encoder``.
        name: what the report calls these results.

    Raises:
        InputError: for a wrong name or row, a run that is not finished or in use, a checkpoint that is not there or
            has changed. Nothing is written then.
    """
    if not NAME.fullmatch(name):
        raise InputError("--name: expected letters, digits and . _ -, at most 60")
    finished_run(path)
    with RunDirectory(Path(path)).locked():
        run = finished_run(path)
        claims = list(_Reader(run, file).claims())
        rows = [{**row, "name": name} for row in _asked(run, claims)]
        brought = concatenate([run.external, table(rows, EXTERNAL)], EXTERNAL)
        external = brought.drop_duplicates(["name", *CELL, "example_id", "adversarial_text"], keep="last")
        text = [entry["name"] for entry in run.suite["attack"] if entry.get("kind", "text") == "text"]
        results = with_worst_case(run.results, run.examples, text, run.info.get("invalid") or (), external)
        write_table(run.path / "external.parquet", external, EXTERNAL)
        write_table(run.path / "results.parquet", results, RESULTS)
        write_csv(run.path / "results.csv", results)
        return load_run(path)


def renew_external(directory: RunDirectory) -> pd.DataFrame:
    """What was brought to a run; what was asked of a model that is another one by now no longer counts."""
    path = directory.path / "external.parquet"
    external = read_table(path, EXTERNAL)
    places = external[CELL].astype(str).agg("/".join, axis=1) if len(external) else pd.Series(dtype=str)
    now = places.map({place: directory.evaluated(place) for place in places.unique()})
    old = external["model"].isna() | (external["model"] != now)
    if old.any():
        external.loc[old, ["prediction", "confirmed"]] = [None, False]
        write_table(path, external, EXTERNAL)
    return external


class _Reader:
    """Reads a file's rows against what a run attacked."""

    def __init__(self, run: Run, file: Path) -> None:
        self._run = run
        self._file = file
        attacked = run.worded[run.worded["outcome"].isin(["succeeded", "failed", "skipped"])]
        self._examples = attacked.drop_duplicates([*CELL, "example_id"])

    def claims(self) -> Iterator[Claim]:
        """One for each row and model that it is meant for."""
        frame = read_rows(self._file)
        self._check_columns(list(map(str, frame.columns)))
        for number, row in enumerate(frame.to_dict("records"), start=1):
            given = {str(key): value for key, value in row.items() if not _empty(value)}
            if "seed" in given:  # tables with gaps in a column write its integers as 0.0
                given["seed"] = str(given["seed"]).removesuffix(".0")
            yield from self._of_row(number, given)

    def _check_columns(self, columns: Sequence[str]) -> None:
        for needed in (("adversarial_text",), ORIGINALS):
            if not set(needed) & set(columns):
                raise InputError(f"{self._file}: no column '{needed[0]}'{nearest(needed[0], columns)}")
        absent = [place for place in PLACES if place not in columns]
        for name in columns:  # misspelt, it would mean every model
            if hint := nearest(name, absent, A_SLIP):
                raise InputError(f"{self._file}: unknown column '{name}'{hint}")

    def _of_row(self, number: int, given: Mapping[str, Any]) -> Iterator[Claim]:
        place = f"{self._file}: row {number}: field"
        text = given.get("adversarial_text")
        if not isinstance(text, str):
            raise InputError(f"{place} 'adversarial_text': expected a text")
        rows = self._examples
        for column in PLACES:
            if column in given:
                rows = rows[rows[column].astype(str) == str(given[column])]
                if rows.empty:
                    raise InputError(f"{place} '{column}': nothing attacked in this run is of {str(given[column])!r}")
        told = [name for name in ORIGINALS if name in given]
        if not told:
            raise InputError(f"{place} '{ORIGINALS[0]}' is empty")
        for column in told:
            rows = rows[rows[column] == str(given[column])]
            if rows.empty:
                raise InputError(f"{place} '{column}': no such example was attacked there")
        for known in rows.to_dict("records"):
            if wrong := _no_text(text, text_fields(self._run, known["task"])):
                raise InputError(f"{place} 'adversarial_text': {wrong}")
            yield Claim(
                tuple(known[name] for name in CELL), str(known["example_id"]), int(known["label"]),
                known["original_prediction"] == known["label"], text,
            )  # fmt: skip


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and pd.isna(value))


def _no_text(text: str, fields: int) -> str | None:
    """Why a model that reads so many fields cannot be asked about ``text``; None when it can."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "half of a character (a lone surrogate)"
    if fields == 1:
        return None
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or brackets in brackets without end
        parts = None
    if not isinstance(parts, list) or len(parts) != fields or not all(isinstance(part, str) for part in parts):
        return f"expected a JSON array of {fields} texts"
    return None


def text_fields(run: Run, task: str) -> int:
    """How many text fields an example of a task of ``run`` has."""
    return len(_entry(run, "task", task)["text"])


def _entry(run: Run, kind: str, name: str) -> Mapping[str, Any]:
    return next(entry for entry in run.suite[kind] if entry["name"] == name)


def _asked(run: Run, claims: Sequence[Claim]) -> Iterator[dict[str, Any]]:
    """What each model answers, as rows of ``EXTERNAL`` but for the name."""
    models: dict[tuple[str, str, str, int], list[Claim]] = {}
    for claim in dict.fromkeys(claims):
        models.setdefault(claim.model, []).append(claim)
    asking, directory = _Models(run), RunDirectory(run.path)
    for model, own in models.items():
        cell = dict(zip(CELL, model, strict=True))
        asked = {**cell, "model": directory.evaluated("/".join(map(str, model)))}
        texts = [tuple(split(claim.text, text_fields(run, model[0]))) for claim in own]
        answers = asking.classifier(*model).logits(texts).argmax(dim=1).tolist()
        for claim, prediction in zip(own, answers, strict=True):
            confirmed = claim.right_before and prediction != claim.label
            found = {"prediction": prediction, "confirmed": confirmed, "label": claim.label}
            yield {**asked, "example_id": claim.example_id, "adversarial_text": claim.text, **found}


class _Models:
    """The run's models, as they were when the run asked them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        torch.set_num_threads(run.info["resolved"]["threads"])

    def classifier(self, task: str, encoder: str, defence: str, seed: int) -> Classifier:
        """A model that was attacked.

        Raises:
            InputError: when its checkpoint is not there, or is another one now, or the run's device is not here.
        """
        resolved = self._run.info["resolved"]
        device = torch.device(resolved["device"])
        if device.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"{self._run.path}: its models were asked on '{device}'; no such device here")
        entry, cell = _entry(self._run, "defence", defence), f"{task}/{encoder}/{defence}/{seed}"
        folder = self._given(entry, encoder) if entry["method"] == "given" else self._run.path / "models" / cell
        if not folder.is_dir():
            raise InputError(f"{folder}: no checkpoint there to ask; the run did not keep it")
        kernel_ = kernel(folder, self._attention(encoder), device)
        classifier = load_classifier(folder, resolved["precision"], device, kernel_)
        weights = RunDirectory(self._run.path).state(f"train/{cell}").get("weights")
        if weights is not None and weights != weights_digest(classifier.model):
            raise InputError(f"{folder}: no longer the model that was attacked")
        return classifier

    def _attention(self, encoder: str) -> Literal["auto", "eager", "sdpa"]:
        entries = (
            entry for entry in self._run.suite["encoder"] if EncoderSettings(name=entry["name"]).label == encoder
        )
        return next((entry["attention"] for entry in entries if "attention" in entry), "auto")

    def _given(self, entry: Mapping[str, Any], encoder: str) -> Path:
        if encoder == "function":
            raise InputError(f"{self._run.path}: its model is a function of Python, of which nothing is kept to ask")
        folder = given_checkpoint(entry["model"]).folder
        if folder is None or checkpoint_digest(folder) != entry["digest"]:
            raise InputError(f"{entry['model']}: no longer the model that was attacked")
        return folder
