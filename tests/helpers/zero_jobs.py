"""What the ranks of the tests of ZeRO do, and the plain loop that they are compared with."""

import gc
import math
import time
import warnings
from functools import partial
from itertools import pairwise

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from deepseek_lab import DeepSeekConfig
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.moe import TopKRouter
from deepseek_lab.training.objective import pretraining_losses
from deepseek_lab.training.pretrain import parameter_groups
from deepseek_lab.training.zero import LossScaler, resplit, zero

ACCUMULATE, BATCH, LENGTH = 2, 8, 9
CLIP = 0.5  # below every step's norm
ODD = DeepSeekConfig.preset("lab").replace(  # sizes that 2 and 4 don't divide
    vocab_size=61, hidden_size=19, num_hidden_layers=3, num_attention_heads=3, q_lora_rank=13, kv_lora_rank=11,
    qk_nope_head_dim=7, qk_rope_head_dim=6, v_head_dim=5, intermediate_size=37, moe_intermediate_size=9,
    n_routed_experts=5, num_experts_per_tok=2, initializer_range=0.1,
)  # fmt: skip
WIDE = ODD.replace(
    vocab_size=512, hidden_size=64, num_hidden_layers=4, num_attention_heads=4, q_lora_rank=48, kv_lora_rank=32,
    qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, intermediate_size=160, moe_intermediate_size=32,
    n_routed_experts=8,
)  # fmt: skip


def make_model(kind: str, dtype: torch.dtype = torch.float32, seed: int = 0) -> nn.Module:
    """The same weights for the same seed. "tied", "frozen", "mtp" and "idle" are the odd model with one thing more."""
    torch.manual_seed(seed)
    config = WIDE if kind == "wide" else ODD.replace(tie_word_embeddings=kind == "tied")
    model = DeepSeekForCausalLM(config, mtp=kind == "mtp").to(dtype)
    if kind == "frozen":
        model.model.layers[1].self_attn.requires_grad_(False)
        model.model.layers[2].requires_grad_(False)
    if kind == "idle":  # no token ever goes to the first expert of a layer
        for router in (module for module in model.modules() if isinstance(module, TopKRouter)):
            router.e_score_correction_bias[0] = -10
    return model


def windows(step: int, vocab: int = 61) -> Tensor:
    """The whole batch of a step: (BATCH, LENGTH + 1)."""
    return torch.randint(vocab, (BATCH, LENGTH + 1), generator=torch.Generator().manual_seed(1000 + step))


def micro_batches(step: int, rank: int, ranks: int, vocab: int = 61) -> list[Tensor]:
    """This rank's part of it."""
    return list(windows(step, vocab).view(ACCUMULATE, ranks, -1, LENGTH + 1)[:, rank])


def loss_of(model: nn.Module, batch: Tensor) -> Tensor:
    """Next token; with MTP modules, the whole objective of pretraining, which reads the head's matrix by itself."""
    if model.mtp_modules:
        return pretraining_losses(model, batch).total(0.3, 0.01)
    logits = model(batch[:, :-1]).flatten(0, 1)
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), batch[:, 1:].flatten())


def adamw(groups) -> torch.optim.Optimizer:
    """Decays, so that a parameter forgotten or updated twice shows."""
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)


def plain_training(kind: str, dtype: torch.dtype, steps: int) -> tuple[list[float], dict[str, Tensor]]:
    """Losses and weights of the ten lines that everybody writes: nothing of `training.zero` is in them."""
    model = make_model(kind, dtype)
    optimizer, losses = adamw(parameter_groups(model, 0.1)), []
    for step in range(steps):
        loss = loss_of(model, windows(step))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        assert norm > CLIP
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, model.state_dict()


def train_half(rank: int, **given) -> dict:
    """`train` of a model in fp32, by an engine in bf16."""
    return train(rank, **given, engine_dtype=torch.bfloat16)


def train(rank: int, kind: str, stage: int, dtype: torch.dtype, steps: int, engine_dtype=None, **options) -> dict:
    """A training's losses, and on rank 0 its weights."""
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    model = make_model(kind, dtype, seed=rank)  # other weights on other ranks: rank 0's are taken
    engine = zero(model, stage, adamw, clip=CLIP, groups=parameter_groups(model, 0.1), dtype=engine_dtype, **options)
    losses, norms = [], []
    for step in range(steps):
        losses.append(engine.step(micro_batches(step, rank, ranks), loss_of))
        norms.append(engine.grad_norm)
    weights = engine.full_state_dict()
    return {"losses": losses, "norms": norms, "weights": weights if rank == 0 else None}


def measure(rank: int, kind: str, stage: int, dtype: torch.dtype | None, count: int = 1, look: bool = False) -> dict:
    """Bytes of every sort after two steps of `count` micro-batches; `look`: and those that Python's heap holds."""
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    before = _live_bytes() if look else 0
    model = make_model(kind)
    psi = sum(p.numel() for p in model.parameters())  # before the engine: in stage 3, they are empty
    engine = zero(model, stage, adamw, clip=CLIP, dtype=dtype)
    for step in range(2):
        batches = micro_batches(step, rank, ranks, model.config.vocab_size)[:count]
        engine.step([batch[:1] for batch in batches], loss_of)  # one window: bytes don't depend on it
    buffers = sum(buffer.nbytes for buffer in model.buffers())
    result = {"psi": psi, "bytes": engine.bytes(), "sent": engine.bytes_sent, "peak": engine.peak_transient_bytes}
    if stage:
        result["units"] = [sum(flat.padded for flat in unit.flats) for unit in engine.units]
        result["largest"] = max(math.prod(shape) for flat in engine.trained for shape in flat.shapes)
    others = before + buffers
    kept = result["bytes"]["parameters"] + result["bytes"]["optimizer"]  # gradients are gone after the step
    return result | {"found": _settled(kept + others) - others if look else None}


def _settled(expected: int, looks: int = 5) -> int:
    """Live bytes, looked at again while there are more than expected.

    gloo's thread lets go of a tensor a moment after `wait()` returns: on a busy machine that moment can be long.
    """
    for _ in range(looks - 1):
        found = _live_bytes()
        if found <= 1.005 * expected:
            return found
        time.sleep(0.3)
    return _live_bytes()


def _live_bytes() -> int:
    """Of every tensor that Python knows, each storage once."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some modules warn when they are looked at
        tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    # Where autograd or an optimizer holds one, Python finds it as well: through .grad and the state's dictionaries.
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def overflow(rank: int, stage: int) -> dict:
    """Rank 0's gradient is infinite in the second of four steps, one unit's alone in its second micro-batch."""
    ranks, calls = dist.get_world_size(), 0
    model = make_model("odd")
    engine = zero(model, stage, adamw, clip=CLIP, scaler=LossScaler(scale=1024.0, grow_every=2))

    def loss_fn(model: nn.Module, batch: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        loss = loss_of(model, batch)
        return loss + (loss - loss.detach()) * float("inf") if rank == 0 and calls == 4 else loss

    scales, weights = [], []
    for step in range(4):
        engine.step(micro_batches(step, rank, ranks), loss_fn)
        scales.append(engine.scaler.scale)
        weights.append(engine.full_state_dict()["lm_head.weight"])
    changed = [not torch.equal(a, b) for a, b in pairwise(weights)]
    return {"scales": scales, "changed": changed, "skipped": engine.skipped, "last": weights[-1]}


class Choosing(nn.Module):
    """Blocks with a branch each that only some inputs take, in which case its weight gets a gradient."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 7)
        self.blocks = nn.ModuleList(nn.ModuleDict({"a": nn.Linear(7, 7), "b": nn.Linear(7, 7)}) for _ in range(3))
        for block in self.blocks:
            block.forward = partial(self._run, block)
        self.last = nn.Linear(7, 1)

    @staticmethod
    def _run(block: nn.ModuleDict, x: Tensor, branch: str) -> Tensor:
        return x + torch.tanh(block[branch](x))

    def forward(self, x: Tensor, branch: str) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x, branch)
        return self.last(x)


def choose(rank: int, stage: int, steps: int) -> dict:
    """Every rank takes another branch, so that each lacks gradients that others have."""
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    torch.manual_seed(0)
    engine = zero(Choosing().double(), stage, adamw)
    inputs = torch.randn(steps, 4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def loss_fn(model: nn.Module, number: int) -> Tensor:
        return model(inputs[engine.steps, number], "ab"[number // 2]).square().mean()

    losses = [engine.step(range(rank * 4 // ranks, (rank + 1) * 4 // ranks), loss_fn) for _ in range(steps)]
    return {"losses": losses, "weights": engine.full_state_dict()}


def say(call) -> str | None:
    """The error of a call in words; None if there is none."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def wrong_use(rank: int) -> dict:
    """What is said about mistakes that only ranks can make, and that the engine still works after them."""
    said = {}
    engine = zero(make_model("odd"), 3, adamw)
    batches = micro_batches(0, rank, dist.get_world_size())
    said["counts"] = say(lambda: engine.step(batches[: 1 + (rank == 0)], loss_of))
    said["no scalar"] = say(lambda: engine.step(batches, lambda model, batch: model(batch)))
    said["nan"] = say(lambda: engine.step(batches, lambda model, batch: loss_of(model, batch) * float("nan")))
    said["ranks"] = say(lambda: zero(make_model("odd"), 3, adamw, ranks=7))
    return {"said": said, "loss": engine.step(batches, loss_of)}


def evaluate(rank: int, stage: int) -> list[float]:
    """Losses outside of a step, by the model itself, between two steps."""
    ranks = dist.get_world_size()
    engine = zero(make_model("mtp"), stage, adamw)
    losses = [engine.step(micro_batches(0, rank, ranks), loss_of)]
    with torch.no_grad(), engine.gathered() as model:
        losses.append(loss_of(model, windows(7)).item())
    return [*losses, engine.step(micro_batches(1, rank, ranks), loss_of)]


def save(rank: int, stage: int, dtype: torch.dtype | None, folder: str) -> dict:
    """Two steps, a checkpoint of shards, two more steps."""
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    engine = zero(make_model("frozen"), stage, adamw, clip=CLIP, dtype=dtype)
    for step in range(2):
        engine.step(micro_batches(step, rank, ranks), loss_of)
    torch.save(engine.shard_state(), f"{folder}/{stage}-{dtype}-{rank}-of-{ranks}")
    losses = [engine.step(micro_batches(step, rank, ranks), loss_of) for step in (2, 3)]
    return {"losses": losses, "weights": engine.full_state_dict()}


def resume(rank: int, stage: int, dtype: torch.dtype | None, path: str, from_ranks: int) -> dict:
    """The same two last steps by another model, from a checkpoint of `from_ranks` ranks."""
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    engine = zero(make_model("frozen", seed=5), stage, adamw, clip=CLIP, dtype=dtype)
    states = [torch.load(f"{path}-{old}-of-{from_ranks}", weights_only=False) for old in range(from_ranks)]
    engine.load_shard_state((states if ranks == from_ranks else resplit(states, ranks))[rank])
    losses = [engine.step(micro_batches(step, rank, ranks), loss_of) for step in (2, 3)]
    return {"losses": losses, "weights": engine.full_state_dict(), "steps": engine.steps}
