"""A home for TextAttack in the cache, so that it can be imported and used with no network.

``import textattack`` tries six downloads unless a marker file lies in its cache folder, fails without NLTK's stop
words, and points Hugging Face's cache folders at its own. See TextAttack 0.3.11, ``shared/utils/install.py``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from asa_bench.assets.cache import asset_path
from asa_bench.assets.location import cache_folder

_REDIRECTED = ("TFHUB_CACHE_DIR", "PYTORCH_TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME")
"""What TextAttack overwrites with its own cache folder when it is imported."""


def textattack_environment(lexicons: Iterable[str] = ("stopwords",)) -> dict[str, str]:
    """Set and return the environment variables under which TextAttack finds what it needs on disk.

    Args:
        lexicons: assets in NLTK's layout to make visible: ``stopwords`` always, ``wordnet`` for PWWS. May be called
            again with more of them, also after NLTK is imported.

    Raises:
        MissingAssetError: when a lexicon is neither cached nor reachable.
    """
    home = cache_folder() / "textattack"
    home.mkdir(parents=True, exist_ok=True)
    (home / "post_install_check_3").touch()
    folders = [str(asset_path(name)) for name in lexicons]
    kept = [path for path in os.environ.get("NLTK_DATA", "").split(os.pathsep) if path and path not in folders]
    variables = {"TA_CACHE_DIR": str(home), "NLTK_DATA": os.pathsep.join([*folders, *kept])}
    os.environ.update(variables)
    _extend_nltk_path(folders)
    return variables


def _extend_nltk_path(folders: list[str]) -> None:
    """NLTK reads ``NLTK_DATA`` once, at its import: put ``folders`` first on the path it keeps."""
    path = importlib.import_module("nltk.data").path
    path[:] = [*folders, *(entry for entry in path if entry not in folders)]


def import_textattack(lexicons: Iterable[str] = ("stopwords",)) -> ModuleType:
    """Import TextAttack offline, and leave the cache folders of other libraries where the user has them.

    Raises:
        MissingAssetError: when a lexicon is neither cached nor reachable.
    """
    textattack_environment(lexicons)
    # These read HF_HOME and XDG_CACHE_HOME at their import, which must come before TextAttack overwrites them.
    for name in ("datasets.config", "transformers.utils.hub"):
        importlib.import_module(name)
    before = {name: os.environ.get(name) for name in _REDIRECTED}
    try:
        return importlib.import_module("textattack")
    finally:
        for name, value in before.items():
            _restore(name, value)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextmanager
def no_nltk_downloads() -> Iterator[None]:
    """Within the block ``nltk.download`` does nothing.

    TextAttack's WordNet swap calls it whenever it is built, for data that English does not need; on a network that
    swallows packets that call hangs.
    """
    nltk: Any = importlib.import_module("nltk")

    def refuse(*_arguments: Any, **_options: Any) -> bool:
        return False

    original, nltk.download = nltk.download, refuse
    try:
        yield
    finally:
        nltk.download = original
