"""The embedded encoder on the shipped task: the one test with real weights."""

from __future__ import annotations

from pathlib import Path

from asa_bench.benchmark import run

OVERRIDES = [
    "train.examples=64", "train.epochs=1", "train.max_length=48", "task.clean_accuracy_floor=0.0",
    "evaluation.validation=32", "evaluation.test=32", "evaluation.out_of_domain=8", "attack.examples=2",
]  # fmt: skip


def test_the_quickstart_in_small(tmp_path: Path) -> None:
    done = run("quickstart", tmp_path / "run", overrides=OVERRIDES)
    assert {cell["status"] for cell in done.info["cells"]} == {"done"}
    assert set(done.results["metric"]) >= {
        "clean_accuracy", "robust_accuracy", "attack_success_rate", "worst_case_accuracy",
        "accuracy_product", "accuracy_tweets", "accuracy_editorial", "calibration_temperature", "ece",
    }  # fmt: skip
    assert done.info["assets"].keys() == {"hutto", "minilm", "stopwords", "wordnet"}
    masked = done.training.query("defence == 'asa'")[[f"masked_ratio_{layer}" for layer in range(6)]]
    assert masked.notna().all(axis=None)
