"""Runs on the Hugging Face Hub: what `hf://user/name` means, uploads, downloads.

`export --to` uploads an export with the run's checkpoint beside it, in the folder
`run/`: see `run/sharing.py`. Only `find_run` looks for this folder.
"""

import contextlib
import importlib
import pathlib
import re
import shlex
import sys

from sagan_tf.errors import BadInput, missing_packages

# The folder in an export with the run that the export comes from.
RUN = "run"
_MODULE = "huggingface_hub"
_ADDRESS = re.compile(r"hf://(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?", re.ASCII)
# An error message shows at most this many letters of the package's own message.
_MOST_LETTERS = 300


def is_address(path):
    """Returns True if a path (or `None`) looks like an address on the Hub."""
    return str(path).startswith("hf:/")


def find_run(path):
    """Returns the local folder of a run.

    Args:
        path: the folder itself; a folder that was downloaded from the Hub or written by
            `export --to`; or `hf://user/name`, optionally followed by `@` and a branch,
            a tag or a commit. The necessary files are downloaded once, into the Hub's
            cache.

    Returns:
        Path or str. Callers must not write into the Hub's cache.

    Raises:
        BadInput: the address is invalid, huggingface_hub is missing, the download
            fails, or the repository has no run.
    """
    folder = pathlib.Path(_download(path) if is_address(path) else path)
    if (folder / "export.json").exists() and (folder / RUN / "config.json").exists():
        return folder / RUN
    if is_address(path):
        raise BadInput(
            f"{path} must be a repository that sagan_tf.export --to uploaded. "
            f"Received: a repository without export.json and {RUN}/config.json. Try "
            "another name."
        )
    return path


def find_own_run(path):
    """Does the same as `find_run`, but for a command that writes into the run.

    Raises:
        BadInput: `path` is an address on the Hub.
    """
    if is_address(path):
        repository, _ = _parse(path)
        folder = f"models/{repository.partition('/')[2]}"
        raise BadInput(
            "This command writes into the folder of the run, so it needs one of your "
            f"own. Received: {path}. Try hf download {repository} --local-dir={folder}"
            f", then --workdir={folder}."
        )
    return find_run(path)


def check_upload(address):
    """Checks before a long export that `upload` can work.

    Raises:
        BadInput: the address is invalid, huggingface_hub or a token is missing, or the
            server does not answer or does not accept the token.
    """
    repository, revision = _parse(address)
    if revision:
        raise BadInput(
            f"--to must be a repository without a revision. Received: {address}. "
            f"Try --to=hf://{repository}."
        )
    package = _package()
    if package.get_token() is None:
        raise BadInput(
            "--to needs a Hugging Face Hub token with write access. Received: "
            "none. Try hf auth login, or the environment variable HF_TOKEN."
        )
    with _in_one_line(package, f"{address} cannot be written to"):
        package.utils.validate_repo_id(repository)
        package.HfApi().whoami()


def upload(folder, address, private=False):
    """Uploads an export, and creates the repository if it does not exist.

    Files of the repository stay if the export has no file of that name. Only the files
    of an earlier run are deleted.

    Args:
        folder: path of the export.
        address: str, `hf://user/name`.
        private: bool, whether a new repository is private.

    Returns:
        str, the URL of the repository's page.

    Raises:
        BadInput: the upload failed; the export stays.
    """
    repository, _ = _parse(address)
    package = _package()
    command = f"hf upload {repository} {shlex.quote(str(folder))}"
    remedy = f"The export is kept: {folder}. Try {command}."
    with _in_one_line(package, f"{address} could not be written to", remedy):
        api = package.HfApi()
        page = api.create_repo(repository, private=private or None, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            delete_patterns=f"{RUN}/*",
            commit_message="Upload an export of sagan_tf",
        )
    return str(page)


def _download(address):
    """Downloads a repository's run; returns its folder in the Hub's cache."""
    repository, revision = _parse(address)
    package = _package()
    with _in_one_line(package, f"{address} cannot be read from"):
        return package.HfApi().snapshot_download(
            repository, revision=revision, allow_patterns=["export.json", f"{RUN}/*"]
        )


def _parse(address):
    """Returns the name of the repository, and the revision or `None`."""
    match = _ADDRESS.fullmatch(str(address))
    if not match:
        raise BadInput(
            "A repository of the Hugging Face Hub is hf://user/name. Received: "
            f"{address}. Try hf://user/digits with your user name."
        )
    return match.groups()


def _package():
    """Returns the module huggingface_hub, with progress bars only in a terminal."""
    if missing_packages([_MODULE]):
        raise BadInput(
            f"hf:// needs a package that is not installed. Missing: {_MODULE}. "
            "Try pip install 'sagan-tf[hub]'."
        )
    for part in ("errors", "utils"):  # They become attributes.
        importlib.import_module(f"{_MODULE}.{part}")
    package = sys.modules[_MODULE]
    if not sys.stderr.isatty():
        package.utils.disable_progress_bars()
    return package


@contextlib.contextmanager
def _in_one_line(package, what, remedy="Try hf auth whoami, or another name."):
    """Turns the package's exceptions into `BadInput`."""
    try:
        yield
    # HTTPError comes from its HTTP client. Failed uploads raise a RuntimeError.
    except (package.errors.HTTPError, OSError, RuntimeError, ValueError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) else None
        words = " ".join(f"{error} {cause or ''}".split())[:_MOST_LETTERS].rstrip(".")
        reason = words or type(error).__name__
        server = package.HfApi().endpoint
        raise BadInput(f"{what} {server}. Received: {reason}. {remedy}") from error
