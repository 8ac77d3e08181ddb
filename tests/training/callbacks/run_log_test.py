"""What Weights & Biases and MLflow are sent, on a fake model."""

import json
import pathlib
import struct

import keras
import pytest

from sagan_tf.errors import BadInput
from sagan_tf.files import append_lines
from sagan_tf.run.records import json_line, read_metrics
from sagan_tf.training.callbacks import run_log
from sagan_tf.training.callbacks.metric_log import MetricLog
from sagan_tf.training.callbacks.run_log import RunLog, check_installed, make_run_logs
from sagan_tf.training.callbacks.sample_grid import SampleGrid
from sagan_tf.training.callbacks.stopping import Stop
from tests.training.callbacks.counting import CountingModel, fit

SETTINGS = {"seed": 3, "augment": ("flip",), "ema_decay": None}
EVALUATION = {
    "step": 4,
    "protocol": {"name": "quick-5k"},
    "network": {"name": "digits-cnn (own)"},
    "metrics": {"fid": 2.5, "is": None},
}


class Sink:
    """Remembers what it is sent, by run; `fails` once if it is told to."""

    errors = ConnectionError
    runs, fails = {}, False

    def __init__(self, workdir, settings, run_id):
        self.run_id = run_id or f"run {len(self.runs)}"
        self.sent = self.runs.setdefault(self.run_id, [])

    def log(self, values, step):
        if Sink.fails:
            Sink.fails = False
            raise ConnectionError("no\nnetwork")
        self.sent.append((step, values))

    def draw(self, path, step):
        self.sent.append((step, path.name))

    def close(self, status):
        self.sent.append(status)


@pytest.fixture(autouse=True)
def no_runs(monkeypatch):
    monkeypatch.setattr(Sink, "runs", {})
    monkeypatch.setattr(Sink, "fails", False)


def train(workdir, start, steps, log, stop=None):
    """Counts `steps`, with metrics at every second one and a grid at every third."""
    model = CountingModel(start)
    model.reset_metrics = lambda: None
    model.stop = stop
    (workdir / "samples").mkdir(exist_ok=True)
    grid = SampleGrid(3, workdir / "samples", columns=1)
    fit(model, steps, MetricLog(2, workdir, images_per_step=10), grid, log)


def recording(workdir, every=2):
    return RunLog(every, workdir, SETTINGS, {"mine": Sink})


def test_a_logger_gets_the_lines_of_metrics_jsonl_the_grids_and_the_end(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "step_00000003 (1).png").write_bytes(b"a copy")
    train(tmp_path, 0, 4, recording(tmp_path))
    (sent,) = Sink.runs.values()
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        values = {name: v for name, v in line.items() if name not in ("step", "time")}
        assert set(values) == {"loss", "images", "images_per_second"}
        assert (line["step"], values) in sent
    grids = [name for _, name in sent[:-1] if isinstance(name, str)]
    assert grids == ["step_00000000.png", "step_00000003.png", "step_00000004.png"]
    assert sent[-1] == 0
    assert len(sent) == len(lines) + len(grids) + 1


def test_evaluations_have_the_names_of_their_protocol_and_network(tmp_path):
    append_lines(tmp_path / "evaluations.jsonl", json_line(EVALUATION))
    append_lines(
        tmp_path / "evaluations.jsonl", json_line({**EVALUATION, "step": None})
    )
    train(tmp_path, 4, 2, recording(tmp_path))
    (sent,) = Sink.runs.values()
    assert (4, {"evaluation/quick-5k/digits-cnn (own)/fid": 2.5}) in sent
    scores = [v for _, v in sent[:-1] if any("fid" in name for name in v)]
    assert len(scores) == 1


def test_a_run_goes_on_in_the_same_run_and_sends_what_follows_its_checkpoint(tmp_path):
    append_lines(tmp_path / "evaluations.jsonl", json_line(EVALUATION))
    train(tmp_path, 0, 6, recording(tmp_path), Stop(3, "SIGTERM"))
    train(tmp_path, 4, 4, recording(tmp_path))
    (sent,) = Sink.runs.values()
    steps = [step for step, values in filter(is_pair, sent) if "loss" in values]
    assert steps == [2, 4, 6, 6, 8]
    assert sum("evaluation" in str(values) for _, values in filter(is_pair, sent)) == 1
    assert [each for each in sent if not is_pair(each)] == [3, 0]


def is_pair(sent):
    return isinstance(sent, tuple)


def test_a_logger_that_comes_later_gets_all_that_is_there(tmp_path):
    train(tmp_path, 0, 4, keras.callbacks.Callback())
    train(tmp_path, 4, 2, recording(tmp_path))
    (sent,) = Sink.runs.values()
    assert [step for step, values in sent[:-1] if "loss" in values] == [2, 4, 6]


def test_a_logger_that_fails_ends_no_training_and_gets_it_later(tmp_path, capsys):
    Sink.fails = True
    train(tmp_path, 0, 4, recording(tmp_path))
    (sent,) = Sink.runs.values()
    assert [step for step, values in sent[:-1] if "loss" in values] == [2, 4]
    assert "warning: mine received nothing: no network\n" in capsys.readouterr().err


def test_a_missing_package_is_one_line(monkeypatch):
    check_installed(["json"])
    with pytest.raises(BadInput) as caught:
        check_installed(["json", "no_such_logger"])
    assert "pip install 'sagan-tf[no_such_logger]'" in str(caught.value)


def test_a_folder_of_the_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "no_such_logger").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="not installed"):
        check_installed(["no_such_logger"])


def test_only_loggers_that_are_asked_for_are_opened(tmp_path):
    assert make_run_logs((), 2, tmp_path, SETTINGS) == []
    assert make_run_logs(("tensorboard",), 2, tmp_path, SETTINGS) == []
    (log,) = make_run_logs(("tensorboard", "mlflow"), 2, tmp_path, SETTINGS)
    assert list(log._classes) == ["mlflow"]
    assert set(run_log.SINKS) == {"wandb", "mlflow"}


def assert_shown(workdir, shown):
    """A dict of name to list of (step, value) is what metrics.jsonl says."""
    lines = read_metrics(workdir / "metrics.jsonl")
    assert len(lines) > 2
    for name in ("loss", "images", "images_per_second"):
        assert shown[name] == [(line["step"], line[name]) for line in lines]
    (scores,) = (v for n, v in shown.items() if n.startswith("evaluation"))
    assert scores == [(4, 2.5)]


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return pytest.importorskip("mlflow", reason="pip install mlflow-skinny")


@pytest.mark.slow
def test_mlflow_shows_the_values_of_metrics_jsonl(tmp_path, mlflow):
    workdir = tmp_path / "digits"
    workdir.mkdir()
    append_lines(workdir / "evaluations.jsonl", json_line(EVALUATION))
    for start in (0, 4):
        train(workdir, start, 4, *make_run_logs(("mlflow",), 2, workdir, SETTINGS))
    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["0"])
    assert run.info.run_name == "digits" and run.info.status == "FINISHED"
    assert run.data.params["seed"] == "3"
    shown = {
        name: [
            (m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)
        ]
        for name in run.data.metrics
    }
    assert_shown(workdir, shown)
    artifacts = client.list_artifacts(run.info.run_id, "samples")
    names = sorted(pathlib.Path(each.path).name for each in artifacts)
    assert names == sorted(path.name for path in (workdir / "samples").iterdir())


@pytest.mark.slow
def test_a_store_that_mlflow_refuses_is_one_line(tmp_path, mlflow):
    append_lines(
        tmp_path / "loggers.json",
        json.dumps(
            {"mlflow": {"run": "0" * 32, "metrics": 1, "samples": 1, "evaluations": 0}}
        ),
    )
    (log,) = make_run_logs(("mlflow",), 2, tmp_path, SETTINGS)
    with pytest.raises(BadInput, match="Received: .*0000.*MLFLOW_TRACKING_URI"):
        train(tmp_path, 0, 2, log)


@pytest.mark.slow
def test_wandb_shows_the_values_of_metrics_jsonl(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    workdir = tmp_path / "digits"
    workdir.mkdir()
    append_lines(workdir / "evaluations.jsonl", json_line(EVALUATION))
    for start in (0, 4):
        train(workdir, start, 4, *make_run_logs(("wandb",), 2, workdir, SETTINGS))
    shown, grids, runs = {}, [], set()
    files = sorted((workdir / "wandb").glob("offline-run-*/run-*.wandb"))
    for record in (each for path in files for each in wandb_records(path)):
        if record.WhichOneof("record_type") == "run":
            runs.add((record.run.run_id, record.run.display_name, record.run.project))
        if record.WhichOneof("record_type") != "history":
            continue
        items = {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for item in record.history.item
        }
        step = items.pop("step")
        if any(name.startswith("samples") for name in items):
            grids.append(step)
            continue
        for name, value in items.items():
            shown.setdefault(name, []).append((step, value))
    ((run, name, project),) = runs
    assert (name, project) == ("digits", "sagan_tf")
    assert json.loads((workdir / "loggers.json").read_text())["wandb"]["run"] == run
    assert_shown(workdir, shown)
    assert sorted(grids) == [0, 3, 4, 6, 8]


def wandb_records(path):
    """The records of a .wandb file: LevelDB's log format behind a head of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:  # The rest of a block is padding.
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # A whole record, or the last part of one.
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""
