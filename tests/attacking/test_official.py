"""Where the files of TextAttack's authors lie in its folder of the cache, its own recipe runs under its own name."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from asa_bench.assets import MANIFEST, asset_path, cache
from asa_bench.assets.counter_fitting import neighbours, unit
from asa_bench.assets.location import place
from asa_bench.records.store import load_run
from tests.conftest import Cli

from .test_own_vectors import VECTORS, WORDS, new_words


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache whose folder ``textattack`` has vectors in the form in which TextAttack's server gives them."""
    for asset in MANIFEST.values():
        if not asset.built_from:
            (tmp_path / place(asset).name).symlink_to(asset_path(asset.name))
    folder = tmp_path / "textattack" / "word_embeddings" / "paragramcf"
    folder.mkdir(parents=True)
    itself = np.arange(len(WORDS))[:, None]
    np.save(folder / "paragram.npy", VECTORS)
    np.save(folder / "nn.npy", np.hstack([itself, neighbours(unit(VECTORS), 50).words]))
    for name, value in (
        ("wordlist.pickle", {word: number for number, word in enumerate(WORDS)}),
        ("mse_dist.p", defaultdict(dict)),
        ("cos_sim.p", defaultdict(dict)),
    ):
        (folder / name).write_bytes(pickle.dumps(value))
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_verified", set())
    return folder


def test_the_original_runs_on_its_own_vectors(
    cli: Cli, checkpoint: Path, reviews: Path, official: Path, tmp_path: Path
) -> None:
    done = cli("attack", "--model", checkpoint, "--data", reviews / "test.csv", "--out", tmp_path / "run", "--attack",
               "iga", "--examples", 8, "--query-budget", 60, "--control-examples", 0, "--threads", 1)  # fmt: skip
    assert done.code == 0, done.err
    rows = load_run(tmp_path / "run").examples
    assert set(rows["attack"]) == {"iga"}
    assert set(rows["outcome"]) <= {"succeeded", "failed", "skipped"}
    succeeded = rows[rows["outcome"] == "succeeded"].to_dict("records")
    assert succeeded
    assert new_words(succeeded) <= set(WORDS)
