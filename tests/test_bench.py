"""`course.py bench`: the runner, the page and its picture, with tiny sizes and with benchmarks that fail or hang."""

import importlib
import io
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.course_folder import load
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
HELPERS = {"rows", "card", "page", "picture", "run"}
NAMES = {path.stem for path in FOLDER.glob("*.py")} - HELPERS
WORKING = '''"""A benchmark of nothing.

More words.
"""
import json, sys
row = {"group": "work", "name": "small", "versus": "others", "ours": [1.0, 2.0], "theirs": [2.0, 1.0]}
with open(sys.argv[sys.argv.index("--json") + 1], "a") as lines:
    print(json.dumps(row), file=lines)
'''


@pytest.fixture
def bench(monkeypatch):
    """The modules of benchmarks/, as a script there sees them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for name in HELPERS | NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def without_processes(bench, monkeypatch):
    """The runner, with every benchmark in this process: seven imports of transformers would take half a minute."""
    run, rows = bench("run"), bench("rows")

    def here(script, limit, tiny):
        assert tiny
        return rows.Outcome(script.stem, run.title_of(script), list(bench(script.stem).rows(2, tiny)), 1.0)

    monkeypatch.setattr(run, "run_one", here)
    return run


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_every_benchmark_is_run(bench):
    run = bench("run")
    assert set(run.SHARES) == NAMES
    assert run.MINUTES < 20
    for name in NAMES:
        assert run.title_of(FOLDER / f"{name}.py").endswith(("?", "."))


@pytest.mark.slow
def test_tiny_sizes_make_the_whole_page(without_processes, bench, monkeypatch, tmp_path, capfd):
    decode, calls = bench("decode"), []

    def compiled(model, batch):  # the compiler takes longer than this test may
        calls.append(batch)
        return lambda ids, cache: model(ids, cache=cache)[:, -1]

    monkeypatch.setattr(decode, "compile_decode", compiled)
    monkeypatch.setattr("platform.node", lambda: "name-of-the-host")
    monkeypatch.setattr("socket.gethostname", lambda: "name-of-the-host")
    (tmp_path / "RESULTS.md").write_text("an older page")
    assert without_processes.main(["--tiny", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "results.png"}
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert calls == [1] and "an older page" not in page and "times mean nothing" in page
    check_sections(page, NAMES)
    for engine in ("DeepSpeed, stage 1", "DeepSpeed, stage 2", "DeepSpeed, stage 3", "PyTorch, FSDP2", "PyTorch, DDP"):
        assert engine in page
    for versions in ("torch", "transformers", "deepspeed", "Python", "processor", "memory"):
        assert f"| {versions} | " in page
    assert "name-of-the-host" not in page
    assert pixels(tmp_path / "results.png").shape[1] == 900


def check_sections(page, names):
    """A section for each benchmark, with at least one row that has a ratio and its quartiles."""
    for name in names:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        lines = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
        assert all(len(line) == 6 for line in lines), name
        assert any(" to " in line[3] for line in lines), name


def test_without_a_compiler_the_row_says_so(bench, monkeypatch):
    decode = bench("decode")

    def refuse(model, batch):
        raise RuntimeError("there is no C++ compiler")

    monkeypatch.setattr(decode, "compile_decode", refuse)
    written, first = decode.rows(2, True)
    assert "Not compiled: there is no C++ compiler." in written.note and written.ratio > 0
    assert first.group.startswith("first token")


def test_without_deepspeed_the_row_says_so(bench, monkeypatch):
    zero = bench("zero")
    seconds = {name: [1.0, 1.0] for name in ("ddp", "zero1", "zero2", "zero3", "fsdp2")}
    missing = {f"deepspeed{n}": "it is not installed" for n in (1, 2, 3)}
    found = {"seconds": seconds, "missing": missing, "apart": 0.0, "parameters": 1, "ranks": 2}
    monkeypatch.setattr(zero, "run_ranks", lambda *_: found)
    rows = list(zero.rows(2, True))
    assert len(rows) == len(zero.PAIRS)
    without = [row for row in rows if row.versus.startswith("DeepSpeed")]
    assert len(without) == 3 and all(row.ratio is None and "it is not installed" in row.note for row in without)


def test_course_py_starts_the_runner(monkeypatch):
    course, asked = load(ROOT), []
    monkeypatch.setattr(course, "prepare", lambda: asked.append("prepare"))
    monkeypatch.setattr(course, "hand_over", lambda command: asked.append(command) or 0)
    assert course.main(["bench", "--only", "moe", "--out", "here"]) == 0
    assert asked == ["prepare", [str(course.PYTHON), str(FOLDER / "run.py"), "--only", "moe", "--out", "here"]]
    assert "course.py bench [--only NAME] [--out FOLDER]" in course.__doc__


def test_ratio_spread_and_words(bench):
    Row = bench("rows").Row
    row = Row("work", "small", "others", [1.0, 2.0, 4.0], [2.0, 2.0, 2.0])  # ratios 2, 1, 0.5
    assert row.ratio == 1 and row.spread == (0.75, 1.5) and row.verdict == ""
    slow = Row("work", "small", "others", [2.0, 2.0], [1.0, 1.0], lost="Another one is slower.")
    assert slow.verdict == "We lose: 100 % longer than theirs. Another one is slower."
    close = Row("work", "small", "others", [1.0, 1.0, 1.0], [0.9, 0.9, 0.95])
    assert close.verdict == "We lose: 11 % longer than theirs."
    wide = Row("work", "small", "others", [1.0, 1.0, 1.0, 1.0], [0.9, 0.9, 1.1, 0.98])
    assert "within the spread" in wide.verdict
    assert Row("work", "small", "", [], [], "why not").ratio is None


def test_the_fastest_of_theirs_counts(bench):
    rows = bench("rows")
    row = rows.against_best("work", "small", {"ours": [1.0], "a": [3.0], "b": [2.0]}, "transformers", "A note.")
    assert row.versus == "transformers, b" and row.ratio == 2 and row.note == "A note. Theirs otherwise: a 3,000 ms."


def test_far_behind_is_tried_and_left_out(bench):
    rows, calls = bench("rows"), {"ours": 0, "quick": 0, "slow": 0}

    def way(name, seconds):
        def call():
            calls[name] += 1
            time.sleep(seconds)

        return call

    ways = {"ours": way("ours", 0.1), "quick": way("quick", 0.001), "slow": way("slow", 0.3)}
    seconds, note = rows.race(ways, rounds=3, warmup=0)
    assert set(seconds) == {"ours", "quick"} and "slow" in note  # ours stays, however slow
    assert calls == {"ours": 5, "quick": 5, "slow": 2}


@pytest.fixture
def fakes(bench, monkeypatch, tmp_path):
    """The runner over a folder of scripts that cost nothing: name -> source."""
    run = bench("run")

    def make(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.setattr(run, "HERE", tmp_path)
        monkeypatch.setattr(run, "SHARES", dict.fromkeys(sources, 1))
        return run

    return make


def test_failing_and_silent_benchmarks_get_their_rows(fakes, tmp_path, capfd):
    failing = WORKING + 'raise ValueError("no such thing")\n'
    killed = WORKING + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    run = fakes(good=WORKING, failing=failing, killed=killed, silent='"""Says nothing."""')
    assert run.main([]) == 1
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert page.count("| small | 1,500 ms | 1,500 ms | 1.25 (0.88 to 1.62) | others |") == 3
    assert "ended with code 1" in page and "ended with code -9, killed from outside" in page
    assert "- `silent`: it ended without measuring anything." in page
    assert "**Not measured, or not all of it: it ended without measuring anything.**" in page
    assert "\n## good\n\nA benchmark of nothing. " in page


def test_an_error_after_the_first_row_is_told_beside_it(bench, fakes, tmp_path):
    rows, file = bench("rows"), tmp_path / "rows.jsonl"

    def measured():
        yield rows.Row("work", "small", "others", [1.0], [2.0])
        raise AssertionError("not the same layer")

    with pytest.raises(AssertionError):
        rows.report(measured(), rows.parser("", rounds=3).parse_args(["--json", str(file)]))
    with file.open("a") as half:
        half.write('{"group": "half a li')  # what a killed script leaves
    found, trouble = rows.read_rows(file)
    assert [row.ratio for row in found] == [2.0] and trouble == "AssertionError: not the same layer"
    copying = '"""Odd."""\nimport shutil, sys\n' + f"shutil.copy({str(file)!r}, sys.argv[2])\nsys.exit(1)\n"
    fakes(odd=copying)
    outcome = bench("run").run_one(tmp_path / "odd.py", 60, tiny=True)
    assert (outcome.title, outcome.rows, outcome.trouble) == ("Odd.", found, trouble)


def test_out_of_time_is_stopped_with_what_it_started(fakes, tmp_path):
    hanging = WORKING + "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\n"
    hanging += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\nchild.wait()\n"
    run = fakes(hanging=hanging, good=WORKING)
    first, second = run.run_all(["hanging", "good"], tiny=True, minutes=4 / 60)
    assert first.trouble.startswith("stopped after 2 s") and len(first.rows) == 1
    assert second.trouble == "" and len(second.rows) == 1
    assert not alive(int((tmp_path / "pid").read_text()))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_a_kill_or_a_closed_terminal_leaves_the_old_page(fakes, tmp_path, capfd, name):
    """The benchmark sends the runner what a Ctrl-C sends, and would go on for a minute."""
    if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        pytest.skip(f"these tests were started with {name} ignored, as nohup does, and so the runner ignores it, too")
    hanging = WORKING + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    hanging = hanging.replace("import json", "import os, signal, time, json")
    hanging += f"os.kill(os.getppid(), signal.{name})\ntime.sleep(60)\n"
    run, before = fakes(good=WORKING, hanging=hanging), signal.getsignal(getattr(signal, name))
    (tmp_path / "RESULTS.md").write_text("the old page")
    assert run.main([]) == 130
    assert "Nothing was written" in capfd.readouterr().err
    assert (tmp_path / "RESULTS.md").read_text() == "the old page"
    assert {path.name for path in tmp_path.iterdir()} == {"RESULTS.md", "good.py", "hanging.py", "pid"}
    assert signal.getsignal(getattr(signal, name)) == before
    assert not alive(int((tmp_path / "pid").read_text()))


def test_only_one_writes_nothing_without_out(fakes, tmp_path, capfd):
    run = fakes(good=WORKING, other='raise SystemExit("never started")')
    assert run.main(["--only", "good"]) == 0
    assert not (tmp_path / "RESULTS.md").exists()
    assert run.main(["--only", "good", "--out", str(tmp_path / "new")]) == 0
    assert "## good" in (tmp_path / "new" / "RESULTS.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        run.main(["--only", "nothing"])
    assert "invalid choice: 'nothing'" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        run.main(["--out", str(tmp_path / "good.py")])
    assert "good.py: File exists" in capfd.readouterr().err


def test_a_full_disk_leaves_the_old_page(fakes, bench, monkeypatch, tmp_path, capfd):
    run, page = fakes(good=WORKING), bench("page")
    (tmp_path / "RESULTS.md").write_text("the old page")

    def full(path, content):
        path.open("wb").write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page.Path, "write_bytes", full)
    assert run.main([]) == 1
    assert "The page was not written" in capfd.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.suffix != ".py"} == {
        "RESULTS.md": "the old page"
    }


@pytest.mark.parametrize("rounds", ["0", "-1", "many", "1.5"])
def test_rounds_are_whole_numbers(bench, rounds, capsys):
    with pytest.raises(SystemExit):
        bench("rows").parser("", rounds=3).parse_args([f"--rounds={rounds}"])
    assert "is not a whole number from 1" in capsys.readouterr().err


def test_the_picture_draws_every_ratio_once(bench):
    rows, picture = bench("rows"), bench("picture")
    made = [rows.Row("work", str(n), "transformers, x", [1.0], [ratio]) for n, ratio in enumerate((0.5, 2, 40))]
    made += [rows.Row("other", "a", "DeepSpeed, stage 1", [1.0], [3.0]), rows.Row("none", "a", "others", [], [], "why")]
    assert picture.lanes(made) == {("work", "transformers"): [0.5, 2, 40], ("other", "DeepSpeed"): [3.0]}
    axes = picture.draw(made).axes[0]
    dots = [(x, y) for line in axes.lines if line.get_marker() in "oX" for x, y in zip(*line.get_data(), strict=True)]
    assert sorted(dots) == [(0.5, 0), (2, 0), (3, 1), (40, 0)]
    assert [text.get_text() for text in axes.texts if "×" in text.get_text()] == ["0.50 to 40×", "3.0×"]
    picture.draw([])  # nothing was measured


def test_the_picture_is_white_behind_everything(bench):
    rows, picture, theme = bench("rows"), bench("picture"), importlib.import_module("deepseek_lab.viz.theme")
    made = [rows.Row(f"work {n}", "a", "transformers", [1.0], [2.0]) for n in range(9)]
    image = pixels(io.BytesIO(theme.png(picture.draw(made))))
    edges = np.concatenate([image[:3].reshape(-1, 3), image[-3:].reshape(-1, 3), image[:, :3].reshape(-1, 3)])
    assert (edges > 250).all(), "something is cut off at the edge, or the page would shine through"


def test_the_page_in_the_repository_has_every_benchmark():
    page = (FOLDER / "RESULTS.md").read_text(encoding="utf-8")
    check_sections(page, NAMES)
    assert "times mean nothing" not in page
    assert (FOLDER / "results.png").stat().st_size > 5000 and "(results.png)" in page
