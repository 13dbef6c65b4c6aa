"""The gate's verdicts: exit codes and sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_json, write_json
from asa_bench.records.store import Run
from asa_bench.tracking.gate import Verdict, gate
from asa_bench.tracking.limits import Limits, read_limits
from asa_bench.tracking.writing import to_junit, verdict_markdown
from tests.conftest import Cli

from .conftest import MakeRun, frame, outcomes

Judge = Callable[..., tuple[int, list[str]]]


UNDER_FLOOR = "{} (seed 0) has clean accuracy 0.500, under the floor of 0.502: the comparison is not meaningful"


def answer(verdict: Verdict) -> tuple[int, str]:
    return int(verdict.code), verdict.sentences[0]


@pytest.fixture
def old(make_run: MakeRun) -> Run:
    return make_run("old")


def test_the_same_again_passes(old: Run, make_run: MakeRun) -> None:
    verdict = gate(old, make_run("new"))
    assert verdict.sentences == [
        "no significant loss: none of 2 numbers fell",
        "a loss of clean accuracy under about 5.3 points would probably not have been seen",
        "a loss of worst-case robust accuracy under about 7.5 points would probably not have been seen",
    ]
    assert verdict.code == 0


def test_a_loss_under_the_limit_is_never_seen(make_run: MakeRun) -> None:
    old = make_run("old", {"pwws": outcomes(150, 500)})  # 500 examples are enough for 4.8 points
    sentence = "a loss of worst-case robust accuracy under about {} points would probably not have been seen"
    assert gate(old, old).sentences[-1] == sentence.format("5.0")
    assert gate(old, old, Limits(loss_of_checkpoints=0.01)).sentences[-1] == sentence.format("4.8")
    assert gate(old, old, Limits(alpha=0.001)).sentences[-1] == sentence.format("6.7")


def test_what_is_significant_is_so_at_the_limits_alpha(old: Run, make_run: MakeRun) -> None:
    new = make_run("new", {"pwws": outcomes(52)})  # p = 0.0078, doubled
    marked = [gate(old, new, Limits(alpha=alpha)).comparison for alpha in (0.05, 0.01)]
    assert [comparison.rows[1].significant for comparison in marked if comparison] == [True, False]


def test_a_loss_by_chance_passes(old: Run, make_run: MakeRun) -> None:
    assert answer(gate(old, make_run("new", {"pwws": outcomes(57)}))) == (
        0,
        "no significant loss: of 2 numbers worst-case robust accuracy of model on reviews fell most (−1.5 points, "
        "95 % interval −3.6 to +0.6; p = 0.50 by exact McNemar with Holm's correction, n = 200)",
    )


def test_less_robust_is_regressed(old: Run, make_run: MakeRun) -> None:
    verdict = gate(old, make_run("new", {"pwws": outcomes(40)}))
    assert verdict.sentences == [
        "regressed: worst-case robust accuracy of model on reviews fell from 30.0 % to 20.0 % (−10.0 points, 95 % "
        "interval −14.4 to −5.8; p < 0.0001 by exact McNemar with Holm's correction, n = 200); this is about these "
        "checkpoints"
    ]
    assert verdict.code == 1


def test_less_accurate_is_regressed_however_hard_to_attack(old: Run, make_run: MakeRun) -> None:
    code, sentence = answer(gate(old, make_run("new", {"pwws": outcomes(60)}, clean=200)))
    assert code == 1
    assert sentence.startswith("regressed: clean accuracy of model on reviews fell from 85.0 % to 50.0 % (−35.0 points")


def test_a_significant_loss_under_the_limit_passes_and_is_told(make_run: MakeRun) -> None:
    old, new = make_run("old", clean=340), make_run("new", clean=326)
    verdict = gate(old, new)
    assert verdict.code == 0
    assert verdict.sentences[1].startswith("clean accuracy of model on reviews fell from 85.0 % to 81.5 % (−3.5 points")
    assert verdict.sentences[1].endswith("; under the limit of 5.0 points")
    assert gate(old, new, Limits(loss_of_checkpoints=0.035)).code == 1  # equal to the limit counts
    assert gate(old, new, Limits(loss_of_checkpoints=0.035, alpha=1e-6)).code == 0


def test_half_of_a_little_counts(make_run: MakeRun) -> None:
    old = make_run("old", {"pwws": outcomes(9)})  # 4.5 %: it cannot fall by 5 points
    assert answer(gate(old, make_run("gone", {"pwws": outcomes(0)}))) == (
        1,
        "regressed: worst-case robust accuracy of model on reviews fell from 4.5 % to 0.0 % (−4.5 points, 95 % "
        "interval −8.3 to −1.7; p = 0.008 by exact McNemar with Holm's correction, n = 200); this is about these "
        "checkpoints",
    )
    assert gate(old, make_run("less", {"pwws": outcomes(4)})).code == 0  # not beyond chance
    assert gate(old, old).code == 0


def test_so_little_that_no_loss_can_be_seen_did_not_measure(make_run: MakeRun) -> None:
    old = make_run("old", {"pwws": outcomes(6)})
    sentence = (
        "could not measure: worst-case robust accuracy of model on reviews: {} % in the reference, so that no loss "
        "could be significant; use a weaker attack, a smaller query budget or more examples"
    )
    assert answer(gate(old, old)) == (3, sentence.format("3.0"))
    assert gate(old, make_run("better", {"pwws": outcomes(40)})).code == 0
    seeds = make_run("seeds", {"pwws": [outcomes(0)] * 3}, seeds=(0, 1, 2))
    assert answer(gate(seeds, seeds)) == (3, sentence.format("0.0"))


def test_over_seeds_two_points_count(make_run: MakeRun) -> None:
    seeds = {"seeds": (0, 1, 2)}
    old = make_run("old", {"pwws": [outcomes(60)] * 3}, [340, 341, 342], **seeds)
    new = make_run("new", {"pwws": [outcomes(60)] * 3}, [330, 330, 332], **seeds)
    code, sentence = answer(gate(old, new))
    assert code == 1
    assert sentence.endswith("by paired t test over seeds with Holm's correction, n = 400); this is about the method")


def test_seeds_that_all_lose_the_same_are_not_passed(make_run: MakeRun) -> None:
    seeds = {"seeds": (0, 1, 2)}
    old = make_run("old", {"pwws": [outcomes(60)] * 3}, [340] * 3, **seeds)
    new = make_run("new", {"pwws": [outcomes(60)] * 3}, [300] * 3, **seeds)
    assert answer(gate(old, new)) == (
        3,
        "could not measure: clean accuracy of model on reviews: all seeds differ by the same −10.0 points, so that no "
        "test can be made",
    )
    assert gate(old, old).code == 0
    assert gate(new, old).code == 0  # all gain the same
    assert (
        gate(old, make_run("less", {"pwws": [outcomes(60)] * 3}, [339] * 3, **seeds)).code == 0
    )  # too little to count


def test_a_lacking_seed_did_not_measure(make_run: MakeRun) -> None:
    old, new = make_run("old", seeds=(0, 1, 2)), make_run("new", seeds=(0,))
    assert answer(gate(old, new)) == (
        3,
        "could not measure: defence model (reviews, bert): seeds 1, 2 in the reference only",
    )
    assert gate(new, old).code == 0


def test_another_protocol_is_not_comparable(old: Run, make_run: MakeRun) -> None:
    new = make_run("new", {"pwws": outcomes(10)}, protocols={"pwws": frame(temperature="raw")})
    assert answer(gate(old, new)) == (
        4,
        "not comparable: attack pwws: temperature calibrated in the reference, raw in the new run",
    )


def test_a_lacking_attack_is_not_comparable(old: Run, make_run: MakeRun) -> None:
    verdict = gate(old, make_run("new", {"bug": outcomes(60)}))
    assert answer(verdict) == (4, "not comparable: attack pwws: in the reference only")


def test_another_task_is_not_comparable(old: Run, make_run: MakeRun) -> None:
    new = make_run("new", task="tweets")
    message = f"not comparable: {old.path} and {new.path} have no task in common (reviews; tweets)"
    assert answer(gate(old, new)) == (4, message)


def test_an_empty_run_did_not_measure(old: Run, make_run: MakeRun) -> None:
    verdict = gate(old, make_run("new", {}, clean=-1))
    assert answer(verdict) == (3, "could not measure: defence model (reviews, bert): in the reference only")
    assert "the new run: no attacked examples" in verdict.sentences


def test_two_empty_runs_do_not_pass(make_run: MakeRun) -> None:
    assert gate(make_run("a", {}, clean=-1), make_run("b", {}, clean=-1)).code == 3
    only_clean = gate(make_run("c", {}), make_run("d", {}))
    assert answer(only_clean) == (3, "could not measure: the reference: no attacked examples")


def test_all_errors_did_not_measure_and_the_loss_is_told(old: Run, make_run: MakeRun) -> None:
    verdict = gate(old, make_run("new", {"pwws": "e" * 200}))
    assert answer(verdict) == (
        3,
        "could not measure: the new run: attack pwws on model (seed 0): 100.0 % errors and time-outs, over 1.0 %",
    )
    assert verdict.sentences[1].startswith("worst-case robust accuracy of model on reviews fell from 30.0 % to 0.0 %")


def test_lost_clean_accuracy_is_regressed_however_the_attacks_went(make_run: MakeRun) -> None:
    weak = {"defence": "baseline", "method": "baseline"}
    old, new = make_run("old", **weak), make_run("new", {"pwws": outcomes(200)}, clean=200, **weak)
    verdict = gate(old, new)
    assert verdict.code == 1
    assert verdict.sentences[0].startswith(
        "regressed: clean accuracy of baseline on reviews fell from 85.0 % to 50.0 %"
    )
    assert verdict.sentences[1:] == [
        f"not measured: the new run: {UNDER_FLOOR.format('baseline')}",
        "not measured: the new run: attack pwws on baseline (seed 0): inert, with 0.0 % success on the baseline",
    ]
    assert gate(old, make_run("open", {"pwws": outcomes(200)}, clean=200, end=None, **weak)).code == 3


def test_models_under_the_floor_did_not_measure(old: Run, make_run: MakeRun) -> None:
    low = make_run("low", clean=200)
    reason = UNDER_FLOOR.format("model")
    assert answer(gate(low, old)) == (3, f"could not measure: the reference: {reason}")
    assert answer(gate(low, make_run("lower", clean=100)))[0] == 3
    assert answer(gate(make_run("poor", clean=205), low)) == (3, f"could not measure: the new run: {reason}")
    code, sentence = answer(gate(old, low))
    assert (code, sentence.startswith("regressed: clean accuracy of model on reviews fell from 85.0 % to 50.0 %")) == (
        1,
        True,
    )
    asked = make_run("asked", suite={**old.suite, "task": [{"name": "reviews", "clean_accuracy_floor": 0.9}]})
    assert gate(asked, old).code == 3


def test_one_percent_of_errors_is_borne(old: Run, make_run: MakeRun) -> None:
    assert gate(old, make_run("new", {"pwws": outcomes(60, 198) + "et"})).code == 0
    assert gate(old, make_run("three", {"pwws": outcomes(60, 197) + "ett"})).code == 3


@pytest.mark.parametrize("broken", [{"end": None}, {"cells": [{"kind": "attack", "defence": "model", "seed": 0,
                                                             "attack": "pwws", "status": "failed"}]}])  # fmt: skip
def test_an_unfinished_run_did_not_measure(old: Run, make_run: MakeRun, broken: dict[str, Any]) -> None:
    reason = "the run is not finished" if "end" in broken else "cell attack model 0 pwws is not done but failed"
    assert answer(gate(old, make_run("new", **broken))) == (3, f"could not measure: the new run: {reason}")
    assert gate(old, make_run("less", {}, **broken)).code == 3  # not 4, though the attack is lacking


def test_a_damaged_run_did_not_measure(old: Run, make_run: MakeRun) -> None:
    new = make_run("new")
    (new.path / "examples.parquet").write_bytes(b"PAR1 nothing")
    code, sentence = answer(gate(old, new.path))
    assert (code, sentence.partition(" Parquet file:")[0]) == (
        3,
        f"could not measure: {new.path / 'examples.parquet'}: damaged",
    )
    (new.path / "run.json").write_text('{"form')
    code, sentence = answer(gate(old, new.path))
    assert (code, sentence.startswith(f"could not measure: {new.path / 'run.json'}: line 1: not JSON")) == (3, True)


def test_an_inert_attack_did_not_measure(make_run: MakeRun) -> None:
    idle = make_run("idle", {"pwws": outcomes(180)}, candidates=0)
    assert answer(gate(make_run("old", {"pwws": outcomes(180)}), idle)) == (
        3,
        "could not measure: the new run: attack pwws on model (seed 0): inert, without a candidate for 100.0 % of the "
        "examples",
    )
    weak = {"defence": "baseline", "method": "baseline", "candidates": None}
    verdict = gate(make_run("a", {"pwws": outcomes(195)}, **weak), make_run("b", {"pwws": outcomes(195)}, **weak))
    assert verdict.sentences == [
        "could not measure: the reference: attack pwws on baseline (seed 0): inert, with 2.5 % success on the baseline",
        "the new run: attack pwws on baseline (seed 0): inert, with 2.5 % success on the baseline",
    ]


def test_without_a_baseline_an_attack_that_no_model_feels_is_inert(make_run: MakeRun) -> None:
    old, new = make_run("old", {"pwws": outcomes(195)}), make_run("new", {"pwws": outcomes(191)})
    assert gate(old, new).sentences == [
        "could not measure: attack pwws on reviews: inert, with 4.5 % success at most on any model"
    ]
    assert gate(old, make_run("felt", {"pwws": outcomes(190)})).code == 0  # 5 %


def test_too_few_common_examples_did_not_measure(old: Run, make_run: MakeRun) -> None:
    assert answer(gate(old, make_run("new", {"pwws": outcomes(60)}, first=150))) == (
        3,
        "could not measure: worst-case robust accuracy of model on reviews: 50 common examples, 100 needed",
    )
    assert answer(gate(old, make_run("more", {"pwws": outcomes(60)}, first=60))) == (
        3,
        "could not measure: worst-case robust accuracy of model on reviews: 70.0 % of the smaller side's examples are "
        "common, 80.0 % needed",
    )


def test_no_run_and_no_path_are_the_users_mistakes(old: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no run")
    (tmp_path / "data.json").write_text('{"a": 1}')
    for name in ("text.txt", "data.json"):
        with pytest.raises(InputError, match=rf"^{tmp_path / name}: neither a run directory nor a reference$"):
            gate(old, tmp_path / name)
    message = r"^nowhere: no such run directory, and no reference of that name in reports/references"
    with pytest.raises(InputError, match=message):
        gate(old, "nowhere")
    with pytest.raises(InputError, match=rf"^{tmp_path}: not a run directory \(no run.json in it\)$"):
        gate(old, tmp_path)


def test_limits_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text("alpha = 0.01\n")
    assert read_limits(path) == Limits(alpha=0.01)
    assert read_limits(None) == Limits()
    path.write_text("aplha = 0.01\n")
    with pytest.raises(InputError, match=rf"^{path}: unknown key 'aplha'; did you mean 'alpha'\?$"):
        read_limits(path)
    path.write_text("alpha = 0\n")
    with pytest.raises(InputError, match=rf"^{path}: alpha: expected > 0, got 0$"):
        read_limits(path)


def test_junit(old: Run, make_run: MakeRun) -> None:
    suite = ET.fromstring(to_junit(gate(old, make_run("new", {"pwws": outcomes(30)}))))
    assert suite.attrib == {"name": "asa-bench gate", "failures": "2", "errors": "0", "tests": "3"}
    names = [case.get("name") for case in suite]
    assert names == ["model: clean accuracy", "model: worst-case robust accuracy", "gate"]
    assert [len(case.findall("failure")) for case in suite] == [0, 1, 1]
    unlike = ET.fromstring(to_junit(gate(old, make_run("other", {"bug\u0000]]>": outcomes(30)}))))
    assert [len(case.findall("error")) for case in unlike][-1] == 1


def test_markdown(old: Run, make_run: MakeRun) -> None:
    text = verdict_markdown(gate(old, make_run("new", {"pwws": outcomes(30)}, defence="a|<script>")))
    assert text.startswith("## Robustness gate: ❌ Regressed\n\n- regressed: ")
    assert "<script>" not in text
    assert "| model → a\\|&lt;script&gt; | worst case | 30.0 | 15.0 | −15.0 \\* (" in text
    assert "<details><summary>Exploratory: each attack by itself (reviews)</summary>" in text


class TestCommand:
    """``asa-bench gate``."""

    @pytest.mark.parametrize(
        ("robust", "extra", "code"),
        [(60, {}, 0), (30, {}, 1), (60, {"end": None}, 3), (60, {"protocols": {"pwws": frame(query_budget=1)}}, 4)],
    )
    def test_exit_codes(
        self, cli: Cli, old: Run, make_run: MakeRun, tmp_path: Path, robust: int, extra: dict[str, Any], code: int
    ) -> None:
        new = make_run("new", {"pwws": outcomes(robust)}, **extra)
        summary, junit = tmp_path / "s.md", tmp_path / "j.xml"
        found = cli("gate", old.path, new.path, "--summary", summary, "--junit", junit)
        assert (found.code, found.err) == (code, "")
        assert found.out.splitlines() == gate(old, new).sentences
        assert summary.read_text().startswith("## Robustness gate: ")
        ET.parse(junit)

    def test_the_users_mistakes(self, cli: Cli, old: Run, tmp_path: Path) -> None:
        assert cli("gate", tmp_path / "no", old.path) == (
            2,
            "",
            f"asa-bench: {tmp_path / 'no'}: no such run directory\n",
        )
        code, out, err = cli("gate", old.path, old.path, "--limits", tmp_path / "no.toml")
        assert (code, out, err) == (2, "", f"asa-bench: {tmp_path / 'no.toml'}: no such file\n")

    def test_the_step_summary_of_github_is_added_to(
        self, cli: Cli, old: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "summary.md"
        path.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
        cli("gate", old.path, old.path, "--summary", path)
        assert path.read_text().startswith("before\n## Robustness gate: ✅ No significant loss\n")

    def test_compare(self, cli: Cli, old: Run) -> None:
        for form, start in (("text", "Primary comparison (reviews)"), ("markdown", "## Primary"), ("json", "[\n  {")):
            code, out, err = cli("compare", old.path, old.path, "--format", form)
            assert (code, err, out.startswith(start)) == (0, "", True)

    def test_compare_tells_beside_the_json_what_it_left_out(self, cli: Cli, make_run: MakeRun) -> None:
        old, new = make_run("old", {"a": outcomes(60), "b": outcomes(60)}), make_run("new", {"b": outcomes(60)})
        code, out, err = cli("compare", old.path, new.path, "--format", "json")
        assert (code, err) == (0, "not comparable: attack a: in the reference only\n")
        assert [row["metric"] for row in json.loads(out)] == ["clean_accuracy", "robust_accuracy"]

    def test_a_reference_stands_for_its_run(
        self, cli: Cli, old: Run, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        code, out, _ = cli("reference", "save", old.path, "released")
        assert (code, out.startswith("reference: reports/references/released.json (")) == (0, True)
        new = make_run("new", {"pwws": outcomes(30)})
        message = "reports/references/released.json: there is a reference of that name; --replace writes over it"
        assert cli("reference", "save", new.path, "released") == (2, "", f"asa-bench: {message}\n")
        assert cli("reference", "save", old.path, "released", "--replace").code == 0
        assert cli("gate", "released", new.path).out == cli("gate", old.path, new.path).out
        assert (
            cli("report", "released").err
            == "asa-bench: released: a reference has no folder of its own; name one with --out\n"
        )
        assert cli("report", "released", "--out", tmp_path / "report").code == 0
        assert (tmp_path / "report" / "index.html").is_file()
        assert cli("compare", "relaesed", new.path).err == (
            "asa-bench: relaesed: no such run directory, and no reference of that name in reports/references; "
            "did you mean 'released'?\n"
        )
        assert cli("reference", "save", old.path, "a/b").err == (
            "asa-bench: reference 'a/b': expected letters, digits and . _ + - only, or a path ending in .json\n"
        )

    def test_a_run_under_the_floor_is_no_reference(self, cli: Cli, make_run: MakeRun, tmp_path: Path) -> None:
        low = make_run("low", clean=200)
        message = f"asa-bench: {low.path}: not saved: {UNDER_FLOOR.format('model')}\n"
        assert cli("reference", "save", low.path, tmp_path / "r.json") == (3, "", message)
        assert not (tmp_path / "r.json").exists()

    def test_an_unfinished_run_is_no_reference(self, cli: Cli, old: Run, tmp_path: Path) -> None:
        info = read_json(old.path / "run.json")
        write_json(old.path / "run.json", info | {"end": None})
        assert cli("reference", "save", old.path, tmp_path / "r.json") == (
            2,
            "",
            f"asa-bench: {old.path}: the run is not finished; a reference must be\n",
        )
        assert not (tmp_path / "r.json").exists()
