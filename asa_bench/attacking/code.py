"""Attacks written in Python, as TextAttack's own command takes them: a file with a function ``Attack(model)``.

Such a file is run, so it is taken from the user's command line only, never from a suite or a recipe's TOML file.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from typing_extensions import override

from asa_bench.attacking.recipe import Recipe
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_text
from asa_bench.core.fingerprint import fingerprint
from asa_bench.core.validation import validated

FUNCTION = "Attack"

LEXICONS = ("stopwords", "wordnet")
"""Assets that every file gets: what it asks of NLTK is known only when it runs."""

QUERY_BUDGET = 1000
"""Queries per example unless the user says otherwise."""


class CodeRecipe(Recipe):
    """An attack that the text of a Python file builds."""

    code: str
    """The file's text."""

    @property
    @override
    def digest(self) -> str:
        return fingerprint(["file", self.code])

    @override
    def made(self, victim: Any) -> Any:
        scope: dict[str, Any] = {"__name__": self.name, "__file__": self.paper}
        exec(compile(self.code, self.paper, "exec"), scope)
        return scope[FUNCTION](victim)


def read_code(path: Path) -> CodeRecipe:
    """The attack in a Python file; nothing is run yet.

    Raises:
        InputError: when the file is missing, not Python, or has no function ``Attack``.
    """
    code = read_text(path)
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise InputError(f"{path}: line {error.lineno}: not Python: {error.msg}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == FUNCTION for node in tree.body):
        raise InputError(f"{path}: no function '{FUNCTION}(model)'")
    build = "asa_bench.attacking.code.CodeRecipe"
    facts = {"name": path.stem, "title": path.stem, "paper": str(path), "build": build, "query_budget": QUERY_BUDGET}
    return validated(CodeRecipe, {**facts, "assets": LEXICONS, "code": code}, str(path))
