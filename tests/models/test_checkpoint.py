from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
from asa_bench.models.checkpoint import save_checkpoint
from asa_bench.models.classifier import new_classifier

model, tokenizer = new_classifier(Path(sys.argv[1]), ("neg", "pos"), 0, "eager", 40)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_checkpoint(model, tokenizer, Path(sys.argv[2]), "card")
except OSError as error:
    print(error.errno)
"""


def test_a_disk_that_takes_no_more_is_an_os_error_and_leaves_nothing(tiny_encoder: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", TOO_LARGE, str(tiny_encoder), str(tmp_path / "model")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == f"{errno.EFBIG}\n"
    assert list(tmp_path.iterdir()) == []
