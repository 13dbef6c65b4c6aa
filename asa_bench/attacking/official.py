"""What TextAttack's other recipes need that no package of the index carries: looked for on this machine, never fetched.

TextAttack keeps its downloads in one folder, which here is ``textattack`` inside the cache of asa-bench.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from asa_bench.assets.location import cache_folder
from asa_bench.core.registry import Registry

HUB_FILES = ("config.json", "model.safetensors", "pytorch_model.bin")
"""What of a model has to be in the Hub's cache: its configuration, and one of the two forms of its weights."""

VECTOR_FILES = ("paragram.npy", "wordlist.pickle", "nn.npy", "mse_dist.p", "cos_sim.p")
"""What TextAttack opens in the folder of its word vectors."""


class Official(NamedTuple):
    """One thing that a recipe's authors used."""

    title: str
    present: Callable[[], bool]
    """Whether it is on this machine."""
    remedy: str
    """How to get it there."""


def _in_textattack_cache(paths: tuple[str, ...]) -> bool:
    return all((cache_folder() / "textattack" / path).exists() for path in paths)


def _in_hub_cache(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    config, *weights = (isinstance(try_to_load_from_cache(name, file), str) for file in HUB_FILES)
    return config and any(weights)


def _in_nltk_data(path: str) -> bool:
    roots = [Path(root) / path for root in import_module("nltk.data").path]
    return any(root.exists() or root.with_suffix(".zip").exists() for root in roots)


def _in_tensorflow_hub(url: str) -> bool:
    folder = Path(os.environ.get("TFHUB_CACHE_DIR") or Path(tempfile.gettempdir()) / "tfhub_modules")
    module = folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    return find_spec("tensorflow_hub") is not None and module.is_dir()


def _in_flair_cache(name: str) -> bool:
    root = Path(os.environ.get("FLAIR_CACHE_ROOT") or Path.home() / ".flair")
    return (root / "models" / name).exists()


def _beside_textattack(path: str) -> bool:
    found = find_spec("textattack")
    return bool(found and found.origin and (Path(found.origin).parent / path).is_file())


def _textattack(title: str, path: str, files: tuple[str, ...] = ()) -> Official:
    remedy = f"have TextAttack download it where its server can be reached; put it at textattack/{path} in the cache"
    paths = tuple(f"{path}/{file}" for file in files) or (path,)
    return Official(title, partial(_in_textattack_cache, paths), remedy)


def _hub(name: str) -> Official:
    return Official(f"{name} of the Hub", partial(_in_hub_cache, name), f"hf download {name}")


def _flair(title: str, folder: str, name: str) -> Official:
    return Official(f"flair's {title}", partial(_in_flair_cache, folder), f"load flair's SequenceTagger '{name}' once")


_SENTENCE_ENCODER = "https://tfhub.dev/google/universal-sentence-encoder/3"

OFFICIAL: Registry[Official] = Registry(
    "official asset",
    [
        (
            "counter-fitted-vectors",
            _textattack("counter-fitted word vectors", "word_embeddings/paragramcf", VECTOR_FILES),
        ),
        ("hownet", _textattack("HowNet's sememes", "transformations/hownet/word_candidates_sense.pkl")),
        (
            "one-billion-words-lm",
            _textattack("Google's language model", "constraints/semantics/language-models/alzantot-goog-lm"),
        ),
        (
            "learning-to-write-lm",
            _textattack("the language model of L2W", "constraints/grammaticality/language-models/learning-to-write"),
        ),
        ("bert-base-uncased", _hub("bert-base-uncased")),
        ("distilroberta-base", _hub("distilroberta-base")),
        ("gpt2", _hub("gpt2")),
        (
            "universal-sentence-encoder",
            Official(
                "the Universal Sentence Encoder",
                partial(_in_tensorflow_hub, _SENTENCE_ENCODER),
                f"pip install tensorflow-hub tensorflow; load {_SENTENCE_ENCODER} once, with TFHUB_CACHE_DIR set",
            ),
        ),
        (
            "nltk-tagger",
            Official(
                "NLTK's part-of-speech tagger",
                lambda: all(map(_in_nltk_data, ("taggers/averaged_perceptron_tagger_eng", "taggers/universal_tagset"))),
                "python -m nltk.downloader averaged_perceptron_tagger_eng universal_tagset",
            ),
        ),
        ("flair-ner", _flair("tagger of named entities", "ner-english", "ner")),
        ("flair-pos", _flair("part-of-speech tagger", "upos-english-fast", "upos-fast")),
        ("tensorflow", Official("TensorFlow", lambda: find_spec("tensorflow") is not None, "pip install tensorflow")),
        (
            "intentional-homoglyphs",
            Official(
                "Unicode's intentional homoglyphs",
                partial(_beside_textattack, "shared/intentional_homoglyphs.txt"),
                "copy shared/intentional_homoglyphs.txt from TextAttack's repository; its wheel lacks it",
            ),
        ),
    ],
)
"""Official assets by the names that recipes use."""
