"""Saving that fails: a full disk, an interruption, a folder that can't be written. The old checkpoint stays."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from helpers.checkpoints import assert_same_weights, model_of, snapshot, tiny
from safetensors.torch import save_file
from torch import nn

from deepseek_lab import DeepSeekForCausalLM, load_pretrained, save_pretrained
from deepseek_lab.model import checkpoint_write
from deepseek_lab.model.checkpoint_files import CheckpointError


@pytest.fixture
def one(tmp_path):
    """A checkpoint in one file."""
    save_pretrained(model_of(tiny(), mtp=True), tmp_path / "one")
    return tmp_path / "one"


@pytest.fixture
def many(tmp_path):
    """A checkpoint in shards."""
    save_pretrained(model_of(tiny()), tmp_path / "many", max_shard_bytes=30_000)
    return tmp_path / "many"


@pytest.mark.parametrize("shard", [0, -1, 1.5, "5GB", True, None])
def test_shards_of_no_size(tmp_path, shard):
    with pytest.raises(ValueError, match="max_shard_bytes: got"):
        save_pretrained(model_of(tiny()), tmp_path / "new", max_shard_bytes=shard)
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="model: got 'Linear', but it takes a DeepSeekForCausalLM"):
        save_pretrained(nn.Linear(1, 1), tmp_path / "new")
    with torch.device("meta"):
        model = DeepSeekForCausalLM(tiny())
    with pytest.raises(ValueError, match="model: got 'one on the meta device'"):
        save_pretrained(model, tmp_path / "new")
    with pytest.raises(ValueError, match="rope_interleave: got False, but it takes true in deepseek_v2"):
        save_pretrained(model_of(tiny(model_type="deepseek_v2", rope_interleave=False)), tmp_path / "new")
    model = model_of(tiny())
    model.lm_head.weight.data[3, 4] = torch.nan
    with pytest.raises(CheckpointError, match=r"lm_head\.weight: found 1 numbers that are NaN .* first at \[3, 4\]"):
        save_pretrained(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def save_fails(monkeypatch, folder, error, after: int, **options):
    """Saving whose n-th file fails; nothing may have changed."""
    before, calls = snapshot(folder) if folder.exists() else None, []

    def save_file_then_fail(*arguments, **more):
        calls.append(1)
        if len(calls) > after:
            raise error
        save_file(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_write, "save_file", save_file_then_fail)
        with pytest.raises((CheckpointError, KeyboardInterrupt)) as caught:
            save_pretrained(model_of(tiny(num_hidden_layers=2)), folder, max_shard_bytes=20_000, **options)
    assert (snapshot(folder) if folder.exists() else None) == before
    return caught.value


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()], ids=["disk full", "interrupted"])
def test_a_save_that_fails_leaves_the_old_one(one, many, tmp_path, monkeypatch, error, after):
    for folder in (one, many, tmp_path / "new"):
        raised = save_fails(monkeypatch, folder, error, after)
        if error is FULL:
            assert str(folder) in str(raised) and "No space left" in str(raised) and "unchanged" in str(raised)
        assert folder == tmp_path / "new" or load_pretrained(folder)


@pytest.mark.parametrize("shard", [10**9, 20_000])
def test_a_move_that_fails_is_undone(one, many, monkeypatch, shard):
    """Interrupted at every move of a file in turn."""
    replace = Path.replace
    for folder in (one, many):
        before = snapshot(folder)
        for broken in range(100):
            moves = []

            def replace_or_fail(path, goal, moves=moves, broken=broken):
                moves.append(path)
                if len(moves) == broken + 1:
                    raise KeyboardInterrupt
                return replace(path, goal)

            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", replace_or_fail)
                try:
                    save_pretrained(model_of(tiny(num_hidden_layers=1)), folder, max_shard_bytes=shard)
                except KeyboardInterrupt:
                    assert snapshot(folder) == before
                    continue
            assert broken > 4  # it was interrupted at each of them, and now it was not
            break
        assert load_pretrained(folder).config == tiny(num_hidden_layers=1)


def test_a_tokenizer_that_fails(one):
    class Tokenizer:
        def save_pretrained(self, folder):
            (Path(folder) / "tokenizer.json").write_text("{")
            raise RuntimeError("tokenizer")

    before = snapshot(one)
    with pytest.raises(RuntimeError, match="tokenizer"):
        save_pretrained(model_of(tiny()), one, tokenizer=Tokenizer())
    assert snapshot(one) == before


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CheckpointError, match="could not be saved"):
            save_pretrained(model_of(tiny()), folder)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def disk(tmp_path):
    """mount(size) -> a file system of that size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"may not mount a small disk: {result.stderr.strip()}")
        return folder

    if not shutil.which("mount"):
        pytest.skip("no mount command")
    yield mount
    subprocess.run(["umount", folder], capture_output=True, check=False)


@pytest.mark.parametrize("shard", [10**9, 50_000], ids=["one file", "shards"])
def test_a_disk_that_is_really_full(disk, shard):
    """Room for one checkpoint: a second doesn't fit beside it. The target is the disk itself, with nothing above."""
    small, large = model_of(tiny()), model_of(tiny(vocab_size=5000))
    folder = disk("size=1m")
    save_pretrained(small, folder)
    before = snapshot(folder)
    with pytest.raises(CheckpointError, match="No space left") as caught:
        save_pretrained(large, folder, max_shard_bytes=shard)
    assert str(folder) in str(caught.value)
    assert snapshot(folder) == before and len(list(folder.iterdir())) == 3
    with pytest.raises(CheckpointError, match="No space left"):
        save_pretrained(large, folder / "new", max_shard_bytes=shard)
    assert not (folder / "new").exists()
    assert_same_weights(load_pretrained(folder), small)


def test_a_disk_that_is_read_only(disk):
    folder = disk("size=2m")
    save_pretrained(model_of(tiny()), folder)
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    before = snapshot(folder)
    for target in (folder, folder / "new"):
        with pytest.raises(CheckpointError, match=r"could not be saved .*Read-only"):
            save_pretrained(model_of(tiny()), target)
    assert snapshot(folder) == before
    load_pretrained(folder)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions don't hold for root")
def test_a_folder_that_is_read_only(one):
    before = snapshot(one)
    one.chmod(0o500)
    try:
        with pytest.raises(CheckpointError, match="could not be saved"):
            save_pretrained(model_of(tiny()), one)
        assert snapshot(one) == before
    finally:
        one.chmod(0o700)
