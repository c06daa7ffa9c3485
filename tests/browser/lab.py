"""JupyterLab as `course.py lab --no-browser` starts it, and one notebook open in Chromium.

The server works on copies, with folders of its own for everything that Jupyter writes. Nothing outside this machine can
be reached: the page's requests are stopped and listed, and the kernels are sent to a proxy that does not exist.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:  # where playwright is missing, the test that imports this file says so and is skipped
    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Route

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OFFLINE = [  # Chromium itself asks nobody anything, and no name has an address
    *["--disable-background-networking", "--disable-component-update", "--no-first-run"],
    *["--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
]
ELSEWHERE = re.compile(r"^https?://(?!127\.0\.0\.1[:/])")
NOBODY = "http://127.0.0.1:9"

# The busy indicator says "idle" too early, and cells run before the kernel has answered stay unrun; so wait for it all.
READY = """async () => {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('no kernel after 90 s')), 90000));
    const panel = window.jupyterapp.shell.currentWidget;
    const ready = async () => {
        await panel.context.ready;
        await panel.sessionContext.ready;
        await panel.sessionContext.session.kernel.info;
        await panel.revealed;
    };
    await Promise.race([ready(), late]);
    window.kernelComplaints = [];  // what widgets' callbacks say belongs to no cell, and JupyterLab shows it nowhere
    panel.sessionContext.iopubMessage.connect((_, message) => {
        const { traceback, name, text } = message.content;
        const bad = message.header.msg_type === 'error' || name === 'stderr';
        const fromCell = message.parent_header.msg_type === 'execute_request';
        if (bad && !fromCell) window.kernelComplaints.push(traceback ? traceback.join('\\n') : text);
    });
}"""
# The outputs of each code cell, as the notebook would save them.
OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter((cell) => cell.model.type === 'code').map((cell) => cell.model.outputs.toJSON())"""
# An error ends the wait, since the cells after it never run; `may_fail` are the cells that are meant to end in one.
ENDED = """(may_fail) => {
    const cells = window.jupyterapp.shell.currentWidget.content.widgets.filter((cell) => cell.model.type === 'code');
    const failed = ({ model: { outputs } }) =>
        Array.from({ length: outputs.length }, (_, index) => outputs.get(index).type).includes('error');
    const last = cells.at(-1).node.querySelector('.jp-InputPrompt');
    return /\\[\\d+\\]/.test(last.textContent)
        || cells.some((cell, index) => !may_fail.includes(index) && failed(cell));
}"""
FIGURE = """() => [...document.querySelectorAll('.jp-CodeCell .jp-OutputArea-output img')].some(
    (img) => img.complete && img.naturalWidth > 0)"""


def until(look: Callable, accept: Callable, what: str, seconds: float = 20, pause: float = 0.1):
    """Look again and again until what is seen is accepted; return it. Fails with what was seen last."""
    deadline = time.monotonic() + seconds
    while not accept(seen := look()):
        assert time.monotonic() < deadline, f"{what}: still {str(seen)[:300]!r} after {seconds} s"
        time.sleep(pause)
    return seen


def find_chromium(playwright: Playwright) -> str | None:
    """A Chromium of the system, or the one that `playwright install chromium` fetched."""
    found = filter(None, map(shutil.which, CHROMIUM_NAMES))
    bundled = playwright.chromium.executable_path
    return next(found, bundled if Path(bundled).exists() else None)


@dataclass
class Server:
    """A running JupyterLab: its address, ending in a slash, and the token that it made up itself."""

    url: str
    token: str

    def refuses_strangers(self) -> bool:
        """Whether the server, which can run any program, turns away a request without its token."""
        try:
            urllib.request.urlopen(self.url + "api/contents", timeout=10).close()
        except urllib.error.HTTPError as error:
            return error.code == 403
        return False


@contextlib.contextmanager
def jupyterlab(home: Path, notebooks: list[Path]) -> Iterator[Server]:
    """Serves copies of `notebooks`. Everything that the server and its kernels write lands in `home`."""
    (home / "notebooks").mkdir()
    for path in notebooks:
        shutil.copy(path, home / "notebooks")
    write_settings(home / "settings")
    course = load_course(root=home)
    course.set_up_jupyterlab()
    extra = ["--expose-app-in-browser", f"--LabApp.app_settings_dir={course.VENV / 'share/jupyter/lab/settings'}"]
    command = course.jupyter_command(course.first_free_port(), False, extra)
    log = home / "jupyterlab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=isolated(course, home), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield wait_for_server(process, home / "runtime", log)
    finally:
        process.terminate()  # the server ends its kernels
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def write_settings(folder: Path) -> None:
    """Lay every cell out at once. By default cells get their real height when scrolled to, and move the ones below."""
    (folder / "@jupyterlab/notebook-extension").mkdir(parents=True)
    file = folder / "@jupyterlab/notebook-extension" / "tracker.jupyterlab-settings"
    file.write_text(json.dumps({"windowingMode": "none"}))


def load_course(root: Path) -> types.ModuleType:
    """course.py, but with `root` for its folder, .venv there holding settings only, and with this Python's packages."""
    spec = importlib.util.spec_from_file_location("course_in_browser_test", ROOT / "course.py")
    course = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(course)
    course.ROOT, course.VENV, course.PYTHON = root, root / ".venv", Path(sys.executable)
    return course


def isolated(course: types.ModuleType, home: Path) -> dict[str, str]:
    """The environment that course.py gives to Jupyter, with folders of its own and no way out."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "XDG_DATA_HOME": "data-home",
    }
    proxies = {name: NOBODY for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    direct = {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    return {**course.environment(), **{name: str(home / f) for name, f in folders.items()}, **proxies, **direct}


def wait_for_server(process: subprocess.Popen, runtime: Path, log: Path, timeout: float = 90) -> Server:
    """The server's own note of its address and token, once it answers."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        for note in runtime.glob("jpserver-*.json"):
            with contextlib.suppress(OSError, ValueError):
                said = json.loads(note.read_text())
                urllib.request.urlopen(f"{said['url']}api?token={said['token']}", timeout=5).close()
                return Server(said["url"], said["token"])
        time.sleep(0.1)
    raise AssertionError("JupyterLab did not start:\n" + log.read_text(errors="replace")[-3000:])


@dataclass
class Complaints:
    """What went wrong behind the page's back: errors in its console, and requests that wanted to leave the machine."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Start to collect."""
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}\n{error.stack}"))
        page.route(ELSEWHERE, self.stop)

    def hear(self, message: ConsoleMessage) -> None:
        """Keep errors; a stopped request is listed in `outside` already."""
        address = message.location.get("url", "")
        if message.type == "error" and not ELSEWHERE.match(address):
            self.errors.append(f"{message.text}  ({address})")

    def stop(self, route: Route) -> None:
        """Nothing leaves."""
        self.outside.append(route.request.url)
        route.abort()


@dataclass
class Notebook:
    """One notebook, open in a page."""

    page: Page
    path: Path
    complaints: Complaints

    @property
    def cells(self) -> list:
        """Its code cells, as they are in the file."""
        return [cell for cell in nbformat.read(self.path, 4).cells if cell.cell_type == "code"]

    @property
    def pictures_in_text(self) -> set[str]:
        """Addresses of images in its text, such as the Colab badge: offline, a reader sees their words instead."""
        texts = [cell.source for cell in nbformat.read(self.path, 4).cells if cell.cell_type == "markdown"]
        return set(re.findall(r"!\[[^\]]*\]\((https?://[^)\s]+)\)", "\n".join(texts)))

    def run_all(self, timeout: float) -> tuple[float, float]:
        """Clear the page and run every cell; seconds until the first figure was there, and until the last cell ran."""
        if any("image/png" in output.get("data", {}) for cell in self.cells for output in cell.outputs):
            self.wait_for(FIGURE, None, seconds=20)  # what a reader sees before running anything
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        self.wait_for(f"() => !({FIGURE})()", None, seconds=20)
        may_fail = [i for i, cell in enumerate(self.cells) if "raises-exception" in cell.metadata.get("tags", [])]
        start = time.monotonic()
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        self.wait_for(f"(may_fail) => ({FIGURE})() || ({ENDED})(may_fail)", may_fail, seconds=120)
        first_figure = time.monotonic() - start
        self.wait_for(ENDED, may_fail, timeout)
        return first_figure, time.monotonic() - start

    def wait_for(self, condition: str, argument: object, seconds: float) -> None:
        """Wait for a condition in the page; where it does not come, say how far the notebook came: its prompts.

        It looks four times a second: a page that is asked all the time takes the processor from the kernel.
        """
        prompts = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")

        def look() -> bool | str:
            return self.page.evaluate(condition, argument) or " ".join(prompts.all_inner_texts())

        until(look, lambda seen: seen is True, "the notebook", seconds, pause=0.25)

    def failed_cells(self) -> dict[str, str]:
        """id -> what it said, for each cell that ended in an error or wrote to stderr."""
        said = {}
        for cell, outputs in zip(self.cells, self.page.evaluate(OUTPUTS), strict=True):
            bad = [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
            if bad and "raises-exception" not in cell.metadata.get("tags", []):
                said[cell.id] = "\n".join(o.get("text") or f"{o['ename']}: {o['evalue']}" for o in bad)
        return said

    def kernel_complaints(self) -> list[str]:
        """Tracebacks and warnings of the widgets' kernel side since the page was opened.

        JupyterLab asks each new kernel for its widgets; one that has not imported ipywidgets says "No such comm".
        """
        said = self.page.evaluate("() => window.kernelComplaints")
        return [words for words in said if not words.startswith("No such comm")]

    def end_kernel(self) -> None:
        """Give its memory back before the next notebook starts."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


@contextlib.contextmanager
def opened(browser: Browser, server: Server, path: Path) -> Iterator[Notebook]:
    """The notebook in a fresh page, its kernel ready."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, service_workers="block")
    page, complaints = context.new_page(), Complaints()
    complaints.listen(page)
    try:
        page.goto(f"{server.url}lab/tree/{path.name}?token={server.token}&reset")
        page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").wait_for(timeout=60_000)
        page.evaluate(READY)
        notebook = Notebook(page, path, complaints)
        yield notebook
        notebook.end_kernel()
    finally:
        context.close()
