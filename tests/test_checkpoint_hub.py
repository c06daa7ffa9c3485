"""Models by hub id: a cache without a network, a network without a hub, a hub that says no, and one that has the model.

The hub is a server in this process that answers as Hugging Face's does, as far as one model goes.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import pytest
from helpers import real_formats
from helpers.checkpoints import edit_json
from huggingface_hub import constants

from deepseek_lab.applications.checkpoints import OurWriter, TheirWriter, hub, open_writer

ROOT = Path(__file__).resolve().parents[1]
CODER, CHAT = "deepseek-ai/deepseek-coder-1.3b-instruct", "deepseek-ai/DeepSeek-V2-Lite-Chat"
COMMIT = "89abcdef" * 5


@pytest.fixture(scope="module")
def coder(tmp_path_factory) -> Path:
    return real_formats.coder(tmp_path_factory.mktemp("coder"))


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> Path:
    """A small model, also in the place of the lab's."""
    return real_formats.chat(tmp_path_factory.mktemp("chat"))


@pytest.fixture
def refused(chat):
    """`refused(name, reason)`: the lab's model goes on, and one sentence says why, this one, in seconds."""

    def check(name: str, reason: str) -> None:
        start = time.monotonic()
        writer = open_writer(name, lab=chat)
        assert writer.name == "lab" and isinstance(writer, OurWriter)
        assert writer.sentence == f"{name} can't be used here: {reason}, so the lab's own model goes on."
        assert len(writer.complete(["def f("], 3)) == 1
        assert time.monotonic() - start < 30

    return check


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The hub's cache, empty."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def online(cache, monkeypatch):
    """The hub is at the address that this is called with."""

    def at(port: int) -> None:
        address = f"http://127.0.0.1:{port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()

    yield at
    huggingface_hub.close_session()


class Hub(BaseHTTPRequestHandler):
    """One model from `folder`, at `hub_id`; or `refusal`, a status with the hub's own name for it."""

    folder, hub_id, refusal = None, CODER, None
    asked: list[str]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self.asked.append(f"{self.command} {path}")
        status, body, headers = self.found(path)
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def found(self, path: str) -> tuple[int, bytes, dict]:
        if self.refusal:
            status, name = self.refusal
            return status, b"{}", {"X-Error-Code": name, "X-Error-Message": "no"} if name else {}
        files = {file.name: file.read_bytes() for file in sorted(self.folder.iterdir())}
        api = f"/api/models/{self.hub_id}"
        if path.startswith(f"{api}/tree/"):
            tree = [dict(type="file", path=n, size=len(b), oid=hashlib.sha1(b).hexdigest()) for n, b in files.items()]
            return 200, json.dumps(tree).encode(), {"Content-Type": "application/json"}
        if path.startswith(api):
            siblings = [dict(rfilename=name, size=len(body)) for name, body in files.items()]
            info = dict(id=self.hub_id, sha=COMMIT, siblings=siblings)
            return 200, json.dumps(info).encode(), {"Content-Type": "application/json"}
        name = path.rsplit("/", 1)[-1]
        etag = hashlib.sha1(files[name]).hexdigest()
        return 200, files[name], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}


@pytest.fixture
def server(online):
    """`start(folder or refusal)` runs a hub and returns what it was asked for."""
    running = []

    def start(**content) -> list[str]:
        asked: list[str] = []
        kind = type("OneHub", (Hub,), {**content, "asked": asked})
        running.append(ThreadingHTTPServer(("127.0.0.1", 0), kind))
        Thread(target=running[-1].serve_forever, args=(0.01,), daemon=True).start()  # asks so often whether to end
        online(running[-1].server_address[1])
        return asked

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


GATED = "it is given only to those who accept its terms, on its page, and then log in with `hf auth login`"
NOT_CACHED = "and its cache on this computer doesn't hold the model"


def test_a_cache_works_without_a_network(cache, coder, chat):
    real_formats.hub_cache(cache, CODER, coder)
    real_formats.hub_cache(cache, CHAT, chat)
    writer = open_writer(CODER, lab="")
    assert isinstance(writer, TheirWriter) and writer.name == CODER and writer.sentence.startswith(f"{CODER}: ")
    assert isinstance(open_writer(CHAT, lab=""), OurWriter)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_half_a_model_in_the_cache_is_none(missing, cache, coder, refused):
    real_formats.hub_cache(cache, CODER, coder)
    (next(cache.rglob("config.json")).parent / missing).unlink()
    refused(CODER, f"the hub is switched off (HF_HUB_OFFLINE), {NOT_CACHED}")


def cut_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-1])


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (cut_weights, "not a whole safetensors file"),
        (lambda folder: edit_json(folder, model_type=["x"]), "neither this course nor transformers has code"),
        (lambda folder: edit_json(folder, num_hidden_layers=300), "num_hidden_layers: found 300"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[1]"), "tokenizer_config.json: found list"),
    ],
)
def test_a_broken_model_in_the_cache_leaves_the_lab(breaks, says, cache, coder, chat):
    real_formats.hub_cache(cache, CODER, coder)
    breaks(next(cache.rglob("config.json")).parent)
    writer = open_writer(CODER, lab=chat)
    assert writer.name == "lab" and "its files can't be opened (" in writer.sentence
    assert says in writer.sentence and ". " not in writer.sentence


def test_what_nobody_thought_of_leaves_the_lab(cache, coder, refused, monkeypatch):
    def surprised(folder, tokenizer):
        if tokenizer.eos_token_id == 259:  # the coder's
            raise RuntimeError("an odd file\x07. Read on\nand on.")
        return (1,)

    monkeypatch.setattr("deepseek_lab.applications.checkpoints.opening.end_tokens", surprised)
    real_formats.hub_cache(cache, CODER, coder)
    refused(CODER, "its files can't be opened (an odd file)")


def test_nobody_answers(online, refused):
    online(closed_port())
    refused(CHAT, f"the hub can't be reached (ConnectError), {NOT_CACHED}")


def test_nobody_answers_in_time(online, refused, monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        online(silent.getsockname()[1])
        refused(CHAT, f"the hub can't be reached (ReadTimeout), {NOT_CACHED}")


def test_by_the_environment_and_in_seconds(tmp_path):
    """As a learner has it: only variables say where the hub is, which is what `online` can't show."""
    code = (
        "import time, torch; from deepseek_lab.applications.checkpoints.hub import Unavailable, fetch\n"
        "start = time.monotonic()\n"
        f"try: fetch({CHAT!r}, torch.device('cpu'), torch.float32)\n"
        "except Unavailable as why: print(why); print(time.monotonic() - start)"
    )
    home = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    environment = {**os.environ, **home, "HF_ENDPOINT": f"http://127.0.0.1:{closed_port()}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sentence, seconds = done.stdout.splitlines()
    assert "can't be reached (ConnectError)" in sentence and float(seconds) < 30


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        ((404, "RepoNotFound"), "the hub has no model of this name, or shows it only to some"),
        ((401, "RepoNotFound"), "the hub has no model of this name, or shows it only to some"),
        ((401, "GatedRepo"), GATED),
        ((403, "GatedRepo"), GATED),
    ],
)  # fmt: skip
def test_the_hub_says_no(refusal, reason, server, refused):
    asked = server(refusal=refusal)
    refused(CODER, reason)
    assert asked == [f"GET /api/models/{CODER}"]  # once


def test_the_hub_is_ill(server, refused):
    asked = server(refusal=(503, ""))
    refused(CODER, "the hub answered with an error (Server error '503 Service Unavailable')")
    assert len(asked) == 1


def test_a_download_and_then_no_network(server, online, cache, chat):
    asked = server(folder=chat, hub_id=CHAT)
    writer = open_writer(CHAT, lab="")
    assert isinstance(writer, OurWriter) and writer.name == CHAT and len(writer.complete(["a"], 3)) == 1
    assert not [line for line in asked if line.endswith(".py")], "code is not even downloaded"
    assert not [*cache.rglob("*.py")]
    count = len(asked)
    assert open_writer(CHAT, lab="").name == CHAT and len(asked) == count, "asked again for what is there"
    online(closed_port())
    assert open_writer(CHAT, lab="").name == CHAT


def test_no_room_in_memory_is_known_before_the_download(server, coder, refused, monkeypatch):
    asked = server(folder=coder)
    monkeypatch.setattr(hub, "free_memory", lambda device: 0.0)
    refused(CODER, "in float32 it takes about 0.0 GB of memory, and 0.0 GB are free on cpu")
    assert len(asked) == 1


def test_no_room_on_the_disk_is_known_before_the_download(server, coder, cache, refused, monkeypatch):
    asked = server(folder=coder)
    monkeypatch.setattr("shutil.disk_usage", lambda path: namedtuple("usage", "total used free")(1, 1, 10))
    refused(CODER, f"its files are 0.0 GB, and 0.0 GB are free on the disk of {cache}")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("model.safetensors", "it has no safetensors files, and other weights can hold code and are not opened"),
        ("tokenizer.json", "it has no tokenizer.json"),
    ],
)  # fmt: skip
def test_a_model_in_another_format(missing, reason, server, coder, tmp_path, refused):
    folder = real_formats.copy(coder, tmp_path / "other")
    (folder / missing).rename(folder / "pytorch_model.bin")
    server(folder=folder)
    refused(CODER, reason)


@pytest.mark.parametrize("name", ["nowhere", "./no/folder", "a/b/c", "~/no-such-folder", "two words/x"])
def test_neither_a_folder_nor_a_hub_id(name, server, refused):
    asked = server(refusal=(404, "RepoNotFound"))
    refused(name, "there is no such folder, and a model on the hub has a name like owner/model")
    assert not asked


def test_a_long_hub_id_is_refused_in_one_sentence(online, chat):
    online(closed_port())
    sentence = open_writer("x/" + "a" * 150, lab=chat).sentence
    assert "... can't be used here: fetching it failed (HFValidationError: " in sentence
    assert sentence.count(". ") == 1 and len(sentence) < 400  # the name's three points
