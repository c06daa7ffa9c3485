"""course.py on a newcomer's machine: what goes wrong gets one plain sentence, and a second try works.

Real pips install tiny wheels from a package index on this machine (`story`), in a folder with spaces and
non-ASCII letters; where only the decision matters, the function that runs pip is replaced.
"""

import ast
import hashlib
import importlib.util
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
import tomllib
import types
import urllib.error
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "mein Kürs ü 课"
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and fake programs as on Linux and macOS")


def new_folder(parent):
    """A course with nothing in it but what course.py looks at."""
    folder = parent / FOLDER
    (folder / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "course.py", folder)
    (folder / "pyproject.toml").write_text("[project]\nname = 'tiny'\n")
    (folder / "constraints.txt").write_text("alpha==1.0\n")
    return folder


def load(folder):
    """course.py of that folder as a module, as a fresh process would see it."""
    spec = importlib.util.spec_from_file_location("course_under_test", folder / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_venv(folder):
    """A .venv that starts at once: its pip can be imported and does nothing."""
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder / ".venv")]
    subprocess.run(command, check=True)
    site = next((folder / ".venv").glob("[Ll]ib/**/site-packages"))
    (site / "pip.py").touch()


class Course:
    """A loaded course.py whose pip and venv are counted and cost nothing."""

    def __init__(self, folder, monkeypatch):
        self.module = load(folder)
        self.folder = folder
        self.pip_result = (0, "")
        self.calls = []
        monkeypatch.setattr(self.module, "run_pip", self.run_pip)
        monkeypatch.setattr(self.module, "make_venv", self.make_venv)

    def run_pip(self):
        self.calls.append("pip")
        return self.pip_result

    def make_venv(self, reason):
        self.calls.append("venv")
        print(reason)
        plain_venv(self.folder)

    def prepare(self):
        """What one start did: the list of ["venv"] and ["pip"]."""
        self.calls.clear()
        self.module.prepare()
        return list(self.calls)


@pytest.fixture
def course(tmp_path, monkeypatch):
    return Course(new_folder(tmp_path), monkeypatch)


def message(call, *arguments):
    """The sentence a call ends with; the shell sees exit code 1."""
    with pytest.raises(SystemExit) as stopped:
        call(*arguments)
    assert isinstance(stopped.value.code, str)
    return stopped.value.code


# Which Python


def test_old_pythons_can_read_the_file():
    ast.parse((ROOT / "course.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(("version", "word"), [((3, 6, 9), "old"), ((3, 10, 13), "old"), ((3, 14, 0), "new")])
def test_wrong_python(tmp_path, monkeypatch, version, word):
    folder = new_folder(tmp_path)
    (folder / "pyproject.toml").unlink()  # nothing is read before the version
    monkeypatch.setattr(sys, "version_info", version)
    said = message(load(folder).main, ["test"])
    assert f"too {word}" in said and f"is {version[0]}.{version[1]}" in said and "3.11, 3.12 or 3.13" in said
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 1)])
def test_right_python(course, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    course.module.check_python()


def test_python_range_is_pyprojects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = load(ROOT)
    assert SpecifierSet(project["requires-python"]) == SpecifierSet(
        f">={module.OLDEST[0]}.{module.OLDEST[1]},<{module.NEWEST[0]}.{module.NEWEST[1] + 1}"
    )


# What can be missing before pip starts


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_debian_without_python3_venv(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)  # importing it now raises ImportError
    folder = new_folder(tmp_path)
    said = message(load(folder).prepare)
    assert f"'{module}'" in said and "sudo apt install python3-venv" in said
    assert not (folder / ".venv").exists()


def test_too_little_room_is_said_before_anything_is_written(course, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=2.4e9))
    said = message(course.prepare)
    assert "2.4 GB is free" in said and "needs 2.5 GB" in said and FOLDER in said
    assert course.calls == [] and not (course.folder / ".venv").exists()


def test_a_venv_that_cannot_be_made_is_explained(tmp_path):
    folder = new_folder(tmp_path)
    (folder / ".venv").write_text("a file stands in the way")
    said = message(load(folder).prepare)
    assert said.startswith("Python could not make .venv.") and "run the same command again" in said


def test_no_command_shows_the_help(tmp_path, capsys):
    module = load(new_folder(tmp_path))
    assert [module.main(asked) for asked in ([], ["notebok"], ["--help"])] == [2, 2, 0]
    shown = capsys.readouterr().out
    assert shown.count("course.py lab  [--no-browser] [--port N]") == 3 and "PIP_INDEX_URL" in shown


# What the stamp decides


def test_first_start_installs_and_the_next_does_not(course):
    assert course.prepare() == ["venv", "pip"]
    assert course.prepare() == []


@pytest.mark.parametrize("file", ["constraints.txt", "pyproject.toml"])
def test_changed_pins_install_again_into_the_same_venv(course, capsys, file):
    course.prepare()
    with (course.folder / file).open("a") as pins:
        pins.write("# changed\n")
    assert course.prepare() == ["pip"]
    assert "The pins changed" in capsys.readouterr().out
    assert course.prepare() == []


def test_failed_install_is_taken_up_again(course, capsys):
    course.pip_result = (1, "ERROR: something odd\n")
    message(course.prepare)
    assert not course.module.STAMP.exists()
    course.pip_result = (0, "")
    assert course.prepare() == ["pip"]
    assert "did not come to its end; carrying on" in capsys.readouterr().out
    assert course.prepare() == []


def test_half_an_update_does_not_pass_for_the_old_pins(course):
    course.prepare()
    pins = course.folder / "constraints.txt"
    old = pins.read_text()
    pins.write_text("alpha==2.0\n")
    course.pip_result = (1, "ERROR: something odd\n")
    message(course.prepare)
    pins.write_text(old)
    course.pip_result = (0, "")
    assert course.prepare() == ["pip"]


def test_a_damaged_stamp_counts_as_none(course):
    course.prepare()
    for damage in ("", "{", "[1]", "7"):
        course.module.STAMP.write_text(damage)
        assert course.prepare() == ["pip"]


def test_a_stamp_is_whole_or_absent(course, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            course.prepare()
    assert not course.module.STAMP.exists()
    assert course.prepare() == ["pip"]


def test_moved_folder(course, monkeypatch, tmp_path, capsys):
    course.prepare()
    moved = course.folder.rename(tmp_path / "anderswo 2")
    course = Course(moved, monkeypatch)
    assert course.prepare() == ["venv", "pip"]
    assert "was moved" in capsys.readouterr().out
    assert course.prepare() == []


@posix_only
def test_broken_venv_is_made_again(course, capsys):
    course.prepare()
    course.module.PYTHON.unlink()  # as when the Python it was made with is uninstalled
    assert course.prepare() == ["venv", "pip"]
    assert "is broken" in capsys.readouterr().out
    next((course.folder / ".venv").glob("**/pip.py")).unlink()
    assert course.prepare() == ["venv", "pip"]


@posix_only
def test_venv_of_another_python_is_made_again(course, capsys):
    course.prepare()
    python = course.module.PYTHON
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.9\n")
    python.chmod(0o755)
    assert course.prepare() == ["venv", "pip"]
    assert "was made by Python 3.9" in capsys.readouterr().out


# What is said when pip fails, after words as pips write them

NETWORK_WORDS = {
    "no index": "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)",
    "no name": "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError('<x>: "
    "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /torch/",
    "silence": "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='h', port=443): "
    "Read timed out.",
    "reset": "pip._vendor.urllib3.exceptions.ProtocolError: ('Connection broken: ConnectionResetError(104, "
    "'Connection reset by peer')', ConnectionResetError(104, 'Connection reset by peer'))",
    "half a file": "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
}
DISK_WORDS = {
    "linux": "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    "windows": "ERROR: Could not install packages due to an OSError: [WinError 112] There is not enough "
    "space on the disk",
    "quota": "OSError: [Errno 122] Disk quota exceeded: '/home/x/.cache/pip'",
    "temporary": "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp']",
}


@pytest.mark.parametrize("words", NETWORK_WORDS.values(), ids=NETWORK_WORDS)
def test_no_network_in_pips_words(course, words):
    course.pip_result = (1, words)
    said = message(course.prepare)
    assert "did not reach its package index" in said and "it carries on where it stopped" in said


@pytest.mark.parametrize("words", DISK_WORDS.values(), ids=DISK_WORDS)
def test_full_disk_in_pips_words(course, words):
    course.pip_result = (2, words)
    said = message(course.prepare)
    assert said.startswith("The disk is full") and f"GB in {course.folder}" in said and "about 2 GB" in said


def test_a_disk_with_nothing_left_is_named_even_when_nobody_said_so(course, monkeypatch):
    """venv keeps its own pip's words to itself."""
    course.prepare()
    course.module.STAMP.unlink()
    course.pip_result = (1, "returned non-zero exit status 1.")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=1e6))
    assert message(course.prepare).startswith("The disk is full. Free are 0.0 GB in")


def test_a_pin_that_pip_does_not_find(course):
    """Offline, or where an index lacks a package, pip speaks of a conflict between range and pin."""
    course.pip_result = (
        1,
        "ERROR: Cannot install tiny[dev]==0 because these package versions have conflicting dependencies.\n\n"
        "The conflict is caused by:\n    tiny[dev] 0 depends on alpha>=1\n"
        "    The user requested (constraint) alpha==1.0\n\nERROR: ResolutionImpossible: for help visit\n",
    )
    said = message(course.prepare)
    assert "pip found no alpha==1.0" in said and "or the index has none for this computer" in said


def test_anything_else_ends_with_pips_own_last_words(course):
    # The index was reached: it lists versions. To blame the network would be wrong.
    words = "ERROR: Could not find a version that satisfies the requirement torch==9 (from versions: 2.1, 2.2)"
    course.pip_result = (1, "".join(f"line {n}\n" for n in range(50)) + words + "\n")
    said = message(course.prepare)
    assert said.startswith("pip could not install the packages.") and words in said
    assert "line 49" in said and "line 30" not in said and "network" not in said


# The port and JupyterLab


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_taken_port_is_said_before_any_install(course, taken_port):
    said = message(course.module.main, ["lab", "--port", str(taken_port)])
    assert f"Port {taken_port} is taken" in said and "choose another with --port" in said
    assert course.calls == []


def test_impossible_port(course):
    assert "Port 70000 does not exist" in message(course.module.main, ["lab", "--port", "70000"])
    assert "Port 0 does not exist" in message(course.module.main, ["lab", "--port", "0"])


def test_without_a_port_the_next_free_one(course, monkeypatch, capsys):
    blocker = None
    if course.module.is_free(8888):  # else another program of this machine holds it: as good
        blocker = socket.create_server(("127.0.0.1", 8888))
    started = []
    monkeypatch.setattr(course.module, "hand_over", started.append)
    try:
        course.module.main(["lab", "--no-browser", "--", "--debug"])
    finally:
        if blocker:
            blocker.close()
    shown, ((*_, extra),) = capsys.readouterr().out, started
    (port,) = [int(word.split("=")[1]) for word in started[0] if word.startswith("--ServerApp.port=")]
    assert 8888 < port < 8988 and f"starts on port {port}" in shown and "Port 8888 is taken" in shown
    assert extra == "--debug"


def test_jupyters_command_line(course, monkeypatch):
    notebooks = str(course.folder / "notebooks")
    command = course.module.jupyter_command(8901, True, [])
    assert command[1:3] == ["-m", "jupyterlab"] and f"--ServerApp.root_dir={notebooks}" in command
    assert "--ServerApp.ip=127.0.0.1" in command and "--no-browser" not in command
    assert not any("token" in word.lower() or "password" in word.lower() for word in command)
    if hasattr(os, "geteuid"):
        for user, allowed in ((0, True), (1000, False)):
            monkeypatch.setattr(os, "geteuid", lambda user=user: user)
            assert ("--allow-root" in course.module.jupyter_command(8901, False, [])) is allowed


def get(url):
    """(status, body) of an address, with no proxy between."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


@posix_only
def test_real_jupyterlab_wants_its_token_and_ends_on_ctrl_c(course, tmp_path):
    (course.folder / "notebooks" / "erstes ü.ipynb").write_text("{}")
    port = free_port()
    command = [sys.executable, *course.module.jupyter_command(port, False, [])[1:]]
    unset = ("JUPYTER_TOKEN", "JUPYTER_CONFIG_PATH")
    env = {key: value for key, value in os.environ.items() if key not in unset}
    for place in ("CONFIG", "DATA", "RUNTIME"):
        env[f"JUPYTER_{place}_DIR"] = str(tmp_path / place)
    log_file = tmp_path / "log"
    keyboard, terminal = os.openpty()  # Jupyter asks before it ends only where somebody can answer
    with log_file.open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=terminal)
    try:
        token = wait_for(lambda: token_in(log_file.read_text()), server)
        wait_for(lambda: accepts(port), server)  # the address is printed a moment before it answers
        address = f"http://127.0.0.1:{port}"
        assert get(f"{address}/api/contents")[0] == 403
        status, body = get(f"{address}/api/contents?token={token}")
        assert status == 200 and [file["name"] for file in json.loads(body)["content"]] == ["erstes ü.ipynb"]
        page = get(f"{address}/lab?token={token}")[1]
        assert '"news": {"disabled": true}' in page
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    finally:
        server.kill()
        server.wait()
        os.close(keyboard)
        os.close(terminal)
    assert "Traceback" not in log_file.read_text()


def token_in(log):
    return log.split("?token=")[1].split()[0] if "?token=" in log else None


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(answer, process, seconds=60):
    """Asks until there is an answer, and gives up early when the process has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if found := answer():
            return found
        time.sleep(0.05)
    raise AssertionError(f"no answer; exit code {process.poll()}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_hand_over_without_exec(course, monkeypatch):
    """Windows: the child's exit code is returned, and a Ctrl-C while it runs is the child's own affair."""
    wait, interrupts = subprocess.Popen.wait, [KeyboardInterrupt]

    def interrupted_once(child, timeout=None):
        if interrupts:
            raise interrupts.pop()
        return wait(child, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted_once)
    monkeypatch.setattr(course.module.os, "name", "nt")
    try:
        code = course.module.hand_over([sys.executable, "-c", "raise SystemExit(5)"])
    except KeyboardInterrupt:
        code = "interrupted"
    monkeypatch.undo()
    assert code == 5 and not interrupts


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
