"""What ranks are told, and what they report: two small dataclasses that go through JSON, and one file of tokens.

folder/job.json              a `Job`
folder/tokens.safetensors    the text
folder/report-0.json, ...    a `Report` of each rank, when it has finished
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from deepseek_lab.config import DeepSeekConfig, is_number, is_whole, require
from deepseek_lab.training.corpus import python_corpus
from deepseek_lab.training.engines import ENGINES

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
HELD = "DEEPSEEK_LAB_HELD"  # set by `run`: standard input ends when the process that started the ranks does
JOB, TOKENS = "job.json", "tokens.safetensors"


@dataclass(frozen=True)
class Job:
    """Everything that decides a training on N ranks but the text. Whoever is asked twice trains twice the same."""

    engine: str  # one of deepseek_lab.training.engines.ENGINES
    world_size: int  # N
    steps: int
    config: dict = field(default_factory=dict)  # official fields, as in config.json
    batch: int = 8  # windows per step over all ranks: N and `accumulate` must divide it
    length: int = 64  # tokens per window
    accumulate: int = 1  # micro-batches per rank and step
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    clip: float | None = 1.0
    dtype: str | None = None  # of parameters and gradients, a key of DTYPES; None: float32
    offload: bool = False
    options: dict | None = None  # the engine's own configuration
    seed: int = 0
    checkpoints: str | None = None  # their folder; a training that finds one there carries on from it
    save_every: int | None = None  # steps; always at the end too, if there is a folder
    patience: float = 20.0  # seconds without progress after which a rank counts as hung
    device: str | None = None  # "cuda" or "cpu"; None: "cuda" where each rank of a host has a GPU
    timeline: bool = False  # record what the last step did, and when (ZeRO only)

    def __post_init__(self):
        require(self.engine in ENGINES, "engine", self.engine, " or ".join(ENGINES))
        for name in ("world_size", "steps", "batch", "length", "accumulate"):
            value = getattr(self, name)
            require(is_whole(value) and value >= 1, name, value, "a whole number of at least 1")
        parts = self.world_size * self.accumulate
        takes = f"a multiple of {parts}: {self.world_size} ranks, {self.accumulate} micro-batches each"
        require(self.batch % parts == 0, "batch", self.batch, takes)
        for name in ("lr", "patience"):
            value = getattr(self, name)
            require(is_number(value) and value > 0, name, value, "a number above 0")
        require(self.dtype is None or self.dtype in DTYPES, "dtype", self.dtype, " or ".join(DTYPES))
        good = self.save_every is None or (is_whole(self.save_every) and self.save_every >= 1)
        require(good, "save_every", self.save_every, "None or a whole number of steps")
        takes = "None without a folder for `checkpoints`"
        require(self.save_every is None or self.checkpoints is not None, "save_every", self.save_every, takes)
        require(self.device in (None, "cpu", "cuda"), "device", self.device, "'cpu', 'cuda' or None")
        zero = self.engine.startswith("zero")
        require(not self.timeline or zero, "timeline", self.timeline, f"an engine of ours, not {self.engine!r}")


@dataclass
class Report:
    """What one rank saw. Bytes are those of this rank; seconds those of each step."""

    rank: int
    host: str
    device: str
    first_step: int  # 0, or where a checkpoint was carried on from
    losses: list[float]  # nats per token, mean over all ranks
    grad_norms: list[float]
    seconds: list[float]
    bytes: dict[str, int]  # "parameters", "gradients", "optimizer"
    bytes_sent: int  # in one step
    peak_transient_bytes: dict[str, int] | None  # engines of ours
    events: list[dict] | None = None  # with `timeline`

    @classmethod
    def read(cls, path: Path) -> "Report":
        """From a rank's file."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Into a JSON file, in one step: who finds the file finds all of it."""
        write_json(path, asdict(self))


def prepare(
    folder: str | Path,
    engine: str,
    world_size: int,
    steps: int,
    *,
    config: DeepSeekConfig | str = "lab",
    tokens: Tensor | None = None,
    checkpoints: str | Path | None = None,
    **settings,
) -> Job:
    """Write what the worker reads, for `torchrun` on one or many hosts; `settings` are further fields of `Job`.

    `tokens` is a row of token ids, by default the bytes of Python's standard library. Raises `ValueError` for what
    doesn't fit together, and `OSError` where the folder can't be written.
    """
    config = DeepSeekConfig.preset(config) if isinstance(config, str) else config
    require(isinstance(config, DeepSeekConfig), "config", type(config).__name__, "a DeepSeekConfig or a preset's name")
    unknown = sorted(set(settings) - {f.name for f in fields(Job)})
    require(not unknown, "argument", unknown[:1], "a field of deepseek_lab.training.launch.Job")
    kept = None if checkpoints is None else str(Path(checkpoints).resolve())  # ranks start elsewhere
    job = Job(engine, world_size, steps, config=config.to_hf(), checkpoints=kept, **settings)
    tokens = python_corpus().train if tokens is None else tokens
    require(isinstance(tokens, Tensor) and tokens.dim() == 1, "tokens", tokens, "a row of token ids")
    highest = int(tokens.max()) if len(tokens) else 0
    require(highest < config.vocab_size, "tokens", highest, f"ids below {config.vocab_size}, the vocabulary's size")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"tokens": tokens.contiguous().cpu()}, folder / TOKENS)
        write_json(folder / JOB, asdict(job))
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{folder}: what the ranks read could not be written ({error}); make room there or name another folder"
        ) from error
    return job


def read_job(folder: Path) -> tuple[Job, Tensor]:
    """What `prepare` wrote. Raises `FileNotFoundError` where there is none."""
    path = Path(folder) / JOB
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: write it with deepseek_lab.training.launch.prepare(folder, ...)")
    fields_ = json.loads(path.read_text(encoding="utf-8"))
    return Job(**fields_ | {"betas": tuple(fields_["betas"])}), load_file(Path(folder) / TOKENS)["tokens"]


def write_json(path: Path, content: object) -> None:
    """Write a JSON file in one step: a reader never sees half of it."""
    beside = Path(path).with_suffix(".tmp")
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(path)
