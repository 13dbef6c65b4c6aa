"""Protocols: a frame round every search, so that a comparison of recipes does not compare their constraints.

Recipes differ in constraints as well as in search (Morris et al. 2020, arXiv 2004.14174). A frame only adds to what a
recipe demands: the recipe's own constraints stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from asa_bench.core.errors import InputError
from asa_bench.core.files import read_toml
from asa_bench.core.registry import unknown
from asa_bench.core.validation import NAME, Settings, validated
from asa_bench.models.sentences import JUDGE

FOLDER = Path(__file__).resolve().parents[1] / "protocols"
"""Where the protocols that come with the package lie."""

RECIPE = "recipe"
"""The protocol that adds nothing."""


class Frame(Settings):
    """What a protocol demands of every attack; what is left out is left to the recipe."""

    name: str = Field(pattern=NAME)
    """What suites and records call it."""
    paper: str = ""
    """Where it is from."""
    max_words_changed: float | None = Field(default=None, gt=0, le=1)
    """Largest share of the words that may differ from the original, rounded up to whole words."""
    candidates_per_word: int | None = Field(default=None, ge=1)
    """Most candidates that a transformation gives for one word: the first in its own order."""
    similarity: float | None = Field(default=None, ge=0, le=1)
    """Least angular similarity, 1 − angle/π, of the sentence vectors (all-MiniLM-L6-v2) to the original's."""
    similarity_window: int = Field(default=15, ge=1)
    """Words round the changed one that similarity is measured on."""
    queries_per_word: int | None = Field(default=None, ge=1)
    """Query budget per word of the example. A suite's ``query_budget`` bounds it further; the recipe's does not."""
    spare_stop_words: bool = False
    """Whether stop words must stay as they are."""

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets that the frame needs."""
        return () if self.similarity is None else (JUDGE,)

    def content(self) -> dict[str, Any] | None:
        """What decides results, for the fingerprint; None for the frame that adds nothing."""
        demands = self.model_dump(exclude={"name", "paper"}, exclude_defaults=True)
        return {**demands, "similarity_window": self.similarity_window} if demands else None


def find_frame(reference: str, root: Path) -> Frame:
    """A protocol by name, or by the path of a TOML file.

    Args:
        reference: its name, or a path that ends in ``.toml``.
        root: the folder at which relative paths start.

    Raises:
        InputError: when there is no such protocol, or its file is wrong.
    """
    if reference == RECIPE:
        return Frame(name=RECIPE)
    if reference.endswith(".toml"):
        return _read(root / Path(reference).expanduser())
    if reference not in shipped_protocols():
        raise unknown("protocol", reference, shipped_protocols())
    return _read(FOLDER / f"{reference}.toml")


def shipped_protocols() -> list[str]:
    """Names of the protocols that come with the package."""
    return [RECIPE, *sorted(path.stem for path in FOLDER.glob("*.toml"))]


def _read(path: Path) -> Frame:
    frame = validated(Frame, read_toml(path), str(path))
    if frame.name == RECIPE:
        raise InputError(f"{path}: name: '{RECIPE}' is the protocol that adds nothing; choose another name")
    return frame
