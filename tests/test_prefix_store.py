"""The prefix store: what comes back is what was put, or nothing, whatever happens to the files."""

import multiprocessing
import os
import random
import subprocess
import time
import traceback
import warnings
from pathlib import Path

import pytest
import torch
from helpers.checkpoints import ids, model_of, tiny
from helpers.compare import relative_error
from helpers.small_disk import small_disk
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.inference import prefix_store
from deepseek_lab.inference.prefix_store import PrefixStore, block_keys, fingerprint

KEYS = block_keys("model", range(640), 32)
KINDS = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.uint8, torch.int64, torch.bool]
posix_only = pytest.mark.skipif(os.name != "posix", reason="processes are forked")
FORK = multiprocessing.get_context("fork" if os.name == "posix" else None)  # at once: torch is there already


def entry(seed: int = 0, numbers: int = 64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, numbers, generator=generator)
    return {"0.c_kv": values, "0.k_pe": values[:, ::2].bfloat16()}


def same(first: dict | None, second: dict | None) -> bool:
    """To the bit, NaN included."""
    if first is None or second is None or first.keys() != second.keys():
        return False
    pairs = [(first[name], second[name]) for name in first]
    if any(a.dtype != b.dtype or a.shape != b.shape for a, b in pairs):
        return False
    raw = [[x.contiguous().reshape(-1).view(torch.uint8) for x in pair] for pair in pairs]
    return all(torch.equal(a, b) for a, b in raw)


def file_of(store: PrefixStore, key: str) -> Path:
    return store.folder / f"{key}.safetensors"


def grow_old(path: Path, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(path, (when, when))


# What comes back.


@st.composite
def tensors(draw):
    found = {}
    for name in draw(
        st.lists(st.text(max_size=6).filter(lambda name: name != "__metadata__"), unique=True, max_size=4)
    ):
        shape, kind = draw(st.lists(st.integers(0, 4), max_size=4)), draw(st.sampled_from(KINDS))
        values = torch.randint(-100, 100, shape, generator=torch.Generator().manual_seed(len(found)))
        found[name] = values.to(kind)
    return found


@given(put=tensors())
def test_what_is_put_comes_back(put, tmp_path_factory):
    store = PrefixStore(tmp_path_factory.mktemp("store"), 10**6)
    assert store.put(KEYS[0], put)
    assert same(store.get(KEYS[0]), put)
    assert (store.hits, store.misses, store.nbytes) == (1, 0, file_of(store, KEYS[0]).stat().st_size)


def test_views_of_a_cache_are_kept_and_independent(tmp_path):
    store, slot = PrefixStore(tmp_path / "a" / "b", 10**6), torch.randn(2, 10, 6)
    slot[0, 0, 0] = float("nan")
    with torch.inference_mode():
        put = {"first": slot[:, :4], "second": slot[:, 2:6], "turned": slot.mT[:, ::2]}
        assert store.put(KEYS[0], put)
    first = store.get(KEYS[0])
    assert same(first, put)
    first["first"].fill_(7.0)
    assert same(store.get(KEYS[0]), put) and not (slot == 7).any()
    with file_of(store, KEYS[0]).open("rb") as before:
        assert store.put(KEYS[0], entry(1)) and same(store.get(KEYS[0]), entry(1))  # put again replaces
        assert KEYS[0].encode() in before.read()  # who reads the old file meanwhile reads it to its end
        assert before.tell() == os.fstat(before.fileno()).st_size != file_of(store, KEYS[0]).stat().st_size


@pytest.mark.parametrize("key", ["", "../" + KEYS[0], KEYS[0][:-1], KEYS[0].upper(), KEYS[0] + "\n", 3, None])
def test_only_keys_are_keys(tmp_path, key):
    store = PrefixStore(tmp_path, 10**6)
    for call in (lambda: store.get(key), lambda: store.put(key, entry())):
        with pytest.raises(ValueError, match="key: got"):
            call()


@pytest.mark.parametrize(
    "wrong",
    [3, {"a": 3}, {1: torch.zeros(1)}, {"__metadata__": torch.zeros(1)}, {"a": torch.zeros(2, device="meta")},
     {"a": torch.zeros(2, dtype=torch.complex128)}],
)  # fmt: skip
def test_only_named_tensors_are_kept(tmp_path, wrong):
    store = PrefixStore(tmp_path, 10**6)
    with pytest.raises(ValueError, match="tensors"):
        store.put(KEYS[0], wrong)
    assert not list(tmp_path.iterdir())


def test_a_bound_is_needed(tmp_path):
    with pytest.raises(ValueError, match="max_bytes: got 0"):
        PrefixStore(tmp_path, 0)


def test_a_prompt_read_once_goes_on_from_disk(tmp_path):
    model, tokens, store = model_of(tiny()), ids(tiny())[:1], PrefixStore(tmp_path, 10**6)
    keys, cache = block_keys(fingerprint(model), tokens[0], 4), model.new_cache(1, 9)
    expected = model(tokens, cache=cache)
    for number, key in enumerate(keys):
        part = slice(4 * number, 4 * number + 4)
        slots = {f"{i}.{name}": slot[:, part] for i, x in enumerate(cache.layers) for name, slot in x.slots.items()}
        assert store.put(key, slots)
    cache = model.new_cache(1, 9)
    for key in keys:
        found = store.get(key)
        for i, layer in enumerate(cache.layers):
            layer.append(**{name: found[f"{i}.{name}"] for name in layer.slots})
    assert cache.length == 8
    assert relative_error(model(tokens[:, 8:], cache=cache), expected[:, 8:]) < 1e-5


# Damage.


def test_any_flipped_bit_is_a_miss(tmp_path):
    store = PrefixStore(tmp_path, 10**6)
    store.put(KEYS[0], entry(numbers=6))
    whole, path = file_of(store, KEYS[0]).read_bytes(), file_of(store, KEYS[0])
    for place in range(len(whole)):
        for bit in (0, 1 + place % 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            assert store.get(KEYS[0]) is None, (place, bit)
            assert not path.exists()
    path.write_bytes(whole)
    assert same(store.get(KEYS[0]), entry(numbers=6))
    assert (store.hits, store.misses) == (1, 2 * len(whole))


def test_any_cut_and_anything_behind_is_a_miss(tmp_path):
    store = PrefixStore(tmp_path, 10**6)
    store.put(KEYS[0], entry(numbers=6))
    whole, path = file_of(store, KEYS[0]).read_bytes(), file_of(store, KEYS[0])
    for content in [*(whole[:length] for length in range(len(whole))), whole + b"\0", whole[8:], whole * 2]:
        path.write_bytes(content)
        assert store.get(KEYS[0]) is None, len(content)
        assert not path.exists()


def test_another_keys_file_and_foreign_files_are_misses(tmp_path):
    from safetensors.torch import save_file

    store = PrefixStore(tmp_path, 10**6)
    store.put(KEYS[0], entry())
    file_of(store, KEYS[0]).rename(file_of(store, KEYS[1]))
    assert store.get(KEYS[1]) is None and not file_of(store, KEYS[1]).exists()
    save_file(entry(), file_of(store, KEYS[2]))
    assert store.get(KEYS[2]) is None
    for content in (b"", b"\xff" * 4096, (2**62).to_bytes(8, "little") + b"{" * 99, b"[" * 100_000):
        file_of(store, KEYS[3]).write_bytes(content)
        assert store.get(KEYS[3]) is None
    file_of(store, KEYS[4]).mkdir()
    file_of(store, KEYS[5]).symlink_to("/dev/zero")
    assert store.get(KEYS[4]) is None and store.get(KEYS[5]) is None
    assert store.nbytes == 0 and store.hits == 0


# The bound.


def test_the_longest_unused_go_first(tmp_path):
    store = PrefixStore(tmp_path, 10**6)
    assert store.put(KEYS[0], entry(0))
    size = store.nbytes
    store = PrefixStore(tmp_path, 3 * size)
    for i in (1, 2):
        assert store.put(KEYS[i], entry(i))
    assert store.nbytes == 3 * size
    assert store.get(KEYS[0]) is not None  # 1 is now the longest unused
    assert store.put(KEYS[3], entry(3)) and store.nbytes == 3 * size
    assert [file_of(store, key).exists() for key in KEYS[:4]] == [True, False, True, True]
    assert store.put(KEYS[3], entry(4)) and store.nbytes == 3 * size  # put again: nobody has to go
    file_of(store, KEYS[2]).touch()
    grow_old(file_of(store, KEYS[0]), -1e6)  # a clock was wrong: it would never go
    store.put(KEYS[4], entry(5))
    assert [file_of(store, key).exists() for key in KEYS[:5]] == [False, False, True, True, True]
    small = PrefixStore(tmp_path, size)  # a smaller bound holds at once
    assert small.nbytes == size and small.get(KEYS[4]) is not None


def test_what_is_larger_than_the_bound_is_not_stored(tmp_path):
    store = PrefixStore(tmp_path, 2000)
    assert store.put(KEYS[0], entry(0))
    assert not store.put(KEYS[1], entry(0, numbers=1000))
    assert store.get(KEYS[0]) is not None and len(list(tmp_path.iterdir())) == 1


@given(sizes=st.lists(st.integers(1, 900), min_size=1, max_size=12), bound=st.integers(500, 9000))
def test_the_bound_holds_after_every_put(sizes, bound, tmp_path_factory):
    store = PrefixStore(tmp_path_factory.mktemp("store"), bound)
    for number, size in enumerate(sizes):
        put = store.put(KEYS[number], {"x": torch.zeros(size)})
        assert store.nbytes <= bound
        assert (store.get(KEYS[number]) is not None) == put


def test_other_files_are_left_alone(tmp_path):
    others = {f"{KEYS[0]}.txt": b"x" * 5000, "model.safetensors": b"y" * 5000, ".hidden.part": b"z" * 5000}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
        grow_old(tmp_path / name, 1e6)
    store = PrefixStore(tmp_path, 1000)
    for i in range(4):
        assert store.put(KEYS[i], entry(i, numbers=8))
    assert 0 < store.nbytes <= 1000
    store.clear()
    assert store.nbytes == 0 and store.get(KEYS[3]) is None
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == others


# A disk that is full, a folder that can't be written, a process that dies, two at once.


def refused(store: PrefixStore, numbers: int = 64) -> None:
    """Two entries are not kept, one warning says so, and nothing is left behind."""
    with pytest.warns(UserWarning, match="could not be stored") as said:
        assert not store.put(KEYS[-1], entry(0, numbers)) and not store.put(KEYS[-2], entry(0, numbers))
    assert len(said) == 1 and store.get(KEYS[-1]) is None


def test_a_full_disk(tmp_path):
    with small_disk(tmp_path / "disk", 2) as disk:
        store = PrefixStore(disk / "store", 10**9)
        assert store.put(KEYS[0], entry(0, 100_000))
        refused(store, 200_000)
        assert len(list(store.folder.iterdir())) == 1
        assert same(store.get(KEYS[0]), entry(0, 100_000))
        assert store.put(KEYS[1], entry(1))  # a small one still fits


def test_a_disk_that_can_only_be_read(tmp_path):
    with small_disk(tmp_path / "disk", 2) as disk:
        PrefixStore(disk, 10**6).put(KEYS[0], entry())
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        store = PrefixStore(disk, 10**6)
        refused(store)
        assert same(store.get(KEYS[0]), entry())
        refused(PrefixStore(disk / "new", 10**6))
        refused(PrefixStore(disk, 100 + store.nbytes))  # the entry in the way stays


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    store = PrefixStore(tmp_path / "file", 10**6)
    refused(store)
    store.clear()
    assert store.nbytes == 0 and (tmp_path / "file").read_text() == "not a folder"
    gone = PrefixStore(tmp_path / "gone", 10**6)
    gone.folder.rmdir()
    assert gone.get(KEYS[0]) is None and gone.nbytes == 0
    assert gone.put(KEYS[0], entry()) and same(gone.get(KEYS[0]), entry())


def dying_writer(folder: Path, pipe) -> None:
    """Has written a file, and is killed before it moves it into place."""
    prefix_store._touch = lambda path: (pipe.send("written"), time.sleep(60))
    PrefixStore(folder, 10**6).put(KEYS[0], entry(1))


def test_what_cannot_be_removed_takes_room(tmp_path, monkeypatch):
    """As a file that another process has open on Windows."""
    store = PrefixStore(tmp_path, 2000)
    store.put(KEYS[0], entry(0))
    monkeypatch.setattr(prefix_store, "_remove", lambda path: False)
    refused(PrefixStore(tmp_path, 1500))
    assert same(store.get(KEYS[0]), entry(0)) and len(list(tmp_path.iterdir())) == 1


@posix_only
def test_a_killed_writer_leaves_nothing_that_is_read(tmp_path):
    store = PrefixStore(tmp_path, 10**6)
    store.put(KEYS[0], entry(0))
    ours, theirs = FORK.Pipe()
    writer = FORK.Process(target=dying_writer, args=(tmp_path, theirs))
    writer.start()
    assert ours.poll(60) and ours.recv() == "written"
    writer.kill()
    writer.join()
    (leftover,) = tmp_path.glob(".*.part")
    assert same(store.get(KEYS[0]), entry(0))  # the old one is still there
    store.put(KEYS[1], entry(2))
    assert leftover.exists()  # its writer might be alive
    grow_old(leftover, 7200)
    store.put(KEYS[2], entry(3))
    assert not leftover.exists() and store.nbytes == 3 * file_of(store, KEYS[0]).stat().st_size


@pytest.mark.parametrize("moment", ["_touch", "_remove"])
def test_another_process_is_faster(tmp_path, monkeypatch, moment):
    """It puts an entry after room was made for ours; or removes what we were about to remove."""
    PrefixStore(tmp_path, 10**6).put(KEYS[0], entry(0))
    size = file_of(PrefixStore(tmp_path, 10**6), KEYS[0]).stat().st_size
    store, other, plain = (
        PrefixStore(tmp_path, 3 * size),
        PrefixStore(tmp_path, 3 * size),
        getattr(prefix_store, moment),
    )
    for i in (1, 2):
        store.put(KEYS[i], entry(i))

    def slow(path: Path):
        monkeypatch.setattr(prefix_store, moment, plain)
        if moment == "_touch":
            assert other.put(KEYS[3], entry(3))
        else:
            path.unlink()
        return plain(path)

    monkeypatch.setattr(prefix_store, moment, slow)
    assert store.put(KEYS[4], entry(4)) and store.nbytes == 3 * size
    assert store.get(KEYS[4]) is not None and store.get(KEYS[2]) is not None


BOUND = 8000
EXPECTED = [entry(i, 30 + 10 * i) for i in range(12)]


def hammer(folder: Path, seed: int, pipe) -> None:
    """Five seconds of everything; tells what went wrong, or how often it found something and how often not."""
    warnings.simplefilter("error")
    chance, end, store = random.Random(seed), time.time() + 5, PrefixStore(folder, BOUND)
    try:
        while time.time() < end:
            i, action = chance.randrange(len(EXPECTED)), chance.random()
            if action < 0.45:
                assert store.put(KEYS[i], EXPECTED[i])
            elif action < 0.99:
                found = store.get(KEYS[i])
                assert found is None or same(found, EXPECTED[i]), i
            else:
                store.clear()
        pipe.send((store.hits, store.misses))
    except BaseException:
        pipe.send(traceback.format_exc())


@posix_only
@pytest.mark.slow
def test_processes_at_once(tmp_path):
    """The same keys put, read, evicted and cleared: nothing raises, warns or comes back wrong."""
    pipes = [FORK.Pipe() for _ in range(3)]
    running = [FORK.Process(target=hammer, args=(tmp_path, i, pipe[1])) for i, pipe in enumerate(pipes)]
    for process in running:
        process.start()
    for process, (ours, _) in zip(running, pipes, strict=True):
        assert ours.poll(120)
        result = ours.recv()
        assert isinstance(result, tuple), result
        assert min(result) > 20, result
        process.join()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= BOUND  # and no unfinished files
    store = PrefixStore(tmp_path, BOUND)
    store.clear()
    assert store.put(KEYS[0], EXPECTED[0]) and same(store.get(KEYS[0]), EXPECTED[0])
