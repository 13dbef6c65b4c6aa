"""Recipes that a masked language model of the user's drives: ``[attack.assets] masked_lm``, or ``--masked-lm``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typing_extensions import override

from asa_bench.attacking.recipe import Recipe, resolve
from asa_bench.core.errors import InputError, one_line
from asa_bench.core.files import read_json
from asa_bench.core.fingerprint import fingerprint
from asa_bench.models.encoder import check_folder, checkpoint_digest, local_or_hub

FIELD = "assets.masked_lm"


class MaskedLMRecipe(Recipe):
    """A recipe on a masked language model in a local folder."""

    folder: Path
    """Where the model lies."""
    model_digest: str
    """Digest of its files."""

    @property
    @override
    def digest(self) -> str:
        return fingerprint([super().digest, self.model_digest])

    @override
    def made(self, victim: Any) -> Any:
        return resolve(self.build).build(victim, masked_lm=self.folder, **self.options)


def on_masked_lm(recipe: Recipe, reference: str, root: Path) -> MaskedLMRecipe:
    """``recipe`` on the masked language model in a folder (relative to ``root``), or on the Hub as ``name@commit``.

    Raises:
        InputError: when the recipe takes none, or the model is no safe, complete masked language model.
    """
    if recipe.own_masked_lm is None:
        raise InputError(f"{FIELD}: attack '{recipe.name}' takes no masked language model")
    what = f"{FIELD} '{reference}'"
    folder = local_or_hub(reference, root, what).resolve()
    _check(folder, what)
    own = recipe.own_masked_lm
    changes = {"build": own.build, "assets": ("stopwords", *own.assets), "needs": (), "about": own.about}
    facts = {**recipe.model_dump(), **changes, "folder": folder, "model_digest": checkpoint_digest(folder)}
    return MaskedLMRecipe.model_validate(facts)


def _check(folder: Path, what: str) -> None:
    from transformers import AutoTokenizer

    check_folder(folder, what)
    kinds = read_json(folder / "config.json").get("architectures") or ["none"]
    if not any(str(kind).endswith(("ForMaskedLM", "ForPreTraining")) for kind in kinds):
        found = ", ".join(map(str, kinds))
        raise InputError(f"{what}: {folder / 'config.json'}: architectures: expected …ForMaskedLM, got {found}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, ImportError) as error:
        raise InputError(f"{what}: the tokenizer in {folder} cannot be loaded: {one_line(error)}") from None
    if tokenizer.mask_token is None:
        raise InputError(f"{what}: the tokenizer in {folder} has no mask token")
    _refuse_incomplete(folder, what)


def _refuse_incomplete(folder: Path, what: str) -> None:
    """Load the model once: transformers makes up at random what the weights lack, the head of a bare encoder say."""
    from transformers import AutoModelForMaskedLM

    options = {"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}
    try:
        _, found = AutoModelForMaskedLM.from_pretrained(folder, **options)
    except (ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{what}: the model in {folder} cannot be loaded: {one_line(error)}") from None
    if lacking := sorted(found["missing_keys"]):
        raise InputError(f"{what}: the weights in {folder} lack {len(lacking)} tensors of the model: {lacking[0]}, …")
