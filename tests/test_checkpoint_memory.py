"""Memory: loading and saving a checkpoint of 1 GB take hardly more than the model itself."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, time
from pathlib import Path
import torch
from safetensors.torch import save_file
from deepseek_lab import DeepSeekConfig, load_pretrained, save_pretrained
from deepseek_lab.model.checkpoint_names import official_tensors
from deepseek_lab.model.checkpoint_read import allocate, build
from deepseek_lab.model.fp8 import scale_shape

torch.set_num_threads(1)
folder, bytes_before = Path(sys.argv[2]), 0


def status(field):  # in bytes; not ru_maxrss, which a process inherits from the one that started it
    lines = dict(line.split(":") for line in open("/proc/self/status") if ":" in line)
    return 1024 * int(lines[field].split()[0])


def shape():
    return DeepSeekConfig.preset("lab").replace(
        vocab_size=20_000, hidden_size=1024, moe_intermediate_size=1024, n_routed_experts=16, num_hidden_layers=5,
        intermediate_size=2048,
    )


def made(dtype):
    model = build(shape(), mtp=False)
    allocate(model, "cpu", dtype)
    for tensor in model.state_dict().values():
        tensor.fill_(0.01)
    return model


def to_fp8(name, tensor):
    if "proj" not in name:
        return {name: tensor}
    scale = torch.full(scale_shape(tensor.shape, (128, 128)), 0.5)
    return {name: tensor.to(torch.float8_e4m3fn), name + "_scale_inv": scale}


def fp8():
    model = made(torch.bfloat16)
    folder.mkdir()
    files = {k: v for name, tensor in official_tensors(model).items() for k, v in to_fp8(name, tensor).items()}
    save_file(files, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config.to_hf()))


report = {}
if sys.argv[1] == "fp8":
    fp8()
elif sys.argv[1] == "save":
    model = made(getattr(torch, sys.argv[3]))
    bytes_before = status("VmRSS")
    save_pretrained(model, folder)
else:
    bytes_before, seconds = status("VmRSS"), time.perf_counter()
    model = load_pretrained(folder, dtype=getattr(torch, sys.argv[3]))
    report["seconds"] = time.perf_counter() - seconds
    weights = model.model.layers[1].mlp.experts.down_proj
    report["weight"] = weights[-1, -1, -1].item()
if sys.argv[1] != "fp8":
    size = sum(p.nbytes for p in model.parameters())
    report |= {"gigabytes": size / 1e9, "ratio": (status("VmHWM") - bytes_before) / size}
print(json.dumps(report))
"""


def run(*arguments) -> dict:
    process = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, arguments)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout)


@pytest.fixture
def folder(tmp_path):
    """A place for a gigabyte, which is not kept."""
    yield tmp_path / "checkpoint"
    shutil.rmtree(tmp_path / "checkpoint", ignore_errors=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak this way")
@pytest.mark.parametrize("stored, dtype", [("float32", "float32"), ("bfloat16", "float32"), ("fp8", "float32")])
def test_the_peak_of_loading_is_the_model(folder, stored, dtype):
    """All that the process has in memory counts, pages of the mapped file too."""
    if shutil.disk_usage(folder.parent).free < 3e9:
        pytest.skip("needs 3 GB of disk")
    if stored == "fp8":
        run("fp8", folder)
    else:
        saving = run("save", folder, stored)
        assert saving["ratio"] <= 0.15, "saving copied the model"
    loading = run("load", folder, dtype)
    print(f"{stored} file, {dtype} model of {loading['gigabytes']:.2f} GB: peak {loading['ratio']:.3f} of it")
    assert loading["gigabytes"] > 1
    assert abs(loading["weight"] - (0.005 if stored == "fp8" else 0.01)) < 2e-4
    assert loading["ratio"] <= 1.15
