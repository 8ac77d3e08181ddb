"""Addresses of the Hugging Face Hub, uploads and downloads, with a stand-in of it."""

import filecmp
import os
import pathlib

import pytest
from hub_double import connected

from sagan_tf import hub
from sagan_tf.errors import BadInput

huggingface_hub = pytest.importorskip("huggingface_hub")

ADDRESS = "hf://user/digits"


@pytest.fixture
def server(monkeypatch, tmp_path):
    with connected(monkeypatch, tmp_path / "home") as running:
        yield running


def write_export(folder):
    """Something that has the layout of an export with its run."""
    (folder / "run" / "checkpoints" / "step_00000007").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: unknown\n---\n# Ærø\n")
    (folder / "export.json").write_text('{"a": 1}\n')
    (folder / "model.weights.h5").write_bytes(bytes(range(256)) * 40)
    (folder / "empty").write_bytes(b"")
    (folder / "run" / "config.json").write_text("{}")
    values = folder / "run" / "checkpoints" / "step_00000007" / "variables"
    values.write_bytes(os.urandom(3_000_000))
    return folder


@pytest.fixture
def export(tmp_path):
    return write_export(tmp_path / "export")


def files(folder):
    """Dict of path to bytes of every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


def refused(function, *arguments):
    with pytest.raises(BadInput) as seen:
        function(*arguments)
    assert "\n" not in str(seen.value)
    return str(seen.value)


# What --workdir and --initialize_from mean.


def test_a_folder_is_itself(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    # A run that somebody called `run`, in the folder of all runs.
    assert hub.find_run(tmp_path) == tmp_path
    assert hub.find_run("not/there") == "not/there"
    assert hub.find_own_run(tmp_path) == tmp_path


def test_in_a_downloaded_folder_it_is_the_run(export):
    assert hub.find_run(str(export)) == export / "run"
    assert hub.find_own_run(export) == export / "run"


def test_what_writes_into_a_run_needs_one_of_your_own():
    assert refused(hub.find_own_run, "hf://user/digits@v1") == (
        "This command writes into the folder of the run, so it needs one of your own. "
        "Received: hf://user/digits@v1. Try hf download user/digits "
        "--local-dir=models/digits, then --workdir=models/digits."
    )


# There and back.


def test_every_file_comes_back_bit_for_bit(server, export, tmp_path):
    hub.check_upload(ADDRESS)
    assert hub.upload(export, ADDRESS) == f"{server.url}/user/digits"
    downloaded = hub.find_run(ADDRESS)
    assert files(downloaded) == files(export / "run")
    whole = huggingface_hub.HfApi().snapshot_download("user/digits")
    assert files(whole).keys() - {".gitattributes"} == files(export).keys()
    for path in files(export):
        assert filecmp.cmp(f"{whole}/{path}", export / path, shallow=False), path
    assert server.objects and not server.private


def test_only_what_a_run_needs_is_downloaded_and_once(server, export):
    hub.upload(export, ADDRESS)
    server.requests.clear()
    hub.find_run(ADDRESS)
    names = {request.rpartition("/")[2] for request in server.requests}
    assert "variables" in names and "model.weights.h5" not in names
    server.requests.clear()
    hub.find_run(ADDRESS)
    assert not any("/resolve/" in request for request in server.requests)


def test_the_files_of_an_earlier_run_go_and_other_files_stay(server, export, tmp_path):
    hub.upload(export, ADDRESS)
    first = server.commit_names("user/digits")[-1]
    (export / "run" / "import.json").write_text("{}")
    (export / "run" / "checkpoints" / "step_00000007" / "variables").unlink()
    (export / "export.json").write_text("{}")
    (export / "empty").unlink()
    hub.upload(export, ADDRESS)
    stays = {".gitattributes", "empty"}
    assert server.files("user/digits").keys() - stays == files(export).keys()
    assert "empty" in server.files("user/digits")
    assert files(hub.find_run(ADDRESS)) == files(export / "run")
    before = files(hub.find_run(f"{ADDRESS}@{first}"))
    assert "checkpoints/step_00000007/variables" in before


def test_a_new_repository_can_be_private(server, export):
    hub.upload(export, ADDRESS, private=True)
    assert server.private == {"user/digits"}


def test_without_the_server_what_was_downloaded_is_there(server, export, monkeypatch):
    hub.upload(export, ADDRESS)
    before = hub.find_run(ADDRESS)
    server.broken = "/"
    assert hub.find_run(ADDRESS) == before


# What is refused.


@pytest.mark.parametrize(
    "address",
    ["hf://digits", "hf://", "hf:/user/digits", "hf://user/digits/", "hf://a/b/c"]
    + ["hf://a/b@", "hf://us er/b", "hf://-a/b", "hf://user/Ærø"],
)
def test_what_is_no_name_is_one_line(address):
    words = f"is hf://user/name. Received: {address}. Try hf://user/digits"
    for function in (hub.check_upload, hub.find_run, hub.find_own_run):
        assert words in refused(function, address)


@pytest.mark.parametrize(
    "name", ["user/a--b", "user/a..b", "user/a.git", "u/" + "a" * 99]
)
def test_what_the_hub_takes_for_no_name_is_refused_before(server, name):
    assert "cannot be written to" in refused(hub.check_upload, f"hf://{name}")
    assert not server.requests


def test_an_upload_has_no_revision(server):
    line = refused(hub.check_upload, "hf://user/digits@v1")
    assert line.endswith("Received: hf://user/digits@v1. Try --to=hf://user/digits.")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(hub, "_MODULE", "not_there")
    for function in (hub.check_upload, hub.find_run):
        assert refused(function, ADDRESS) == (
            "hf:// needs a package that is not installed. Missing: not_there. Try pip "
            "install 'sagan-tf[hub]'."
        )


def test_the_extra_has_the_package_and_the_tests_need_it():
    text = (pathlib.Path(__file__).parents[1] / "setup.py").read_text(encoding="utf-8")
    assert 'HUB = ["huggingface_hub>=' in text
    assert '"hub": HUB,' in text and "*HUB," in text


def test_a_missing_or_wrong_token_is_said_before(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "Invalid user token" in refused(hub.check_upload, ADDRESS)
    monkeypatch.delenv("HF_TOKEN")
    assert refused(hub.check_upload, ADDRESS) == (
        "--to needs a Hugging Face Hub token with write access. Received: none. "
        "Try hf auth login, or the environment variable HF_TOKEN."
    )


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense"])
def test_a_server_that_cannot_be_reached_is_one_line(
    server, export, monkeypatch, endpoint
):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    for function, arguments in (
        (hub.check_upload, (ADDRESS,)),
        (hub.upload, (export, ADDRESS)),
        (hub.find_run, (ADDRESS,)),
    ):
        assert f" {endpoint}. Received: " in refused(function, *arguments)


def test_what_is_not_there_is_named(server, export):
    assert "Repository Not Found" in refused(hub.find_run, "hf://user/cats")
    hub.upload(export, ADDRESS)
    assert "Revision Not Found" in refused(hub.find_run, f"{ADDRESS}@v2")
    del server.files("user/digits")["export.json"]
    assert refused(hub.find_run, ADDRESS) == (
        "hf://user/digits must be a repository that sagan_tf.export --to uploaded. "
        "Received: a repository without export.json and run/config.json. Try another "
        "name."
    )


@pytest.mark.parametrize("part", ["repos/create", "batch", "/storage/", "/commit/"])
def test_after_a_failed_upload_the_export_is_there(server, export, part, tmp_path):
    export = export.rename(tmp_path / "my export")
    before = files(export)
    server.broken = part
    line = refused(hub.upload, export, ADDRESS)
    assert line.startswith(
        f"{ADDRESS} could not be written to {server.url}. Received: "
    )
    assert "403 Forbidden" in line
    assert line.endswith(
        f"The export is kept: {export}. Try hf upload user/digits '{export}'."
    )
    assert files(export) == before
