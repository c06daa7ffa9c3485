"""course.py with real pips, which install tiny wheels from a package index on this machine, in a folder with spaces and
non-ASCII letters: the index breaks in the ways that real ones do, and the next try carries on.
"""

import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers.course_folder import ROOT, free_port, new_folder, posix_only

pytestmark = pytest.mark.slow  # pip installs

# A newcomer's hour: real pips, and an index on this machine that breaks in the ways real ones do

BACKEND = """
import zipfile, pathlib
def get_requires_for_build_editable(settings=None):
    return []
def build_editable(folder, settings=None, metadata=None):
    name = "tiny-0-py3-none-any.whl"
    needs = "Requires-Dist: alpha>=1\\nRequires-Dist: beta\\nProvides-Extra: dev\\n"
    needs += "".join(f'Requires-Dist: {n}; extra == "dev"\\n' for n in ("pytest", "jupyterlab"))
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("tiny.pth", str(pathlib.Path.cwd()))
        info = "tiny-0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 0\\n" + needs)
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = ["builder"]
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
dynamic = ["version", "dependencies", "optional-dependencies"]
"""
# Stands for pytest and JupyterLab: says how it was called, and does as it is told.
SAYS_ITS_CALL = """
import json, os, sys, time
call = {"arguments": sys.argv[1:], "cwd": os.getcwd(), "utf8": sys.flags.utf8_mode, "prefix": sys.prefix}
try:
    print("CALL " + json.dumps(call), flush=True)
    time.sleep(60 if "wait" in sys.argv else 0)
except KeyboardInterrupt:
    print("ended by Ctrl-C")
    sys.exit(0)
sys.exit(7)
"""


def wheel(name, version="1.0"):
    content = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(f"{name}/__init__.py", "")
        file.writestr(f"{name}/__main__.py", SAYS_ITS_CALL)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return content.getvalue()


class Index(ThreadingHTTPServer):
    """A package index with a few wheels; `fault` says what happens to whoever downloads beta."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {f"{name}-1.0-py3-none-any.whl": wheel(name) for name in ("beta", "pytest", "jupyterlab")}
        for version in ("1.0", "2.0"):
            self.files[f"alpha-{version}-py3-none-any.whl"] = wheel("alpha", version)
        self.files["builder-1.0-py3-none-any.whl"] = wheel("builder")
        self.fault, self.downloads, self.stalled = None, [], threading.Event()
        self.address = f"http://127.0.0.1:{self.server_address[1]}/simple"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the test."""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        kind, name = self.path.strip("/").split("/")
        if kind == "simple":
            links = {
                f"/files/{file}#sha256={hashlib.sha256(body).hexdigest()}": file
                for file, body in self.server.files.items()
                if file.startswith(name + "-")
            }
            page = "".join(f"<a href='{link}'>{file}</a>" for link, file in links.items()).encode()
            return self.answer(page, "text/html", len(page))
        body = self.server.files[name]
        self.server.downloads.append(name)
        fault = self.server.fault if name.startswith("beta") else None
        self.answer(body[: len(body) // 2] if fault else body, "application/octet-stream", len(body))
        if fault == "reset":  # an immediate RST, as a dropped line gives
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif fault == "stall":
            self.server.stalled.set()
            time.sleep(30)
        if fault:
            self.connection.close()
        return None

    def answer(self, body, kind, length):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if kind != "text/html":
            self.send_header("Cache-Control", "max-age=365000000, immutable")  # as the large indexes do
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        """Silent."""


class Newcomer:
    """Types commands in a real, small course folder, as a process of its own."""

    def __init__(self, tmp_path):
        self.folder = new_folder(tmp_path)
        (self.folder / "backend.py").write_text(BACKEND)
        (self.folder / "pyproject.toml").write_text(PROJECT)
        self.index = Index()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTEST_"))}
        self.env = {
            **kept,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": self.index.address,
            "PIP_TRUSTED_HOST": f"127.0.0.1:{self.index.server_address[1]}",
            "PIP_CACHE_DIR": str(tmp_path / "cache"),
            "PIP_RETRIES": "0",
            "no_proxy": "127.0.0.1",
        }

    def types(self, *arguments, **env):
        """The ended process; its stdout and stderr are one text, in the order they came."""
        process = self.starts(*arguments, **env)
        text, _ = process.communicate(timeout=120)
        return types.SimpleNamespace(code=process.returncode, text=text)

    def starts(self, *arguments, **env):
        return subprocess.Popen(
            [sys.executable, str(self.folder / "course.py"), *arguments],
            cwd=self.folder.parent,  # not the course's own folder
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="surrogateescape",
            start_new_session=True,
        )

    @property
    def stamped(self):
        return (self.folder / ".venv" / "course-stamp.json").exists()


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Five tries in one folder: no network, two kinds of break halfway, Ctrl-C, and one that goes well."""
    if os.name != "posix":
        pytest.skip("signals as on Linux and macOS")
    newcomer = Newcomer(tmp_path_factory.mktemp("story"))
    tries = {}

    def tried(name, result):
        tries[name] = result
        result.stamped = newcomer.stamped
        result.downloads = newcomer.index.downloads.copy()
        newcomer.index.downloads.clear()
        result.venv = (newcomer.folder / ".venv" / "pyvenv.cfg").stat().st_mtime_ns

    ascii_terminal = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    tried("offline", newcomer.types("test", PIP_INDEX_URL="http://127.0.0.1:9/simple", **ascii_terminal))
    # Seen once: pip fetches what builds the course first. It costs a second a try, so the rest goes without.
    (newcomer.folder / "pyproject.toml").write_text(PROJECT.replace('"builder"', ""))
    for fault in ("reset", "short"):
        newcomer.index.fault = fault
        tried(fault, newcomer.types("test"))

    newcomer.index.fault = "stall"
    process = newcomer.starts("test")
    assert newcomer.index.stalled.wait(60)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    text, _ = process.communicate(timeout=60)
    tried("ctrl-c", types.SimpleNamespace(code=process.returncode, text=text))

    newcomer.index.fault = None
    tried("online", newcomer.types("test", "-k", "a b", "ü.py"))
    newcomer.tries = tries
    yield newcomer
    newcomer.index.shutdown()
    newcomer.index.server_close()


@pytest.mark.parametrize(
    ("name", "pips_word"),
    [
        ("offline", "from versions: none"),
        ("reset", "Connection broken"),
        ("short", "DO NOT MATCH THE HASHES"),
    ],
)
def test_network_gone(story, name, pips_word):
    tried = story.tries[name]
    assert tried.code == 1 and not tried.stamped
    last = tried.text.strip().splitlines()[-1]
    assert last.startswith("pip did not reach its package index") and last.endswith("where it stopped.")
    assert pips_word in tried.text and "Traceback" not in tried.text


def test_ctrl_c_during_the_install(story):
    tried = story.tries["ctrl-c"]
    assert tried.code == 130 and not tried.stamped
    last = tried.text.strip().splitlines()[-1]
    assert last.startswith("Stopped.") and last.endswith("where it stopped.")
    assert "Traceback" not in tried.text


def test_the_last_try_carries_on(story):
    offline, reset, *_, online = story.tries.values()
    assert online.stamped and "carrying on" in online.text
    assert online.venv == offline.venv, "the .venv of the first try was thrown away"
    assert "alpha-1.0-py3-none-any.whl" in reset.downloads, "the constraint picks 1.0, though there is a 2.0"
    assert "alpha-1.0-py3-none-any.whl" not in online.downloads, "what had arrived was downloaded again"


def call(text):
    (line,) = [line for line in text.splitlines() if line.startswith("CALL ")]
    return json.loads(line[5:])


def test_pytest_gets_its_arguments_and_gives_its_exit_code(story):
    online = story.tries["online"]
    assert online.code == 7
    seen = call(online.text)
    assert seen["arguments"] == ["-k", "a b", "ü.py"] and seen["utf8"] == 1
    assert seen["cwd"] == str(story.folder), "the command was typed in another folder"
    assert seen["prefix"] == str(story.folder / ".venv")


def test_the_second_start_is_immediate_and_needs_no_network(story):
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        again = story.types("test", PIP_INDEX_URL="http://127.0.0.1:9/simple")
        seconds.append(time.monotonic() - start)
        assert again.code == 7 and again.text.startswith("CALL ")
    assert min(seconds) < 1


def test_an_ascii_terminal_can_show_a_full_disk(story):
    """The one message with the folder's name in it, where the terminal has no letters for that name."""
    script = (
        "import runpy, shutil, sys, types\n"
        "shutil.disk_usage = lambda _: types.SimpleNamespace(free=1e8)\n"
        "sys.argv = ['course.py', 'test']\n"
        f"runpy.run_path({str(story.folder / 'neu' / 'course.py')!a}, run_name='__main__')"
    )
    (story.folder / "neu").mkdir(exist_ok=True)
    for file in ("course.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(story.folder / file, story.folder / "neu")
    for encoding in ({"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}):
        ended = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **encoding}, capture_output=True, text=True
        )
        assert ended.returncode == 1
        assert ended.stderr.startswith("Too little room: 0.1 GB is free in "), ended.stderr


def test_lab_starts_jupyter_and_ctrl_c_reaches_it(story):
    process = story.starts("lab", "--no-browser", "--port", str(free_port()), "--", "wait")
    assert process.stdout.readline().startswith("JupyterLab starts on port")
    seen = call(process.stdout.readline())
    assert seen["arguments"][-1] == "wait" and "--no-browser" in seen["arguments"]
    assert f"--ServerApp.root_dir={story.folder / 'notebooks'}" in seen["arguments"]
    process.send_signal(signal.SIGINT)  # to this one process: Jupyter has taken its place
    text, _ = process.communicate(timeout=20)
    assert (process.returncode, text) == (0, "ended by Ctrl-C\n")


# What the continuous build starts


@posix_only
@pytest.mark.parametrize("chromium", [True, False])
def test_ci_installs_chromium_where_it_is_missing_and_runs_the_tests(tmp_path, chromium):
    """With programs on the path that only write down how they were called."""
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name))
    for name in ("apt-get", "python3", "id", *["chromium"] * chromium):
        fake = tmp_path / name
        fake.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >>"{tmp_path}/calls"\necho 0\n')
        fake.chmod(0o755)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run([ROOT / ".ci" / "run"], env={"PATH": str(tmp_path)}, cwd=tmp_path, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1] == "python3 course.py test"
    installs = [line for line in calls if line.startswith("apt-get")]
    if chromium:
        assert installs == []
    else:
        assert installs == ["apt-get update", "apt-get install --yes --no-install-recommends chromium"]
