"""A decoding step compiled for a CPU: one call per token, without Python between its operations.

A small model's step is hundreds of tiny operations, and starting one from Python costs more than computing it. Here the
step of `DeepSeekForCausalLM` (V2 and V3) is written once more, for one new token of each sequence and nothing else;
`torch.export` turns it into a graph, and PyTorch's inductor the graph into C++. Operations between two matrix products
become one loop, and so does a product with a single row: it reads weights, also the chosen experts', straight from
where they are. The length of the cache is a variable of the compiled program, so that it is compiled once.
"""

import math
import tempfile
import time
import warnings
import weakref
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

from deepseek_lab.attention import AttentionCache, MultiHeadLatentAttention
from deepseek_lab.attention.norm import RMSNorm
from deepseek_lab.attention.rope import rope_amplitude, rope_frequencies
from deepseek_lab.config import require, require_whole
from deepseek_lab.model.cache import ModelCache
from deepseek_lab.model.decoder import DeepSeekForCausalLM, next_token_logits
from deepseek_lab.moe import DeepSeekMoE, Experts, SwiGLU
from deepseek_lab.moe.router import SCORING, TopKRouter
from deepseek_lab.moe.swiglu import swiglu

KINDS = ("deepseek_v2", "deepseek_v3")
FEW = 8  # rows; a library's product is faster for more
LONGEST = 2**20  # tokens, for the compiler's arithmetic on indices


def compile_decode(model: DeepSeekForCausalLM, batch_size: int = 1) -> "CompiledDecode":
    """Compile the decoding step of `model` for `batch_size` sequences. Takes about 20 seconds on two cores.

    Raises `ValueError` for a model that it doesn't take (V3.2, V4, not fp32, not on a CPU), and `RuntimeError` where
    there is no C++ compiler.
    """
    require(isinstance(model, DeepSeekForCausalLM), "model", type(model).__name__, "a DeepSeekForCausalLM")
    require_whole(1, batch_size=batch_size)
    kind, weight = model.config.model_type, model.lm_head.weight
    require(kind in KINDS, "model to compile", kind, " or ".join(KINDS))
    got = f"{weight.dtype} on {weight.device.type}"
    require(got == "torch.float32 on cpu", "model to compile", got, "torch.float32 on cpu")
    _require_compiler()
    return CompiledDecode(model, batch_size)


class CompiledDecode:
    """`step(input_ids, cache)` is `next_token_logits(model, input_ids, cache)` for one token of each sequence.

    (B, 1) ids and a cache of `model.new_cache` -> (B, V), and the tokens are in the cache. Compiled and uncompiled
    steps can take turns on one cache. The weights are the model's own, not a copy: what is written into them later
    counts, but a parameter put in another's place doesn't. Made by `compile_decode`; `seconds` says how long it took.
    """

    def __init__(self, model: DeepSeekForCausalLM, batch_size: int):
        start = time.perf_counter()
        self.model, self.batch_size = model, batch_size
        self._run, self._folder, constants = _compile(_DecodeStep(model), batch_size)
        self._positions = torch.arange(0)
        self._checked = lambda: None  # a weak reference to the cache seen last
        self._weights = [(tensor, tensor.data_ptr()) for tensor in [*model.parameters(), *model.buffers()]]
        weakref.finalize(self, _let_go, constants)
        self.seconds = time.perf_counter() - start

    @torch.inference_mode()
    def __call__(self, input_ids: Tensor, cache: ModelCache) -> Tensor:
        self._check(input_ids, cache)
        if cache.length == 0:  # the compiler takes it that there are at least two keys
            return next_token_logits(self.model, input_ids, cache)
        length = cache.length + 1
        slots = [slot for layer in cache.layers for slot in (layer.slots["c_kv"], layer.slots["k_pe"])]
        logits = self._run(input_ids.contiguous(), slots, self._positions[:length])
        # Not a number anywhere, in router scores say, is one here: it spreads.
        require(math.isfinite(logits.sum()), "logits", "NaN or infinity", "finite numbers: look at the weights")
        for layer in cache.layers:
            layer.length = length
        return logits

    def _check(self, input_ids: Tensor, cache: ModelCache) -> None:
        config = self.model.config
        same = all(weight.data_ptr() == place for weight, place in self._weights)
        require(same, "model", "weights that lie elsewhere by now", "those it was compiled with; compile again")
        require(isinstance(input_ids, Tensor), "input_ids", type(input_ids).__name__, "a tensor of token ids")
        shape, takes = tuple(input_ids.shape), (self.batch_size, 1)
        require(shape == takes, "input_ids", shape, f"shape {takes}, for which the step was compiled")
        require(input_ids.dtype == torch.int64, "input_ids dtype", input_ids.dtype, "torch.int64")
        ids = input_ids.flatten().tolist()
        fits = min(ids) >= 0 and max(ids) < config.vocab_size
        require(fits, "input_ids", (min(ids), max(ids)), f"ids from 0 to {config.vocab_size - 1}")
        if self._checked() is not cache:
            require(isinstance(cache, ModelCache), "cache", type(cache).__name__, "a cache of model.new_cache")
            layers = len(cache.layers)
            require(layers == config.num_hidden_layers, "cache", f"{layers} layers", f"{config.num_hidden_layers}")
            cache.check_owner(self.model)
            for layer in cache.layers:
                self._check_layer(layer)
            self._checked = weakref.ref(cache)
            if cache.max_length > len(self._positions):
                self._positions = torch.arange(cache.max_length)
        cache.check_step(self.batch_size, 1)

    def _check_layer(self, layer: AttentionCache) -> None:
        """The compiled program trusts shapes and places: what it doesn't fit must not get there."""
        config = self.model.config
        require(type(layer) is AttentionCache, "cache", type(layer).__name__, "AttentionCache in each layer")
        got = {name: (tuple(slot.shape), slot.dtype, slot.device.type) for name, slot in layer.slots.items()}
        widths = {"c_kv": config.kv_lora_rank, "k_pe": config.qk_rope_head_dim}
        takes = {
            name: ((self.batch_size, layer.max_length, width), torch.float32, "cpu") for name, width in widths.items()
        }
        require(got == takes, "cache", got, takes)
        whole = all(slot.is_contiguous() for slot in layer.slots.values())
        require(whole, "cache", "slots with gaps", "slots as they were made")


def _require_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler  # takes a second, which only those pay who compile
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise RuntimeError(
            "compile_decode: no C++ compiler was found (g++ or clang++); the step that is not compiled needs none"
        ) from None


def _compile(step: nn.Module, batch_size: int):
    """Export, compile, load; returns the program and the folder that it lies in, deleted with it."""
    from torch._inductor.exc import InductorError

    slots = [
        torch.zeros(batch_size, 6001, width)
        for _ in step.blocks
        for width in (step.config.kv_lora_rank, step.config.qk_rope_head_dim)
    ]
    room, length = Dim("room", min=2, max=LONGEST), Dim("length", min=2, max=LONGEST)
    # The example is long: for sums of more than 4096 numbers the compiler takes the more exact way.
    example = torch.zeros(batch_size, 1, dtype=torch.long), slots, torch.arange(5001)
    dynamic = None, [{1: room} for _ in slots], {0: length}
    settings = {"aot_inductor.package_constants_in_so": False}  # no second copy of the weights
    try:
        folder = tempfile.TemporaryDirectory(prefix="deepseek_lab_", ignore_cleanup_errors=True)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch's exporter warns of its own old parts
            exported = torch.export.export(step, example, dynamic_shapes=dynamic)
            file = torch._inductor.aoti_compile_and_package(
                exported, package_path=str(Path(folder.name) / "step.pt2"), inductor_configs=settings
            )
            program = torch._inductor.aoti_load_package(file)
    except (InductorError, OSError) as error:  # a compiler without OpenMP, say, or no room for temporary files
        raise RuntimeError(
            f"compile_decode: PyTorch could not compile the step here ({_reason(error)}); "
            "the step that is not compiled needs no C++"
        ) from error
    found = dict(exported.state_dict) | exported.constants
    # Views: the program reads the weights' own memory, and holds it whatever becomes of the parameters.
    constants = {name: found[name].detach() for name in program.get_constant_fqns()}
    program.load_constants(constants, check_full_update=True, user_managed=True)
    return program, folder, list(constants.values())


def _reason(error: Exception) -> str:
    """The line in which a compiler says what is wrong, out of all that PyTorch quotes with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "error: " in line), lines[0] if lines else type(error).__name__)


def _let_go(constants: list[Tensor]) -> None:
    """PyTorch never frees the tensors that it was given (2.13), so their memory is taken out of them."""
    for tensor in constants:
        tensor.data = torch.empty(0)


class _DecodeStep(nn.Module):
    """The whole step as equations: (B, 1) ids, the slots of all layers, and the positions (S,) of all tokens so far,
    the new one last -> (B, V). Shapes below have no T: there is one new token."""

    def __init__(self, model: DeepSeekForCausalLM):
        super().__init__()
        self.config, self.blocks = model.config, nn.ModuleList(model.blocks)
        self.embedding, self.norm, self.head = model.model.embed_tokens, model.model.norm, model.lm_head
        rope = self.config.qk_rope_head_dim, self.config.rope_theta, self.config.rope_scaling
        self.register_buffer("frequencies", rope_frequencies(*rope))
        self.amplitude = rope_amplitude(self.config.rope_scaling)

    def forward(self, input_ids: Tensor, slots: list[Tensor], positions: Tensor) -> Tensor:
        x = F.embedding(input_ids[:, 0], self.embedding.weight)  # (B, M)
        angles = positions[-1:].float() * self.frequencies  # (R/2,)
        rotary = angles.cos() * self.amplitude, angles.sin() * self.amplitude
        for block, c_kv, k_pe in zip(self.blocks, slots[::2], slots[1::2], strict=True):
            h = _normed(x, block.input_layernorm)
            x = x + self.attend(block.self_attn, h, c_kv, k_pe, positions, rotary)
            h = _normed(x, block.post_attention_layernorm)
            x = x + (_mixture(h, block.mlp) if isinstance(block.mlp, DeepSeekMoE) else _swiglu(h, block.mlp))
        return _linear(_normed(x, self.norm), self.head)

    def attend(
        self, layer: MultiHeadLatentAttention, x: Tensor, c_kv: Tensor, k_pe: Tensor, positions: Tensor, rotary
    ) -> Tensor:
        """Absorbed attention, as `MultiHeadLatentAttention.attend_absorbed` has it: (B, M) -> (B, M)."""
        config, length = self.config, positions.shape[0]
        if config.q_lora_rank is None:
            q = _linear(x, layer.q_proj)
        else:
            q = _linear(_normed(_linear(x, layer.q_a_proj), layer.q_a_layernorm), layer.q_b_proj)
        widths = [config.qk_nope_head_dim, config.qk_rope_head_dim]
        q_nope, q_pe = (q * layer.scale).unflatten(-1, (-1, config.qk_head_dim)).split(widths, dim=-1)  # (B, H, ...)
        new = _linear(x, layer.kv_a_proj_with_mqa).split([config.kv_lora_rank, config.qk_rope_head_dim], dim=-1)
        c_kv.index_copy_(1, positions[-1:], _normed(new[0], layer.kv_a_layernorm)[:, None])
        k_pe.index_copy_(1, positions[-1:], self.rotate(new[1], *rotary)[:, None])
        c_kv, k_pe = c_kv[:, :length], k_pe[:, :length]
        w_uk, w_uv = layer.up_projections()
        q_latent, by_place = _by_head(q_nope, w_uk.mT), self.rotate(q_pe, *rotary) @ k_pe.mT  # (B, H, C), (B, H, S)
        output = _by_head(_attend(q_latent, c_kv, by_place), w_uv)  # (B, H, D_v)
        return _linear(output.flatten(1), layer.o_proj)

    def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """RoPE of one position: (..., R) -> (..., R)."""
        half, interleaved = x.shape[-1] // 2, self.config.rope_interleave
        first, second = x.unflatten(-1, (half, 2) if interleaved else (2, half)).unbind(-1 if interleaved else -2)
        turned = first * cos - second * sin, first * sin + second * cos
        return torch.stack(turned, dim=-1 if interleaved else -2).flatten(-2)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(B, I) -> (B, O). A few rows go through a loop that the compiler joins with its neighbours."""
    if len(x) > FEW:
        return F.linear(x, weight, bias)
    y = (weight * x[:, None]).sum(dim=-1)
    return y if bias is None else y + bias


def _linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return _product(x, layer.weight, layer.bias)


def _by_head(x: Tensor, weight: Tensor) -> Tensor:
    """(B, H, I) times each head's matrix (H, O, I) -> (B, H, O)."""
    if len(x) > FEW:
        return torch.einsum("bhi,hoi->bho", x, weight)
    return (weight * x[:, :, None]).sum(dim=-1)


def _attend(q: Tensor, c_kv: Tensor, bias: Tensor) -> Tensor:
    """softmax(q c + bias) c: (B, H, C), (B, S, C), (B, H, S) -> (B, H, C)."""
    if len(q) == 1:  # the fused kernel gives a sequence to one core
        return (q @ c_kv.mT + bias).softmax(dim=-1) @ c_kv
    # Heads are rows of one tall query. The fused kernel takes the latents piece by piece, each once for both products.
    q, c_kv, bias = q[:, None], c_kv[:, None], bias[:, None]
    return F.scaled_dot_product_attention(q, c_kv, c_kv, attn_mask=bias, scale=1.0)[:, 0]


def _normed(x: Tensor, norm: RMSNorm) -> Tensor:
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + norm.eps) * norm.weight


def _swiglu(x: Tensor, mlp: SwiGLU) -> Tensor:
    h = swiglu(_linear(x, mlp.gate_proj), _linear(x, mlp.up_proj), mlp.limit)
    return _linear(h, mlp.down_proj)


def _mixture(x: Tensor, layer: DeepSeekMoE) -> Tensor:
    """(B, M) -> (B, M), with the router's own rules."""
    router: TopKRouter = layer.gate
    scores = SCORING[router.scoring_func](_product(x, router.weight))
    chosen = router.selection_scores(scores).topk(router.num_experts_per_tok, dim=-1, sorted=False).indices
    routed = _experts(x, chosen, router.weigh(scores, chosen), layer.experts)
    return routed if layer.shared_experts is None else routed + _swiglu(x, layer.shared_experts)


def _experts(x: Tensor, chosen: Tensor, weights: Tensor, experts: Experts) -> Tensor:
    """S = B * K rows, each with its own expert's matrices. Written as a copy of these; compiled, none is made."""
    expert = chosen.flatten()
    rows = x.repeat_interleave(chosen.shape[1], dim=0)  # (S, M)
    gate, up = (experts.gate_up_proj[expert] * rows[:, None]).sum(dim=-1).chunk(2, dim=-1)  # (S, F) each
    hidden = swiglu(gate, up, experts.limit) * weights.view(-1, 1)
    y = (experts.down_proj[expert] * hidden[:, None]).sum(dim=-1)  # (S, M)
    return y.unflatten(0, chosen.shape).sum(dim=1)
