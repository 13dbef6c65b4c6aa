"""The doctor's findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.assets import cache
from asa_bench.assets.doctor import checks
from asa_bench.assets.manifest import MANIFEST


def test_empty_cache_is_told_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(cache, "_verified", set())
    found = {check.name: check for check in checks()}
    assert found["cache"].ok
    for name in MANIFEST:
        assert not found[f"asset {name}"].ok
        verb = "build" if MANIFEST[name].built_from else "fetch"
        assert found[f"asset {name}"].remedy == f"asa-bench assets {verb} {name}"
    assert found["asset minilm"].detail == "not cached, 91.6 MB, Apache-2.0"


def test_every_fault_has_a_remedy_and_no_health_has_one() -> None:
    assert all(check.ok == (not check.remedy) for check in checks())
    assert {"python", "threads", "accelerator", "bf16"} <= {check.name for check in checks()}
