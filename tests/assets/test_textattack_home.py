"""TextAttack with sockets blocked, in a process of its own: what it does to the environment must stay there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asa_bench.assets import asset_path
from asa_bench.assets.textattack_home import no_nltk_downloads, textattack_environment

SCRIPT = """
import json, os, socket
def blocked(*arguments, **options):
    raise OSError("blocked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = blocked
from asa_bench.assets.textattack_home import import_textattack, no_nltk_downloads
textattack = import_textattack(["stopwords", "wordnet"])
class Victim(textattack.models.wrappers.ModelWrapper):
    model = None
    def __call__(self, texts):
        return [[0.5, 0.5] for _ in texts]
with no_nltk_downloads():
    attack = textattack.attack_recipes.PWWSRen2019.build(Victim())
texts = attack.get_transformations(textattack.shared.AttackedText("a good movie"))
print(json.dumps({"texts": [text.text for text in texts], "home": os.environ.get("HF_HOME")}))
"""


@pytest.mark.slow
def test_pwws_works_without_network(tmp_path: Path) -> None:
    for name in ("stopwords", "wordnet"):
        asset_path(name)
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("HF_HOME", None)
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert "a beneficial movie" in result["texts"]
    assert result["home"] is None


def test_lexicons_come_first_on_nltks_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLTK_DATA", "/mine")
    monkeypatch.setenv("TA_CACHE_DIR", "")
    folder = str(asset_path("stopwords"))
    variables = textattack_environment()
    assert variables["NLTK_DATA"] == os.pathsep.join([folder, "/mine"]) == os.environ["NLTK_DATA"]
    assert Path(variables["TA_CACHE_DIR"], "post_install_check_3").is_file()
    assert textattack_environment() == variables
    assert sys.modules["nltk.data"].path[0] == folder


def test_nltk_downloads_nothing_in_the_block() -> None:
    import nltk

    original = nltk.download
    with no_nltk_downloads():
        assert nltk.download("omw-1.4") is False
    assert nltk.download is original
