"""course.py's decisions: what goes wrong gets one plain sentence. The function that runs pip is replaced here."""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import types
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from helpers.course_folder import FOLDER, ROOT, Course, free_port, load, message, new_folder, posix_only
from packaging.specifiers import SpecifierSet


@pytest.fixture
def course(tmp_path, monkeypatch):
    return Course(new_folder(tmp_path), monkeypatch)


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


def test_the_install_sets_jupyterlab_up(course):
    """No question about news; and text opens as a page (tests/browser opens one)."""
    course.prepare()
    settings = json.loads((course.folder / ".venv/share/jupyter/lab/settings/overrides.json").read_text())
    assert settings == {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    }


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
