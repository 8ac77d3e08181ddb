"""A stand-in for the Hugging Face Hub: the part of its HTTP API that we use.

It keeps every commit in memory. Text files are part of a commit, others are LFS
objects, as on the Hub. It has no Xet storage.
"""

import base64
import contextlib
import hashlib
import http.server
import importlib
import json
import re
import threading

TOKEN = "hf_of_the_stand_in"


class HubDouble(http.server.ThreadingHTTPServer):
    """The server. `with HubDouble() as hub` runs it.

    Attributes:
        url: str, the value for `HF_ENDPOINT`.
        repositories: dict of `user/name` to list of commits, each a dict of path to
            bytes, oldest first.
        private: set of `user/name`.
        requests: list of str, `METHOD /path` of each request.
        broken: str; a request whose path contains it gets status 403.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories, self.private, self.requests = {}, set(), []
        self.objects, self.broken = {}, None
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def files(self, repository):
        """Returns the newest files of a repository: dict of path to bytes."""
        return self.repositories[repository][-1]

    def commit_names(self, repository):
        """Returns the names of all commits, oldest first."""
        numbers = range(len(self.repositories[repository]))
        return [hashlib.sha1(f"{repository} {n}".encode()).hexdigest() for n in numbers]

    def find(self, repository, revision):
        """Returns the name and the files of a revision, or raises a 404."""
        if repository not in self.repositories:
            raise _Refusal(404, "RepoNotFound")
        names = self.commit_names(repository)
        name = names[-1] if revision in (None, "main") else revision
        if name not in names:
            raise _Refusal(404, "RevisionNotFound")
        return name, self.repositories[repository][names.index(name)]


class _Refusal(Exception):
    """A status and the Hub's error code."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._respond("GET")

    def do_HEAD(self):
        self._respond("HEAD")

    def do_POST(self):
        self._respond("POST")

    def do_PUT(self):
        self._respond("PUT")

    def log_message(self, *arguments):
        pass

    def _respond(self, method):
        path = self.path.partition("?")[0]
        self.server.requests.append(f"{method} {path}")
        body = self._body()
        try:
            self._check(method, path)
            for pattern, answer in _ROUTES:
                if match := re.fullmatch(pattern, f"{method} {path}"):
                    return self._send(*answer(self.server, body, *match.groups()))
            raise _Refusal(404, "NotFound")
        except _Refusal as refusal:
            status, code = refusal.args
            self._send(b"{}", {"X-Error-Code": code, "X-Error-Message": code}, status)

    def _body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _check(self, method, path):
        if self.server.broken and self.server.broken in path:
            raise _Refusal(403, "Forbidden")
        is_allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if not is_allowed and (method == "POST" or path == "/api/whoami-v2"):
            raise _Refusal(401, "Unauthorized")

    def _send(self, content, headers=None, status=200):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        headers = {"Content-Length": len(content), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _who(hub, body):
    return [{"name": "user", "type": "user"}]


def _create(hub, body):
    wanted = json.loads(body)
    repository = f"{wanted['organization']}/{wanted['name']}"
    url = {"url": f"{hub.url}/{repository}", "name": repository}
    if repository in hub.repositories:
        return url, {}, 409
    hub.repositories[repository] = [{".gitattributes": b"*.h5 filter=lfs\n"}]
    if wanted.get("visibility") == "private" or wanted.get("private"):
        hub.private.add(repository)
    return [url]


def _accept(hub, body):
    return [{}]


def _upload_modes(hub, body, repository, revision):
    files = []
    for file in json.loads(body)["files"]:
        is_text = b"\0" not in base64.b64decode(file["sample"])
        mode = "regular" if is_text and file["size"] < 10**6 else "lfs"
        files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
    return [{"files": files}]


def _where_to_upload(hub, body, repository):
    objects = []
    for each in json.loads(body)["objects"]:
        if each["oid"] not in hub.objects:
            upload = {"href": f"{hub.url}/storage/{each['oid']}"}
            each = {**each, "actions": {"upload": upload}}
        objects.append(each)
    return [{"transfer": "basic", "objects": objects}]


def _store(hub, body, oid):
    if hashlib.sha256(body).hexdigest() != oid:
        raise _Refusal(422, "WrongDigest")
    hub.objects[oid] = body
    return [{}]


def _commit(hub, body, repository, revision):
    files = dict(hub.files(repository))
    for line in body.splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            files[value["path"]] = hub.objects[value["oid"]]
        elif entry["key"] == "deletedFile":
            del files[value["path"]]
    hub.repositories[repository].append(files)
    name = hub.commit_names(repository)[-1]
    url = f"{hub.url}/{repository}/commit/{name}"
    return [{"success": True, "commitOid": name, "commitUrl": url}]


def _about(hub, body, repository, revision=None):
    name, files = hub.find(repository, revision)
    siblings = [{"rfilename": path} for path in files]
    return [{"id": repository, "sha": name, "siblings": siblings, "tags": []}]


def _tree(hub, body, repository, revision):
    _, files = hub.find(repository, revision)
    return [
        [
            {
                "type": "file",
                "path": path,
                "size": len(content),
                "oid": hashlib.sha1(content).hexdigest(),
            }
            for path, content in files.items()
        ]
    ]


def _file(hub, body, repository, revision, path):
    name, files = hub.find(repository, revision)
    if path not in files:
        raise _Refusal(404, "EntryNotFound")
    etag = hashlib.sha256(files[path]).hexdigest()
    return files[path], {"X-Repo-Commit": name, "ETag": f'"{etag}"'}


_NAME = r"([\w.-]+/[\w.-]+)"
_MODEL = f"/api/models/{_NAME}"
_ROUTES = (
    ("GET /api/whoami-v2", _who),
    ("POST /api/repos/create", _create),
    ("POST /api/validate-yaml", _accept),
    (rf"POST {_MODEL}/preupload/(\w+)", _upload_modes),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _where_to_upload),
    (r"PUT /storage/(\w+)", _store),
    (rf"POST {_MODEL}/commit/(\w+)", _commit),
    (f"GET {_MODEL}", _about),
    (rf"GET {_MODEL}/revision/(\w+)", _about),
    (rf"GET {_MODEL}/tree/(\w+)", _tree),
    (rf"(?:GET|HEAD) /{_NAME}/resolve/(\w+)/(.+)", _file),
)


@contextlib.contextmanager
def connected(monkeypatch, home):
    """Starts the stand-in; huggingface_hub in this process then connects to it.

    Args:
        monkeypatch: pytest's.
        home: path of a folder for the cache.
    """
    constants = importlib.import_module("huggingface_hub.constants")
    with HubDouble() as hub:
        # The package read these from the environment when it was imported.
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
