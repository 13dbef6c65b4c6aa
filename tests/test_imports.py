"""Imports point one way, and light commands stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import asa_bench

PACKAGE = Path(asa_bench.__file__).parent

LEVELS = (
    {"core"},
    {"records", "stats"},
    {"assets"},
    {"tasks", "models"},
    {"defences"},
    {"attacking"},
    {"probes"},
    {"reporting", "tracking", "rating", "console"},
    {
        "suite",
        "suite_file",
        "stages",
        "model_cells",
        "suite_cells",
        "plan",
        "suite_plan",
        "model_plan",
        "model_settings",
        "running",
        "benchmark",
        "model_run",
        "external",
        "estimate",
        "catalogue",
    },
    {"benching"},
    {"cli", "__init__", "__main__"},
)
"""Parts of the package, lowest first: each may import its own level and those below."""

FROM_RECORDS_ALONE = {"reporting", "tracking", "rating", "console"}
"""Parts that may import, of the levels below theirs, only the first two: they judge what was recorded."""

HEAVY = ("torch", "transformers", "textattack")


def level(part: str) -> int:
    """The level of a part; a new one has to be given a level here first."""
    found = [number for number, parts in enumerate(LEVELS) if part in parts]
    assert found, f"asa_bench/{part} has no level in {Path(__file__).name}"
    return found[0]


def imported_parts(source: str, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and part of each import of asa_bench in ``source``, a module in ``package``, wherever it stands in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            home = ".".join([*base, *([node.module] if node.module else [])])
            targets = [f"{home}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            root, _, rest = target.partition(".")
            if root == "asa_bench":
                part = rest.partition(".")[0]
                yield node.lineno, part if is_part(part) else "__init__"


def is_part(name: str) -> bool:
    return any(name in parts for parts in LEVELS) or (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def complaint(part: str, other: str) -> str | None:
    """Why ``part`` may not import ``other``; None when it may."""
    if part == other:
        return None
    if level(other) > level(part):
        return f"{other} is above {part}"
    if part in FROM_RECORDS_ALONE and 1 < level(other) < level(part):
        return f"{part} works from records alone"
    return None


def part_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if part_of(path) not in ("suites", "_shipped")]


def package_of(path: Path) -> tuple[str, ...]:
    return ("asa_bench", *path.relative_to(PACKAGE).parts[:-1])


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    imports = imported_parts(path.read_text(encoding="utf-8"), package_of(path))
    wrong = [(line, reason) for line, other in imports if (reason := complaint(part_of(path), other))]
    assert wrong == []


def test_parts_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in modules():
        others = {other for _, other in imported_parts(path.read_text(encoding="utf-8"), package_of(path))}
        graph.setdefault(part_of(path), set()).update(others - {part_of(path)})
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("core") < order.index("records") < order.index("plan") < order.index("cli")


@pytest.mark.parametrize(
    "source",
    [
        "from asa_bench.plan import Plan",
        "import asa_bench.plan",
        "import asa_bench.plan as plan",
        "from asa_bench import plan",
        "from .. import plan",
        "from ..plan import Plan",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from asa_bench.plan import Plan",
        "def late() -> None:\n    from asa_bench.plan import Plan",
    ],
)
def test_the_check_sees_an_upward_import(source: str) -> None:
    (found,) = imported_parts(source, ("asa_bench", "models"))
    assert complaint("models", found[1]) == "plan is above models"


def test_the_check_knows_the_side_branch() -> None:
    assert complaint("reporting", "records") is None
    assert complaint("reporting", "models") == "reporting works from records alone"
    assert complaint("probes", "reporting") == "reporting is above probes"
    assert complaint("core", "__init__") == "__init__ is above core"


def loaded_by(code: str) -> list[str]:
    """Heavy libraries that a fresh process has loaded after ``code``."""
    probe = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    return done.stdout.splitlines()[-1].split()


HELP = """
from asa_bench.cli import exit_code
sys.argv = ["asa-bench", *{arguments!r}]
assert exit_code() == 0
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([name, "--help"] for name in ("run", "list", "attack", "gate", "compare", "bench", "ratings"))],
    ids=" ".join,
)
def test_help_is_light(arguments: list[str]) -> None:
    assert loaded_by(HELP.format(arguments=arguments)) == []


def light_modules() -> list[str]:
    stems = [
        (part, path.stem)
        for part in ("records", "stats", "tracking", "rating")
        for path in (PACKAGE / part).glob("[a-z]*.py")
    ]
    return ["asa_bench.reporting.report", "asa_bench.reporting.terminal", *(f"asa_bench.{a}.{b}" for a, b in stems)]


@pytest.mark.parametrize("modules", [["asa_bench"], ["asa_bench.cli", "asa_bench.console"], light_modules()])
def test_reading_records_is_light(modules: list[str]) -> None:
    assert loaded_by(f"import {', '.join(modules)}") == []


def test_planning_leaves_textattack_alone() -> None:
    assert "textattack" not in loaded_by("import asa_bench.plan")
