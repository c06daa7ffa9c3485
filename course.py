#!/usr/bin/env python3
"""Open the course, or test it. Python 3.11, 3.12 or 3.13 is all that has to be there.

    python3 course.py lab  [--no-browser] [--port N] [-- Jupyter's own arguments]
    python3 course.py test [--quick | --gpu] [pytest's own arguments]
    python3 course.py bench [--only NAME] [--out FOLDER]

On Windows: py course.py lab. The first run makes the folder .venv beside this file and installs the
packages named in constraints.txt there with pip (about 2 GB; a few minutes). Later runs start at once,
and install again when the pins, the Python or the folder's place changed.

test --quick is for before a commit. It leaves out what runs a notebook, a browser or an installation or is
marked slow, and draws fewer random examples: under five minutes on two cores. test --gpu runs what needs
an NVIDIA GPU, and nothing else; where there is none, it lists what is unproved.

bench compares all of benchmarks/ with transformers, FSDP2 and DeepSpeed in under 20 minutes, and writes
benchmarks/RESULTS.md. --only NAME (it may be repeated) runs one and writes nothing, unless --out says where.

pip's own settings are honoured. On Linux, plain torch brings NVIDIA's libraries, several GB more; to
install it for the CPU only, set PIP_INDEX_URL or PIP_FIND_LINKS to a place that has those wheels.
"""

# Standard library only, and nothing newer than Python 3.6 in the syntax: an old Python has to be able to
# read this file to say that it is too old.
import argparse
import contextlib
import hashlib
import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "course-stamp.json"
OLDEST, NEWEST = (3, 11), (3, 13)
HERE = "{}.{}".format(*sys.version_info)
NEEDED_GB = 2.5  # the packages take about 2 GB, and pip unpacks some of them on the way
QUICK = ["-m", "not slow", "--hypothesis-profile=quick"]  # pytest's words for test --quick
AGAIN = "run the same command again: it carries on where it stopped."

DISK_FULL = r"No space left|Errno 28\b|not enough space|quota exceeded|No usable temporary directory"
# "from versions: none" is all pip says when it reached no index; with versions listed it did reach one.
# Hashes differ when a download broke off; pip did not notice that itself before version 25.1.
NO_NETWORK = (
    r"from versions: none|connection[- ](error|broken|refused|reset|aborted|failed|timeout)|timed out"
    r"|name resolution|Name or service not known|nodename nor servname|getaddrinfo failed|Max retries"
    r"|NewConnectionError|unreachable|RemoteDisconnected|IncompleteRead|incomplete-download|DO NOT MATCH THE HASHES"
)


def main(arguments):
    check_python()
    commands = {"lab": lab, "test": test, "bench": bench}
    if not arguments or arguments[0] not in commands:
        print(__doc__.strip())
        return 0 if arguments[:1] in (["-h"], ["--help"], ["help"]) else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        print("\nStopped. To go on, " + AGAIN, file=sys.stderr)
        return 130
    except OSError as error:
        raise SystemExit(explain(str(error), "That did not work")) from None


def check_python():
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    too = "old" if sys.version_info[:2] < OLDEST else "new"
    raise SystemExit(
        f"This Python is too {too}: the course needs 3.11, 3.12 or 3.13, and {sys.executable} is {HERE}.\n"
        "Install one of them and name it: python3.12 course.py lab (Windows: py -3.12 course.py lab)."
    )


def lab(arguments):
    """Opens JupyterLab on notebooks/; what stands after `--` goes to Jupyter as it is."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="course.py lab", allow_abbrev=False)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, help="this port or none (default: 8888, or the next free one)")
    options = parser.parse_args(arguments[:cut])

    if options.port is not None:
        check_port(options.port)  # before an install of minutes
    prepare()
    port = options.port or first_free_port()
    say(f"JupyterLab starts on port {port}. Ctrl-C here ends it.")
    return hand_over(jupyter_command(port, not options.no_browser, arguments[cut + 1 :]))


def test(arguments):
    """Runs pytest in the repository root and returns its exit code. tests/conftest.py knows --gpu."""
    prepare()
    os.chdir(str(ROOT))
    quick, others = QUICK if "--quick" in arguments else [], [word for word in arguments if word != "--quick"]
    return hand_over([str(PYTHON), "-m", "pytest", *quick, *others])


def bench(arguments):
    """Runs all of benchmarks/ beside transformers, FSDP2 and DeepSpeed, and writes benchmarks/RESULTS.md."""
    prepare()
    return hand_over([str(PYTHON), str(ROOT / "benchmarks" / "run.py"), *arguments])


def jupyter_command(port, browser, extra):
    command = [
        *[str(PYTHON), "-m", "jupyterlab"],
        *["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"],
        f"--ServerApp.root_dir={ROOT / 'notebooks'}",
        "--ServerApp.answer_yes=True",  # one Ctrl-C ends it, with no question and no five seconds' wait
        # No calls to the outside:
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command + extra


def prepare():
    """Leaves a .venv that fits this Python, this folder and these pins; returns at once when it does."""
    made_by, wanted, found = venv_version(), wanted_stamp(), read_stamp()
    if made_by == HERE and found == wanted:
        return
    if not VENV.exists():
        check_disk()
        make_venv("Making .venv, the folder for the course's packages.")
    elif made_by is None:
        make_venv("The .venv here is broken; making it again.")
    elif made_by != HERE:
        make_venv(f"The .venv here was made by Python {made_by}; making it again with {HERE}.")
    elif found and found.get("folder") != wanted["folder"]:
        make_venv("The course's folder was moved, which breaks .venv; making it again.")
    elif found:
        say("The pins changed; installing again.")
    else:
        say("The last install did not come to its end; carrying on.")

    # With its stamp gone, an install that stops halfway never passes for a finished one, even if the pins
    # go back to what they were.
    if STAMP.exists():
        STAMP.unlink()
    say("pip installs the packages: about 2 GB and a few minutes the first time.")
    code, words = run_pip()
    if code:
        raise SystemExit(explain(words, "pip could not install the packages"))
    set_up_jupyterlab()
    write_stamp(wanted)


def venv_version():
    """Which Python .venv has, as "3.11"; None where it, or its pip, does not start."""
    ask = "import pip, sys; print('{}.{}'.format(*sys.version_info))"
    command = [str(PYTHON), "-I", "-c", ask]
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def make_venv(reason):
    for module in ("venv", "ensurepip"):
        try:
            importlib.import_module(module)
        except ImportError:
            raise SystemExit(
                f"This Python lacks its module '{module}', which makes the folder for the packages.\n"
                f"On Debian or Ubuntu: sudo apt install python3-venv (or python{HERE}-venv). "
                "Then run the same command again."
            ) from None
    say(reason)
    # --clear, and no delete of ours: .venv may be a link to a larger disk.
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        raise SystemExit(explain(made.stdout.decode("utf-8", "replace"), "Python could not make .venv"))


def run_pip():
    """Installs the course; returns pip's exit code and what it wrote to stderr, which is shown as well."""
    command = [str(PYTHON), "-m", "pip", "install", "-c", "constraints.txt", "-e", ".[dev]"]
    words, crashed = [], False
    # stdout stays pip's own, so that its progress bars see the terminal.
    pip = subprocess.Popen(command, cwd=str(ROOT), env=environment(), stderr=subprocess.PIPE)
    try:
        for line in pip.stderr:
            words.append(line.decode("utf-8", "replace"))
            crashed = crashed or words[-1].startswith("ERROR: Exception:")
            if not crashed:
                print(words[-1], end="", file=sys.stderr, flush=True)
        if crashed:  # of some seventy lines of pip's insides only the last says something
            print(words[-1], end="", file=sys.stderr, flush=True)
        return pip.wait(), "".join(words)
    except KeyboardInterrupt:
        try:
            pip.wait(10)  # Ctrl-C reached pip too: let it put back what it was replacing
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pip.kill()
        raise


def set_up_jupyterlab():
    """What a newcomer would otherwise be asked, or has to know: no news, and a page of text opens as a page."""
    settings = VENV / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    own = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    }
    (settings / "overrides.json").write_text(json.dumps(own))


def explain(words, failed):
    """What went wrong, for somebody who has never used pip."""
    # venv swallows what its own pip said, so a disk with nothing left counts as well.
    if re.search(DISK_FULL, words, re.I) or free_gb(ROOT) < 0.05:
        places = [ROOT]
        with contextlib.suppress(OSError):
            places.append(Path(tempfile.gettempdir()))  # pip unpacks there; often a small disk of its own
        room = " and ".join(f"{free_gb(place):.1f} GB in {place}" for place in places)
        return (
            f"The disk is full. Free are {room}; the packages need about 2 GB in all (with NVIDIA's wheels "
            f"on Linux several GB more). Make room, then {AGAIN}"
        )
    if re.search(NO_NETWORK, words, re.I):
        return f"pip did not reach its package index, or lost it on the way. With a network, {AGAIN}"
    unfound = re.search(r"The user requested \(constraint\) (\S+)", words)
    if unfound:  # pip calls it a conflict; the tests see to it that each pin lies within its range
        return (
            f"pip found no {unfound.group(1)}: it did not reach its package index, or the index has none for "
            f"this computer. With a network, {AGAIN}"
        )
    last = "\n".join("    " + line for line in words.strip().splitlines()[-8:])
    return f"{failed}. The last words were:\n{last}\nOnce that is repaired, {AGAIN}"


def check_disk():
    if free_gb(ROOT) < NEEDED_GB:
        raise SystemExit(
            f"Too little room: {free_gb(ROOT):.1f} GB is free in {ROOT}, and the course needs {NEEDED_GB} GB "
            "(with NVIDIA's wheels on Linux several GB more). Make room, then run the same command again."
        )


def free_gb(folder):
    return shutil.disk_usage(str(folder)).free / 1e9


def wanted_stamp():
    """What an install depends on. Editable installs and .venv hold absolute paths, hence the folder."""
    pins = b"\0".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    folder = os.fsencode(str(ROOT))
    return {
        "python": HERE,
        "folder": hashlib.sha256(folder).hexdigest(),
        "pins": hashlib.sha256(pins).hexdigest(),
    }


def read_stamp():
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def write_stamp(stamp):
    draft = STAMP.with_suffix(".draft")
    draft.write_text(json.dumps(stamp))
    draft.replace(STAMP)  # in one step: a stamp is whole or absent


def check_port(port):
    if not 1 <= port <= 65535:
        raise SystemExit(f"Port {port} does not exist: give --port a number from 1024 to 65535.")
    if not is_free(port):
        raise SystemExit(
            f"Port {port} is taken, or closed to your account: choose another with --port, "
            "or leave --port out and a free one is found."
        )


def first_free_port():
    for port in range(8888, 8988):
        if is_free(port):
            return port
        say(f"Port {port} is taken; trying the next.")
    raise SystemExit("No port from 8888 to 8987 is free: choose another with --port.")


def is_free(port):
    with socket.socket() as probe:
        if os.name == "posix":  # as Jupyter does: a port whose last server has just ended is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment():
    """For child processes: UTF-8 in every locale, and .venv's programs first on the path."""
    path = str(PYTHON.parent) + os.pathsep + os.environ.get("PATH", os.defpath)
    ours = {"PATH": path, "VIRTUAL_ENV": str(VENV), "PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**os.environ, **ours}


def hand_over(command):
    """Lets `command` take this process's place, so that signals and the exit code are its own."""
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(command[0], command, environment())
    child = subprocess.Popen(command, env=environment())
    while True:  # Windows has no exec; Ctrl-C reaches the child there, and it ends by itself
        with contextlib.suppress(KeyboardInterrupt):
            return child.wait()


def say(sentence):
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
