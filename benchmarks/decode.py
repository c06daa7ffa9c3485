"""Writing tokens with a cache: ours, uncompiled and compiled, against transformers' `generate` on the same weights.

    python benchmarks/decode.py [--quick] [--all] [--plot ratio.png]

Milliseconds per token after a context that is in the cache already, its random latents the same for both. transformers
gets the best of its caches (DynamicCache, StaticCache) and of its ways to run experts, chosen by a short trial before
each measurement. All ways write the same number of tokens in turns; medians, and quartiles in brackets; a call's own
beginning is in it for both sides. Then the time to the first token, and the bytes that both caches hold. On a GPU, also
how fast MLA decode reads its cache, as a share of what a copy reaches.

Left out unless --all says so: 16k tokens of 8 sequences, where transformers takes seconds per token, and width 512.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, DynamicCache, StaticCache
from transformers import logging as transformers_logging

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM, generate
from deepseek_lab.attention import MultiHeadLatentAttention
from deepseek_lab.inference.compiled import CompiledDecode, compile_decode
from deepseek_lab.model.cache import ModelCache

LAB = Path(__file__).parents[1] / "data" / "checkpoints" / "lab"
EXPERTS = ("eager", "grouped_mm", "batched_mm")
PREFILL_EXPERTS = ("eager", "grouped_mm")
CACHES = ("DynamicCache", "StaticCache")
GOALS = {(1, 128): 4, (1, 1024): 5, (1, 4096): 10, (8, 128): 2, (8, 1024): 10, (8, 4096): 30}
LONGEST = 32768


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
        self.name, self.batch, config = name, batch, config_of(name)
        self.theirs = DeepseekV3ForCausalLM(DeepseekV3Config(**config.to_hf())).eval()
        self.ours = DeepSeekForCausalLM(config).eval()
        self.ours.load_state_dict(self.theirs.state_dict())
        self.step: CompiledDecode = compile_decode(self.ours, batch)
        self.experts = self.best(EXPERTS, lambda kind: self.trial(kind, "DynamicCache", 128))

    def context(self, length: int, room: int) -> tuple[torch.Tensor, ModelCache]:
        """Ids (B, length), and our cache as if it held all of them but the last."""
        ids = torch.randint(3, self.ours.config.vocab_size, (self.batch, length))
        cache = self.ours.new_cache(self.batch, room)
        for layer in cache.layers:
            for slot in layer.slots.values():
                slot[:, : length - 1].normal_()
            layer.length = length - 1
        return ids, cache

    def their_cache(self, kind: str, cache: ModelCache, length: int):
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


@dataclass
class Row:
    """One line of the table. Seconds per token of each way, over all rounds."""

    name: str
    batch: int
    context: int
    how: str
    seconds: dict[str, list[float]]
    bytes: tuple[int, int]
    same: bool

    def ratio(self, way: str) -> float:
        """How many times as fast as theirs, by medians."""
        return statistics.median(self.seconds["theirs"]) / statistics.median(self.seconds[way])


def timed(call) -> tuple[float, object]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measure(case: Case, length: int, rounds: int, budget: float) -> Row:
    """Let the ways write in turns: as many tokens as theirs write in `budget` seconds, but 4 to 32."""
    kind = case.best_cache(length)
    per_token = case.trial(case.experts, kind, length) / 3
    tokens = max(4, min(32, int(budget / rounds / per_token)))
    seconds: dict[str, list[float]] = {"theirs": [], "eager": [], "compiled": []}
    same = True
    case.theirs.set_experts_implementation(case.experts)
    for round_number in range(-1, rounds):  # the first is not counted
        ids, cache = case.context(length, length + tokens - 1)
        theirs = case.their_cache(kind, cache, length)
        calls = {
            "theirs": lambda ids=ids, theirs=theirs: case.their_tokens(ids, theirs, tokens),
            "eager": lambda ids=ids, cache=cache: case.our_tokens(ids, cache, tokens),
            "compiled": lambda ids=ids, cache=cache: case.compiled_tokens(ids, cache, tokens),
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
    return Row(case.name, case.batch, length, f"{kind}, {case.experts}", seconds, (cache.nbytes, held), same)


def first_token(case: Case, length: int, rounds: int) -> tuple[float, float, str]:
    """Median seconds from a prompt to its first token: ours, theirs, and how they ran experts.

    For many tokens at once `batched_mm` copies the weights of every row, so the choice is between the other two.
    """
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    ids = torch.randint(3, case.ours.config.vocab_size, (case.batch, length))

    def theirs(experts: str) -> float:
        case.theirs.set_experts_implementation(experts)
        return timed(lambda: case.their_tokens(ids, None, 1))[0]

    generate(case.ours, ids, 1)
    best = case.best(PREFILL_EXPERTS, theirs)
    for _ in range(rounds):
        spent["ours"].append(timed(lambda: generate(case.ours, ids, 1))[0])
        spent["theirs"].append(theirs(best))
    return statistics.median(spent["ours"]), statistics.median(spent["theirs"]), best


def line(row: Row) -> str:
    """A row as it is printed."""
    columns = []
    for way in ("theirs", "eager", "compiled"):
        low, middle, high = (1000 * q for q in statistics.quantiles(row.seconds[way], n=4))
        columns.append(f"{middle:8.2f} {f'({low:.2f} - {high:.2f})':>17}")
    goal = GOALS.get((row.batch, row.context))
    verdict = "" if goal is None else f"goal {goal}: {'met' if row.ratio('compiled') >= goal else 'missed'}"
    ours, theirs = row.bytes
    return (
        f"{row.name:>5} {row.batch:5} {row.context:7}  {'  '.join(columns)} {row.ratio('eager'):7.1f}"
        f" {row.ratio('compiled'):9.1f}  {verdict:<16} {'yes' if row.same else 'no':>4}"
        f" {ours / 1e6:8.2f} {theirs / 1e6:8.2f}  {row.how}"
    )


HEADER = (
    f"{'model':>5} {'batch':>5} {'context':>7}  {'transformers, ms':^26}  {'ours, ms':^26}  {'compiled, ms':^26}"
    f" {'ratio':>7} {'compiled':>9}  {'':16} {'same':>4} {'MB ours':>8} {'theirs':>8}  their best"
)


def plot(rows: list[Row], path: str) -> None:
    """Ratio against context, one line for each model, batch and way."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, batch in dict.fromkeys((row.name, row.batch) for row in rows):
        mine = [row for row in rows if (row.name, row.batch) == (name, batch)]
        for way, style in (("compiled", "o-"), ("eager", "s:")):
            label = f"{'lab' if name == 'lab' else f'width {name}'}, batch {batch}, {way}"
            color = f"C{sorted({(r.name, r.batch) for r in rows}).index((name, batch))}"
            axes.plot([r.context for r in mine], [r.ratio(way) for r in mine], style, color=color, label=label)
    axes.set(xscale="log", yscale="log", xlabel="context, tokens", ylabel="times as fast as transformers' generate")
    contexts, ratios = sorted({row.context for row in rows}), [1, 2, 5, 10, 20, 50]
    axes.set_xticks(contexts, [str(n) if n < 1024 else f"{n // 1024}k" for n in contexts])
    axes.set_yticks(ratios, map(str, ratios))
    axes.minorticks_off()
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)


def on_a_gpu(length: int = 32768, batch: int = 16, repeats: int = 50) -> None:
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

    block = torch.empty(2**29, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(block)
    copy = 2 * block.nbytes / graph_seconds(lambda: target.copy_(block), repeats)
    read = cache.nbytes / graph_seconds(step, repeats)
    print(f"{torch.cuda.get_device_name()}: a copy moves {copy / 1e9:.0f} GB/s, MLA decode reads {read / 1e9:.0f} GB/s "
          f"of cache, {read / copy:.0%} (goal: 80 %)")  # fmt: skip


def graph_seconds(call, repeats: int) -> float:
    """Median seconds of a call captured as a CUDA graph."""
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
    return statistics.median(times)


@torch.inference_mode()
def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the lab's model alone, up to 1k tokens")
    parser.add_argument("--all", action="store_true", help="also 8 sequences of 16k tokens, and width 512")
    parser.add_argument("--plot", metavar="FILE", help="draw ratio against context")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    names = ["lab"] if options.quick else ["lab", "256", "512"] if options.all else ["lab", "256"]
    contexts = [128, 1024] if options.quick else [128, 1024, 4096, 16384]
    rounds, budget = (5, 1.5) if options.quick else (7, 4.0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {rounds} rounds, medians (quartiles)")
    rows, firsts = [], []
    print(HEADER)
    for name in names:
        for batch in (1, 8):
            case = Case(name, batch)
            for length in contexts:
                if batch * length > 8 * 4096 and not options.all:
                    print(f"{name:>5} {batch:5} {length:7}  left out: seconds per token there; --all measures it")
                    continue
                rows.append(measure(case, length, rounds, budget))
                print(line(rows[-1]), flush=True)
                if batch * length <= (8192 if not options.quick else 1024):
                    firsts.append((name, batch, length, *first_token(case, length, 9 if batch * length <= 2048 else 3)))
            print(f"      compiled in {case.step.seconds:.0f} s", flush=True)
    print("\nTime to the first token, ms: model, batch, prompt, ours, transformers, ratio, their best")
    for name, batch, length, ours, theirs, best in firsts:
        print(f"{name:>5} {batch:5} {length:7} {1000 * ours:9.1f} {1000 * theirs:9.1f} {theirs / ours:6.2f}  {best}")
    if options.plot:
        plot(rows, options.plot)
    if torch.cuda.is_available():
        on_a_gpu()


if __name__ == "__main__":
    main()
