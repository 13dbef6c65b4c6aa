"""The command line: bad input is one line and exit code 2, with nothing written; the light commands work."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.attacking.recipe import recipes
from asa_bench.core.files import write_json
from asa_bench.defences import DEFENCES
from asa_bench.records import schema
from asa_bench.records.store import write_table
from asa_bench.stats.metrics import results
from tests.conftest import Cli
from tests.reporting.conftest import example_rows, prediction_rows, training_rows
from tests.tomls import write_suite

Data = dict[str, Any]

METHODS = ", ".join(sorted(DEFENCES))


def in_process_of_its_own(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "asa_bench", *map(str, arguments)]
    return subprocess.run(command, text=True, check=False, timeout=120, **{"stderr": subprocess.PIPE, **options})


def complaint(message: str) -> tuple[int, str, str]:
    return 2, "", f"asa-bench: {message}\n"


@pytest.fixture
def refused(cli: Cli, tmp_path: Path) -> Callable[[Data], str]:
    """Runs a suite that is wrong: the message, its file written SUITE, after checking that nothing else happened."""

    def call(data: Data) -> str:
        path = write_suite(tmp_path / "wrong.toml", data)
        code, out, err = cli("run", path, "--out", tmp_path / "runs" / "out")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert not (tmp_path / "runs").exists()
        return err.rstrip("\n").removeprefix("asa-bench: ").replace(str(path), "SUITE")

    return call


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["run"], "Missing argument 'SUITE'."),
        (["rnu"], "No such command 'rnu'."),
        (["run", "quickstart", "--frehs"], "No such option: --frehs"),
        (["run", "quickstart", "--out"], "Option '--out' requires an argument."),
        (["run", "quickstart", "more"], "Got unexpected extra argument"),
        (["list"], "Missing argument 'KIND'."),
        (["list", "models"], "Invalid value for 'KIND': "),
        (["list", "attacks", "--format", "xml"], "Invalid value for '--format': "),
        (["assets", "fetch", "--all"], "No such option: --all"),
    ],
)
def test_usage_errors_are_one_line(cli: Cli, arguments: list[str], start: str) -> None:
    """How such a message goes on depends on typer's version."""
    code, out, err = cli(*arguments)
    assert (code, out, err.count("\n"), err.count("\t")) == (2, "", 1, 0)
    assert err.startswith(f"asa-bench: {start}")


@pytest.mark.parametrize("arguments", [[], ["assets"]])
def test_without_a_command_there_is_help(cli: Cli, arguments: list[str]) -> None:
    code, out, err = cli(*arguments)
    assert (code, err) == (2, "")
    assert out.lstrip().startswith("Usage: ")


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["quikstart"],
            "unknown suite 'quikstart'; did you mean 'quickstart'? "
            "(known: asa, attacks, defences, quickstart, whitebox)",
        ),
        (["no/such.toml"], "no/such.toml: no such suite file"),
        (["quickstart", "--set", "epochs"], "--set epochs: expected key=value"),
        (["quickstart", "--set", "attack.bert.examples=3"], "--set attack.bert.examples=3: no entry 'bert'"),
    ],
)
def test_wrong_suites_and_overrides(cli: Cli, command: str, arguments: list[str], message: str) -> None:
    assert cli(command, *arguments) == complaint(message)


def test_malformed_toml(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\n[task\n')
    assert cli("run", tmp_path / "a.toml", "--out", tmp_path / "out") == complaint(
        f"{tmp_path / 'a.toml'}: not TOML: Expected ']' at the end of a table declaration (at line 2, column 6)"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"defence": [{"method": "basline"}]},
            f"SUITE: unknown defence 'basline'; did you mean 'baseline'? (known: {METHODS})",
        ),
        (
            {"attack": [{"recipe": "pwss"}]},
            f"SUITE: unknown attack 'pwss'; did you mean 'pwws'? (known: {', '.join(sorted(recipes()))})",
        ),
        ({"trian": {}}, "SUITE: unknown key 'trian'; did you mean 'train'?"),
        ({"train": {"epochs": 0}}, "SUITE: train.epochs: expected >= 1, got 0"),
        ({"train": {"batch_size": -1}}, "SUITE: train.batch_size: expected >= 1, got -1"),
        (
            {"train": {"learning_rate": float("nan")}},
            "SUITE: train.learning_rate: expected a finite number, got nan",
        ),
        (
            {"train": {"examples": 500, "max_length": 40}},
            "SUITE: train.examples: fewer examples than asked: asked for 500, there are 83 (task 'reviews')",
        ),
        (
            {"attack": [{"recipe": "deepwordbug", "examples": 41}]},
            "SUITE: attack.deepwordbug.examples: "
            "fewer examples than asked: asked for 41, there are 40 (task 'reviews')",
        ),
        (
            {"encoder": {"name": "minilmm"}},
            "encoder 'minilmm': neither shipped (minilm) nor a local folder; "
            "a Hub model needs a pinned 'revision'; did you mean 'minilm'?",
        ),
    ],
)
def test_wrong_settings(tiny_suite: Data, refused: Callable[[Data], str], change: Data, message: str) -> None:
    assert refused({**tiny_suite, **change}) == message


def test_too_long_for_the_encoder(tiny_suite: Data, refused: Callable[[Data], str]) -> None:
    folder = tiny_suite["encoder"]["name"]
    message = f"train.max_length: expected <= 64 for the encoder in {folder}, got 128"
    assert refused({**tiny_suite, "train": {}}) == message


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (None, {}, "no such file"),
        (b"review,label\na,pos\n", {}, "no column 'text' (columns: review, label)"),
        (b"text,lable\na,pos\n", {}, "no column 'label'; did you mean 'lable'? (columns: text, lable)"),
        (
            b"text,label\na,pos\nb,neg\nc,neutral\n",
            {"labels": ["neg", "pos"]},
            "row 3: field 'label': unknown label 'neutral' (known: neg, pos)",
        ),
        (b"text,label\na,pos\n ,neg\n", {}, "row 2: field 'text' is empty"),
        (b"text,label\na,pos\nb,\n", {}, "row 2: field 'label' is empty"),
        (b"text,label\na,pos\nb,pos\n", {}, "field 'label' has one class only: 'pos'"),
        ("text,label\ncafé,pos\n".encode("latin-1"), {}, "not UTF-8 at byte 14; save it as UTF-8"),
        (b"", {}, "no rows"),
        (b"text,label\na,b,c\n", {}, "line 2: 3 fields, 2 in the header"),
    ],
)
def test_wrong_data(
    tiny_suite: Data,
    refused: Callable[[Data], str],
    tmp_path: Path,
    *,
    content: bytes | None,
    settings: Data,
    message: str,
) -> None:
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_bytes(content)
    task = {"name": "mine", "data": str(path), "validation": str(path), "test": str(path), **settings}
    assert refused({**tiny_suite, "task": task}) == f"{path}: {message}"


def test_unreadable_data(tiny_suite: Data, refused: Callable[[Data], str]) -> None:
    path = Path(tiny_suite["task"]["data"]) / "inside-a-file.csv"
    assert refused({**tiny_suite, "task": {"name": "mine", "data": str(path)}}) == f"{path}: Not a directory"


def test_too_few_rows_to_hold_out(tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,pos\nb,neg\n")
    message = f"{path}: 2 rows are too few to hold out a validation part"
    assert refused({**tiny_suite, "task": {"name": "mine", "data": str(path)}}) == message


def changed_encoder(tiny_suite: Data, folder: Path, **config: Any) -> Data:
    """``tiny_suite`` on a copy of its encoder with changes in ``config.json``."""
    shutil.copytree(tiny_suite["encoder"]["name"], folder)
    write_json(folder / "config.json", json.loads((folder / "config.json").read_text()) | config)
    return {**tiny_suite, "encoder": {"name": str(folder)}}


def test_an_encoder_that_cannot_be_masked_is_refused_before_anything_is_trained(
    tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path
) -> None:
    causal = changed_encoder(tiny_suite, tmp_path / "decoder", is_decoder=True)
    assert refused(causal) == "SUITE: defence 'asa-ratio': BertModel: its attention is causal; expected an encoder"


def test_a_layer_that_is_not_there_is_refused_before_anything_is_trained(
    tiny_suite: Data, refused: Callable[[Data], str]
) -> None:
    expected = "SUITE: defence 'asa': layers: expected 0 to 1 for this encoder, got [1, 2]"
    deep = {"defence": [{"method": "baseline"}, {"method": "asa", "layers": [1, 2]}]}
    assert refused({**tiny_suite, **deep}) == expected
    tried = {
        "defence": [{"method": "asa", "tune": {"layers": [[0], [1, 2]]}}],
        "tune": {"criterion": "validation-loss"},
    }
    assert refused({**tiny_suite, **tried}) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"architectures": ["BertForTokenClassification"]},
            "a checkpoint of another task (BertForTokenClassification)",
        ),
        (
            {
                "architectures": ["BertForSequenceClassification"],
                "id2label": {"0": "a", "1": "b", "2": "c"},
                "label2id": {"a": 0, "b": 1, "c": 2},
            },
            "a classifier of 3 labels; the task has 2",
        ),
    ],
)
def test_checkpoints_of_other_tasks(
    tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path, config: Data, message: str
) -> None:
    assert (
        refused(changed_encoder(tiny_suite, tmp_path / "other", **config)) == f"encoder {tmp_path / 'other'}: {message}"
    )


def test_unknown_kinds_of_model(tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path) -> None:
    message = f"{tmp_path / 'other' / 'config.json'}: model_type: transformers knows no such model: 'berd'"
    assert refused(changed_encoder(tiny_suite, tmp_path / "other", model_type="berd")) == message


def test_a_config_that_is_no_object(tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path) -> None:
    data = changed_encoder(tiny_suite, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text("[]")
    assert refused(data) == f"{tmp_path / 'other' / 'config.json'}: not a JSON object"


def test_truncated_weights(tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path) -> None:
    data = changed_encoder(tiny_suite, tmp_path / "other")
    weights = tmp_path / "other" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:20000])
    assert refused(data).startswith(f"{weights}: damaged: ")


def test_chosen_examples_of_one_class(tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"text {i},pos\n" for i in range(60)) + "other,neg\n")
    task = {"name": "mine", "data": str(path), "validation": str(path), "test": str(path)}
    data = {**tiny_suite, "task": task, "train": {"examples": 2, "max_length": 40}}
    assert refused(data) == "SUITE: train.examples: too few: one class only (task 'mine')"


def test_pickle_weights(tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path) -> None:
    data = changed_encoder(tiny_suite, tmp_path / "other")
    weights = (tmp_path / "other" / "model.safetensors").rename(tmp_path / "other" / "pytorch_model.bin")
    message = f"encoder '{tmp_path / 'other'}': {weights} is a pickle, which can run code; save it as safetensors"
    assert refused(data) == message


def test_missing_assets_say_how_to_get_them(
    tiny_suite: Data, refused: Callable[[Data], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("ASA_BENCH_OFFLINE", "1")
    message = refused({**tiny_suite, "encoder": {"name": "minilm"}})
    assert message.startswith("asset 'minilm' (")
    reason = f") is not in {tmp_path / 'empty'} and ASA_BENCH_OFFLINE forbids fetching"
    assert message.endswith(f"{reason}; get it with: asa-bench assets fetch minilm")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", '{"format": 1, "suite": {"name": "other"}}', "holds a run of suite 'other', not 'tiny'"),
        ("run.json", '{"format": 99, "suite": {"name": "tiny"}}', "written by a newer asa-bench (format 99)"),
        ("thesis.txt", "years of work", "not empty and not a run directory"),
    ],
)
def test_directories_of_others(
    cli: Cli, tiny_suite: Data, tmp_path: Path, *, name: str, text: str, message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(text)
    before = contents(out)
    suite = write_suite(tmp_path / "tiny.toml", tiny_suite)
    assert cli("run", suite, "--out", out) == complaint(f"--out {out}: {message}")
    assert cli("plan", suite, "--out", out) == complaint(f"--out {out}: {message}")
    assert cli("run", suite, "--out", out, "--fresh").code == 2
    assert contents(out) == before


def test_a_damaged_run_json(cli: Cli, tiny_suite: Data, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": ')
    suite = write_suite(tmp_path / "tiny.toml", tiny_suite)
    message = f"{tmp_path / 'run.json'}: line 1: not JSON: Expecting value"
    assert cli("run", suite, "--out", tmp_path) == complaint(message)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [("file", "not a directory"), ("file/out", "Not a directory"), ("/proc/out", "No such file or directory")],
)
def test_directories_that_cannot_be_made(cli: Cli, tiny_suite: Data, tmp_path: Path, inside: str, reason: str) -> None:
    (tmp_path / "file").touch()
    suite = write_suite(tmp_path / "tiny.toml", {**tiny_suite, "attack": []})
    assert cli("run", suite, "--out", tmp_path / inside) == complaint(f"--out {tmp_path / inside}: {reason}")


def test_a_directory_in_use(cli: Cli, tiny_suite: Data, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.toml", {**tiny_suite, "attack": []})
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli("run", suite, "--out", out) == complaint(f"{out}: another asa-bench is writing there")
    assert list(contents(out)) == [".lock"]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A run directory with records and without a report."""
    folder = tmp_path / "recorded"
    cells = [{"task": "reviews", "encoder": "tiny", "defence": name, "seed": 0} for name in ("baseline", "asa")]
    frames = {
        "examples": (schema.EXAMPLES, [row for cell in cells for row in example_rows(cell, "pwws", 40)]),
        "predictions": (schema.PREDICTIONS, [row for cell in cells for row in prediction_rows(cell)]),
        "calibration": (schema.CALIBRATION, [{**c, "temperature": 1.5, "validation_loss": 0.4} for c in cells]),
        "training": (schema.TRAINING, [row for cell in cells for row in training_rows(cell)]),
    }
    tables = {name: schema.table(rows, kind) for name, (kind, rows) in frames.items()}
    for name, (kind, _) in frames.items():
        write_table(folder / f"{name}.parquet", tables[name], kind)
    metrics: pd.DataFrame = results(tables["examples"], tables["predictions"], tables["calibration"])
    write_table(folder / "results.parquet", metrics, schema.RESULTS)
    write_json(folder / "run.json", {"format": schema.FORMAT, "suite": {"name": "recorded"}, "start": "2026-01-01"})
    return folder


def test_report_remakes_a_report(cli: Cli, recorded: Path) -> None:
    page = recorded / "report" / "index.html"
    assert cli("report", recorded) == (0, f"report: {page}\n", "")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert (recorded / "report" / "report.md").is_file()
    assert list((recorded / "report" / "tables").glob("*.tex"))


def test_report_of_several_runs(cli: Cli, recorded: Path, tmp_path: Path) -> None:
    other = shutil.copytree(recorded, tmp_path / "other")
    before = contents(recorded)
    message = "report: several runs have no folder of their own; name one with --out"
    assert cli("report", recorded, other) == complaint(message)
    inside = recorded / "report"
    message = f"--out {inside}: in the run {recorded}, which has a report of its own"
    assert cli("report", recorded, other, "--out", inside) == complaint(message)
    assert cli("report", recorded, recorded, "--out", tmp_path / "both") == complaint(f"{recorded}: given twice")
    assert not (tmp_path / "both").exists()
    page = tmp_path / "both" / "index.html"
    assert cli("report", recorded, other, "--out", tmp_path / "both") == (0, f"report: {page}\n", "")
    table = (tmp_path / "both" / "tables" / "comparison.csv").read_text()
    names = {line.partition(",")[0] for line in table.splitlines()[1:]}
    assert names == {"recorded/baseline", "recorded/asa", "other/baseline", "other/asa"}
    assert contents(recorded) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "no such run directory"), ("", "not a run directory (no run.json in it)")],
)
def test_report_without_a_run(cli: Cli, tmp_path: Path, name: str, message: str) -> None:
    assert cli("report", tmp_path / name) == complaint(f"{tmp_path / name}: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_half_way_keeps_the_old_report(cli: Cli, recorded: Path) -> None:
    assert cli("report", recorded).code == 0
    before = contents(recorded)
    done = in_process_of_its_own(
        "report", recorded, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
    )
    assert done.returncode == 2
    assert done.stderr == "asa-bench: File too large\n"
    assert contents(recorded) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = in_process_of_its_own("--help", stdout=full)
    assert (done.returncode, done.stderr) == (2, "asa-bench: No space left on device\n")


def test_a_reader_that_leaves_is_no_regression() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = in_process_of_its_own("--help", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (130, "")


def test_interrupted(tiny_suite: Data, tmp_path: Path) -> None:
    """Ctrl-C while the command waits for its input: exit code 130 and one line."""
    fifo = tmp_path / "suite.toml"
    fifo_data = tmp_path / "data.csv"
    os.mkfifo(fifo_data)
    write_suite(fifo, {**tiny_suite, "task": {"name": "mine", "data": "data.csv", "test": "data.csv"}})
    command = [sys.executable, "-m", "asa_bench", "run", str(fifo), "--out", str(tmp_path / "out")]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits "ignored"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with fifo_data.open("w"):  # opens when the process reads from it, and stays open: the read cannot end by itself
        for _ in range(10):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):  # the signal came just before the read began: once more
                process.wait(timeout=10)
                break
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "asa-bench: interrupted; run the same command to go on\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["attacks", "defences", "tasks", "suites"])
def test_list_as_json(cli: Cli, kind: str) -> None:
    code, out, err = cli("list", kind, "--format", "json")
    assert (code, err) == (0, "")
    entries = json.loads(out)
    assert entries
    for entry in entries:
        assert list(entry) == ["name", "kind", "available", "missing", "source"]
        assert isinstance(entry["missing"], list)
        assert entry["available"] is (entry["missing"] == [])


def test_list_as_text(cli: Cli) -> None:
    code, out, err = cli("list", "defences")
    assert (code, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines()]
    assert names == ["name", *DEFENCES]


def test_doctor(cli: Cli) -> None:
    code, out, err = cli("doctor")
    assert (code, err) == (0, "")
    assert "python" in out
    assert "asset minilm" in out


def test_plan_shows_the_cells_and_writes_nothing(cli: Cli, tiny_suite: Data, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.toml", tiny_suite)
    code, out, err = cli("plan", suite, "--out", tmp_path / "out", "--set", "attack.examples=3")
    assert (code, err) == (0, "")
    head, *rows, left = out.splitlines()
    assert head.split()[:3] == ["cell", "state", "time"]
    encoder = Path(tiny_suite["encoder"]["name"]).name
    models = [f"reviews/{encoder}/{defence}/0" for defence in ("baseline", "asa-ratio")]
    kinds = ("train/{}", "evaluate/{}", "attack/{}/deepwordbug", "quality/{}/deepwordbug", "probe/{}")
    expected = [kind.format(model) for model in models for kind in kinds]
    expected += [f"transfer/{model}" for model in models]
    assert [row.split()[:2] for row in rows] == [[cell, "todo"] for cell in expected]
    assert left.startswith("12 of 12 cells left: about ")
    assert left.endswith(", at most 240 queries")
    assert not (tmp_path / "out").exists()


def test_libraries_keep_quiet(tiny_suite: Data, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.toml", tiny_suite)
    done = in_process_of_its_own("plan", suite, "--out", tmp_path / "out", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("12 of 12 cells left: about ")
