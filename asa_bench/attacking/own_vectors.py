"""Recipes on word vectors of the user's: ``[attack.assets] vectors``, or ``--vectors``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typing_extensions import override

from asa_bench.assets.build import VECTORS
from asa_bench.assets.word_vectors import digest_word_vectors, read_word_vectors
from asa_bench.attacking.recipe import Recipe, resolve
from asa_bench.core.errors import InputError
from asa_bench.core.fingerprint import fingerprint

FIELD = "assets.vectors"


class VectorsRecipe(Recipe):
    """A recipe on word vectors in a local file or folder, in the place of those that are made here."""

    vectors: Path
    """Where they lie."""
    vectors_digest: str
    """Digest of their files."""

    @property
    @override
    def digest(self) -> str:
        return fingerprint([super().digest, self.vectors_digest])

    @override
    def made(self, victim: Any) -> Any:
        return resolve(self.build).build(victim, vectors=self.vectors, **self.options)


def on_own_vectors(recipe: Recipe, reference: str, root: Path) -> VectorsRecipe:
    """``recipe`` on the word vectors in a text file or a folder, relative to ``root``.

    Raises:
        InputError: when the recipe takes none, or the vectors cannot be used.
    """
    if VECTORS not in recipe.assets:
        raise InputError(f"{FIELD}: attack '{recipe.name}' takes no word vectors")
    path = (root / Path(reference).expanduser()).resolve()
    try:
        read_word_vectors(path)
    except InputError as error:
        raise InputError(f"{FIELD} '{reference}': {error}") from None
    assets = tuple(name for name in recipe.assets if name != VECTORS)
    facts = {"assets": assets, "vectors": path, "vectors_digest": digest_word_vectors(path)}
    return VectorsRecipe.model_validate({**recipe.model_dump(), **facts})
