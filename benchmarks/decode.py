"""Writing tokens with a cache: ours, uncompiled and compiled, against transformers' `generate` on the same weights.

    python benchmarks/decode.py [--all]

Milliseconds per token after a context that is in the cache already, its random latents the same for both. transformers
gets the best of its caches (DynamicCache, StaticCache) and of its ways to run experts, chosen by a short trial before
each measurement. All ways write the same number of tokens in turns; a call's own beginning is in it for both sides.
Then the time to the first token, and in the notes the bytes that both caches hold. Without a C++ compiler, and on a
GPU, ours is the uncompiled step. On a GPU all compute in bf16, and one more row tells how fast MLA decode reads its
cache, as a share of what a copy reaches.

Left out unless --all says so: 16k tokens of 8 sequences, where transformers takes seconds per token, and width 512.
"""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from card import copy_rate, work_dtype
from rows import Row, milliseconds, parser, percent, report
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, DynamicCache, StaticCache
from transformers import logging as transformers_logging

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM, generate
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.course.measure import synchronize
from deepseek_lab.course.setup import choose_device
from deepseek_lab.inference.compiled import compile_decode
from deepseek_lab.model.cache import ModelCache

LAB = Path(__file__).parents[1] / "data" / "checkpoints" / "lab"
EXPERTS = ("eager", "grouped_mm", "batched_mm")
PREFILL_EXPERTS = ("eager", "grouped_mm")
SIZE_NAMES = {"lab": "the lab's size"}
CACHES = ("DynamicCache", "StaticCache")
CONTEXTS = (128, 1024, 4096, 16384)
SECONDS = 4.0  # that theirs may write for, in all rounds of one row together
LONGEST = 32768
NOT_THE_SAME = "The tokens written are not all the same: rounding."


def config_of(name: str) -> DeepSeekConfig:
    """The lab's model with room for long contexts, or one of the given width with 6 layers."""
    if name == "lab":
        return DeepSeekConfig.from_hf(LAB).replace(max_position_embeddings=LONGEST)
    hidden = int(name)
    return DeepSeekConfig.preset("lab").replace(
        hidden_size=hidden, num_hidden_layers=6, num_attention_heads=8, q_lora_rank=96, kv_lora_rank=64,
        qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32, intermediate_size=3 * hidden,
        moe_intermediate_size=hidden // 2, n_routed_experts=16, num_experts_per_tok=4,
        max_position_embeddings=LONGEST,
    )  # fmt: skip


class Case:
    """Both models with the same weights, and what each needs to write tokens after a context."""

    def __init__(self, name: str, batch: int):
        torch.manual_seed(0)
        self.batch, config, self.device = batch, config_of(name), choose_device()
        self.name = f"{SIZE_NAMES.get(name, f'hidden {name}')}, batch {batch}"
        self.theirs = DeepseekV3ForCausalLM(DeepseekV3Config(**config.to_hf())).eval()
        self.ours = DeepSeekForCausalLM(config).eval()
        self.ours.load_state_dict(self.theirs.state_dict())
        for model in (self.theirs, self.ours):
            model.to(self.device, work_dtype(self.device))
        try:
            self.step, self.uncompiled = compile_decode(self.ours, batch), ""
        except (RuntimeError, ValueError) as error:
            self.step, self.uncompiled = None, f"Not compiled: {error}."
        self.experts = self.best(EXPERTS, lambda kind: self.trial(kind, "DynamicCache", 128))

    def context(self, length: int, room: int) -> tuple[torch.Tensor, ModelCache]:
        """Ids (B, length), and our cache as if it held all of them but the last."""
        ids = torch.randint(3, self.ours.config.vocab_size, (self.batch, length), device=self.device)
        cache = self.ours.new_cache(self.batch, room)
        for layer in cache.layers:
            for slot in layer.slots.values():
                slot[:, : length - 1].normal_()
            layer.length = length - 1
        return ids, cache

    def their_cache(self, kind: str, cache: ModelCache, length: int) -> DynamicCache | StaticCache:
        """Theirs, holding what ours holds."""
        config = self.theirs.config
        copy = DynamicCache(config=config) if kind == "DynamicCache" else StaticCache(config, cache.max_length)
        for i, layer in enumerate(cache.layers):
            c_kv, k_pe = (layer.slots[name][:, None, : length - 1] for name in ("c_kv", "k_pe"))
            k_pe = k_pe.unflatten(-1, (-1, 2)).mT.flatten(-2)  # they keep the pairs' first numbers before the second
            copy.update(c_kv.clone(), k_pe, i)
        return copy

    def their_tokens(self, ids: torch.Tensor, cache, tokens: int) -> torch.Tensor:
        """transformers' `generate`."""
        return self.theirs.generate(
            ids, past_key_values=cache, max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0
        )[:, -tokens:]

    def our_tokens(self, ids: torch.Tensor, cache: ModelCache, tokens: int) -> torch.Tensor:
        """Ours, not compiled."""
        return generate(self.ours, ids[:, -1:], tokens, cache=cache)[:, 1:]

    def compiled_tokens(self, ids: torch.Tensor, cache: ModelCache, tokens: int) -> torch.Tensor:
        """Ours, compiled."""
        written = [ids[:, -1:]]
        for _ in range(tokens):
            written.append(self.step(written[-1], cache).argmax(dim=-1, keepdim=True))
        return torch.cat(written[1:], dim=1)

    def best_cache(self, length: int) -> str:
        """The faster of their caches at this length."""
        return self.best(CACHES, lambda kind: self.trial(self.experts, kind, length))

    def trial(self, experts: str, kind: str, length: int, tokens: int = 3) -> float:
        """Seconds for a few tokens of theirs, the best of two calls."""
        self.theirs.set_experts_implementation(experts)
        ids, ours = self.context(length, length + 2 * tokens)
        caches = [self.their_cache(kind, ours, length) for _ in range(2)]
        return min(timed(lambda cache=cache: self.their_tokens(ids, cache, tokens))[0] for cache in caches)

    @staticmethod
    def best(kinds: tuple[str, ...], seconds) -> str:
        """The fastest that works."""
        measured = {}
        for kind in kinds:
            try:
                measured[kind] = seconds(kind)
            except (RuntimeError, ValueError, NotImplementedError):
                continue
        return min(measured, key=measured.get)


def timed(call) -> tuple[float, object]:
    """Seconds, and what came out."""
    synchronize()
    start = time.perf_counter()
    result = call()
    synchronize()
    return time.perf_counter() - start, result


def writing(case: Case, length: int, rounds: int) -> Row:
    """Let the ways write in turns: as many tokens as theirs write in SECONDS, but 4 to 32. -> seconds per token."""
    kind = case.best_cache(length)
    per_token = case.trial(case.experts, kind, length) / 3
    tokens = max(4, min(32, int(SECONDS / rounds / per_token)))
    ways = {"eager": case.our_tokens} | ({"compiled": case.compiled_tokens} if case.step else {})
    seconds: dict[str, list[float]] = {"theirs": [], **{way: [] for way in ways}}
    same = True
    case.theirs.set_experts_implementation(case.experts)
    for round_number in range(-1, rounds):  # the first is not counted
        ids, cache = case.context(length, length + tokens - 1)
        theirs = case.their_cache(kind, cache, length)
        calls = {"theirs": lambda ids=ids, theirs=theirs: case.their_tokens(ids, theirs, tokens)}
        calls |= {
            way: lambda ids=ids, cache=cache, write=write: write(ids, cache, tokens) for way, write in ways.items()
        }
        written = {}
        for way, call in calls.items():
            for layer in cache.layers:
                layer.length = length - 1
            spent, written[way] = timed(call)
            if round_number >= 0:
                seconds[way].append(spent / tokens)
        same &= all(torch.equal(written["theirs"], other) for other in written.values())
    held = sum(tensor.nbytes for layer in theirs.layers for tensor in (layer.keys, layer.values))
    notes = [f"Caches: ours {cache.nbytes / 1e6:.2f} MB, theirs {held / 1e6:.2f} MB."]
    notes += [] if same else [NOT_THE_SAME]
    return writing_row(f"{case.name}, {length:,} tokens", f"{kind}, {case.experts}", seconds, case.uncompiled, notes)


def writing_row(name: str, how: str, seconds: dict[str, list[float]], uncompiled: str, notes: list[str]) -> Row:
    """The row of the compiled step, the uncompiled one in its note; without the former, the row of the latter."""
    group, versus, eager = "writing tokens, whole model", f"transformers, {how}", seconds["eager"]
    if "compiled" not in seconds:
        return Row(group, name, versus, eager, seconds["theirs"], " ".join([uncompiled, *notes]))
    uncompiled_row = Row(group, name, versus, eager, seconds["theirs"])
    lost = f"Not compiled: {uncompiled_row.verdict}" if uncompiled_row.verdict else ""
    notes = [f"Not compiled {milliseconds(statistics.median(eager))}, ratio {uncompiled_row.ratio:.2f}.", *notes]
    return Row(group, name, versus, seconds["compiled"], seconds["theirs"], " ".join(notes), lost)


def first_token(case: Case, length: int, rounds: int) -> Row:
    """Seconds from a prompt to its first token, ours and theirs.

    For many tokens at once `batched_mm` copies the weights of every row, so the choice is between the other two.
    """
    ids = torch.randint(3, case.ours.config.vocab_size, (case.batch, length), device=case.device)

    def theirs(experts: str) -> float:
        case.theirs.set_experts_implementation(experts)
        seconds, token = timed(lambda: case.their_tokens(ids, None, 1))
        tokens.append(token)
        return seconds

    tokens = [generate(case.ours, ids, 1)[:, -1:]]
    best = case.best(PREFILL_EXPERTS, theirs)
    pairs = [(timed(lambda: generate(case.ours, ids, 1))[0], theirs(best)) for _ in range(rounds)]
    ours, others = (list(seconds) for seconds in zip(*pairs, strict=True))
    note = "" if all(torch.equal(tokens[0], token) for token in tokens) else NOT_THE_SAME
    name, versus = f"{case.name}, {length:,} tokens", f"transformers, {best}"
    return Row("first token, whole model", name, versus, ours, others, note)


def on_a_gpu(length: int = 32768, batch: int = 16, repeats: int = 50) -> Row:
    """MLA decode of one layer with V2-Lite's widths in bf16, as a CUDA graph: bytes of cache read per second."""
    config = DeepSeekConfig.preset("v2-lite").replace(rope_scaling=None)
    layer = MultiHeadLatentAttention(config).to("cuda", torch.bfloat16).eval()
    cache, x = layer.new_cache(batch, length), torch.randn(batch, 1, config.hidden_size).to("cuda", torch.bfloat16)
    for slot in cache.slots.values():
        slot.normal_()
    rotary = layer.rotary(x, cache)

    def step() -> None:
        cache.length = length - 1
        layer(x, cache, absorb=True, rotary=rotary)

    seconds, copy = graph_seconds(step, repeats), copy_rate(choose_device())
    read = cache.nbytes / statistics.median(seconds)
    note = (
        f"Reads {read / 1e9:,.0f} GB/s of cache, {percent(read / copy)} of the {copy / 1e9:,.0f} GB/s that a copy "
        "moves (goal: 80 %)."
    )
    name = f"V2-Lite's widths, batch {batch}, {length:,} tokens, bf16, a CUDA graph"
    return Row("MLA decode on a GPU", name, "the rate of a copy", seconds, [], note)


def graph_seconds(call, repeats: int) -> list[float]:
    """Seconds of a call captured as a CUDA graph, each time it is replayed."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return times


@torch.inference_mode()
def rows(rounds: int = 7, tiny: bool = False, everything: bool = False) -> Iterator[Row]:
    """For each model and batch size: rows of writing after contexts, and of the first token after prompts."""
    transformers_logging.set_verbosity_error()
    names = ["lab"] if tiny else ["lab", "256", "512"] if everything else ["lab", "256"]
    for name in names:
        for batch in (1,) if tiny else (1, 8):
            case = Case(name, batch)
            for length in (16,) if tiny else CONTEXTS:
                tokens = batch * length
                if tokens <= 8 * 4096 or everything:
                    yield writing(case, length, rounds)
                if tokens <= 8192:
                    yield first_token(case, length, 9 if tokens <= 2048 else 3)
    if torch.cuda.is_available():
        yield on_a_gpu()


def main() -> None:
    """Read the command line."""
    arguments = parser(__doc__, rounds=7)
    arguments.add_argument("--all", action="store_true", help="also 8 sequences of 16k tokens, and width 512")
    options = arguments.parse_args()
    report(rows(options.rounds, options.tiny, options.all), options)


if __name__ == "__main__":
    main()
