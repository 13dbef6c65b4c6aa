"""Downloading one pinned package file through pip itself, so that the user's mirror, proxy and certificates apply."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from asa_bench.assets.manifest import Source
from asa_bench.core.errors import MissingAssetError

_STAND_IN = '''\
"""Answers pip's question for an sdist's metadata from its PKG-INFO, so that nothing of the package is executed."""
import sys
from email import message_from_bytes
from pathlib import Path

__legacy__ = sys.modules[__name__]  # what pip asks for when an sdist has no pyproject.toml


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    content = Path("PKG-INFO").read_bytes()
    fields = message_from_bytes(content)
    folder = Path(metadata_directory, f"{fields['Name'].replace('-', '_')}-{fields['Version']}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_bytes(content)
    return folder.name
'''


def download(source: Source, folder: Path) -> Path:
    """The file of ``source``, downloaded into ``folder`` and checked by pip against its digest.

    Raises:
        MissingAssetError: when pip is not installed, or cannot get the file.
    """
    if importlib.util.find_spec("pip") is None:
        raise MissingAssetError(f"pip is not installed beside {sys.executable}; add it: python -m ensurepip")
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    command = [*_command(source), "--requirement", str(requirements), "--dest", str(folder)]
    environment = _environment(source, folder / "stand-in")
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    path = folder / source.file
    if done.returncode != 0 or not path.is_file():
        raise MissingAssetError(f"{source.package} {source.version}: pip says: {_reason(done.stderr)}")
    return path


def _command(source: Source) -> list[str]:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--disable-pip-version-check"]
    if source.is_wheel:
        return [*pip, "--only-binary", source.package]
    return [*pip, "--no-binary", source.package, "--no-build-isolation", "--use-pep517"]


def _environment(source: Source, stand_in: Path) -> dict[str, str]:
    """The user's environment; for an sdist with the stand-in for setuptools first on the path."""
    if source.is_wheel:
        return dict(os.environ)
    package = stand_in / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "build_meta.py").write_text(_STAND_IN, encoding="utf-8")
    paths = [str(stand_in), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line[len("error: ") :] for line in lines if line.lower().startswith("error: ")]
    return (errors or lines or ["nothing"])[-1]
