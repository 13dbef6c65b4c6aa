"""Attacks written in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.attacking.code import read_code
from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.recipe import read_recipe
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import Classifier
from tests.attacking.test_attack import examples, rows_of

CODE = """
from textattack.attack_recipes import DeepWordBugGao2018

def Attack(model):
    return DeepWordBugGao2018.build(model)
"""


def test_a_file_attacks_as_the_recipe_that_it_builds(classifier: Classifier, tmp_path: Path) -> None:
    from asa_bench.attacking.victim import Victim, build_attack

    path = tmp_path / "mine.py"
    path.write_text(CODE)
    own = build_attack(read_code(path), Victim(classifier), 60, 1.5)
    from tests.attacking.test_attack import built

    assert rows_of(own, examples(4)) == rows_of(built(classifier, budget=60), examples(4))


def test_a_job_keeps_the_code(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    job = AttackJob(
        recipe=read_code(path), checkpoint=tmp_path, columns=("text",), examples=(), query_budget=1, temperature=None,
        seed=0, precision="fp32", attention="eager", threads=1,
    )  # fmt: skip
    assert AttackJob.model_validate_json(job.model_dump_json()) == job


def test_a_file_has_wordnet_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    assert read_code(path).assets == ("stopwords", "wordnet")


def test_another_text_is_another_attack(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    first = read_code(path)
    path.write_text(CODE + "\n")
    assert read_code(path).digest != first.digest


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def attack(model):\n    return None\n", r"no function 'Attack\(model\)'"),
        ("def Attack(model:\n", "line 1: not Python: '\\(' was never closed"),
    ],
)
def test_wrong_files(tmp_path: Path, code: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(code)
    with pytest.raises(InputError, match=rf"^{path}: {message}$"):
        read_code(path)


def test_no_recipe_file_can_carry_code(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name="m"\ntitle="M"\npaper="p"\nbuild="textattack.X"\nquery_budget=5\ncode="1"\n')
    with pytest.raises(InputError, match=rf"^{path}: unknown key 'code'"):
        read_recipe(path)
