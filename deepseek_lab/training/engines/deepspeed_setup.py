"""Getting DeepSpeed to run where there is no GPU, no compiler and no launcher, and to be quiet."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch.distributed as dist
from torch import nn

from deepseek_lab.config import require
from deepseek_lab.training.zero.engine import MakeOptimizer


class DeepSpeedMissing(ImportError):
    """DeepSpeed isn't installed."""


class CompilerMissing(RuntimeError):
    """DeepSpeed wants to compile something, and can't."""


def import_deepspeed() -> ModuleType:
    """The package, told not to compile at start. Raises `DeepSpeedMissing`."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)  # it tells which device it found
        import deepspeed
        import deepspeed.ops
    except ImportError as error:
        hint = 'pip install "deepseek_lab[deepspeed]" (on Linux)'
        raise DeepSpeedMissing(f"the engine 'deepspeed' needs the package deepspeed: {hint}") from error
    finally:
        logging.disable(before)
    # On CPUs, init_distributed compiles an all-reduce through shared memory, 30 s with ninja and a C++ compiler, and
    # fails without them. Told that the machine can't have it, it uses gloo. This is a private table, so it may go.
    ops = getattr(deepspeed.ops, "__compatible_ops__", None)
    if isinstance(ops, dict):
        ops["deepspeed_shm_comm"] = False
    return deepspeed


def initialize(module: nn.Module, make_optimizer: MakeOptimizer, groups: list[dict], config: dict):
    """`deepspeed.initialize` in a process group that is there already. Raises `CompilerMissing`, and `ValueError`."""
    deepspeed = import_deepspeed()
    own = "optimizer" in config
    given = {"model_parameters": groups} if own else {"optimizer": make_optimizer(groups)}
    with settled():
        try:
            if not deepspeed.comm.is_initialized():
                deepspeed.init_distributed(dist_backend=dist.get_backend(), verbose=False)
            engine, *_ = deepspeed.initialize(model=module, config=config, **given)
        except RuntimeError as error:
            said = str(error)
            if not any(word in said for word in ("JIT load", "uilding extension", "inja is required")):
                raise
            install = 'a C++ compiler and ninja ("apt install g++", "pip install ninja")'
            instead = 'or leave "optimizer" out of options, for torch\'s own'
            raise CompilerMissing(f"DeepSpeed compiles its own optimizer and needs {install}, {instead}") from error
    return engine


@contextmanager
def settled() -> Iterator[None]:
    """For every call into DeepSpeed: quiet, and with the variable `LOCAL_RANK` set.

    Left out are its progress reports, and PyTorch's warnings about names that DeepSpeed still uses. It insists on the
    variable, which launchers set, in stage 3 even in a forward pass; on one machine, it is the rank.
    """
    from deepspeed.utils import logger

    level, there = logger.level, "LOCAL_RANK" in os.environ
    logger.setLevel(logging.ERROR)
    os.environ.setdefault("LOCAL_RANK", str(dist.get_rank()))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
            warnings.filterwarnings("ignore", category=UserWarning, module="deepspeed")
            yield
    finally:
        logger.setLevel(level)
        if not there:
            del os.environ["LOCAL_RANK"]


def merged(config: dict, options: dict) -> dict:
    """`config` with `options` over it, deeply: a dictionary in both is merged, anything else replaced.

    Raises `ValueError` where `options` doesn't fit.
    """
    result = dict(config)
    for key, value in options.items():
        inner = result.get(key)
        require(isinstance(key, str), "options", key, "names of DeepSpeed's configuration")
        require(not isinstance(inner, dict) or isinstance(value, dict), f"options[{key!r}]", value, "a dict")
        result[key] = merged(inner, value) if isinstance(inner, dict) else value
    return result
