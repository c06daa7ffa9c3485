"""What a model weighs and costs, from its config alone: parameters, operations per token, bytes of cache.

Every count is checked against models on the meta device, ours and transformers' (`tests/test_accounting.py`). A
parameter is a trained number; the routers' correction biases are buffers and not counted, as in DeepSeek's figures.
"""

from dataclasses import dataclass, replace

from deepseek_lab.attention.cache_size import cache_bytes as bytes_of
from deepseek_lab.attention.cache_size import latent_elements
from deepseek_lab.attention.latent import attention_flops
from deepseek_lab.config import DeepSeekConfig, is_whole, require
from deepseek_lab.config_fields import SLIDING, SPARSE


@dataclass(frozen=True)
class Part:
    """One matrix of a block, or several alike."""

    name: str  # as in the checkpoint, where it has one name there
    parameters: int
    activated: int  # of them, used for one token
    formula: str  # in the fields of config.json
    multiplies: bool = True  # False for norms and look-ups: no matrix product


@dataclass(frozen=True)
class Block:
    """A piece of the model, in the order in which a token passes through: its parts, and what it caches."""

    name: str
    kind: str  # embedding, dense, moe, norm, head or mtp
    parts: tuple[Part, ...]
    cached: float = 0  # numbers per token; with V4's entries, which stand for several tokens, not a whole number

    @property
    def parameters(self) -> int:
        """Trained numbers."""
        return sum(part.parameters for part in self.parts)

    @property
    def activated(self) -> int:
        """Trained numbers used for one token."""
        return sum(part.activated for part in self.parts)

    @property
    def products(self) -> int:
        """Activated weights of matrix products: each costs two operations per token."""
        return sum(part.activated for part in self.parts if part.multiplies)


def anatomy(config: DeepSeekConfig, mtp: bool = False) -> list[Block]:
    """The model, block by block. With `mtp`, its multi-token prediction modules come last.

    Raises `ValueError` for V4's, which it has none of.
    """
    vocabulary = _part(config, "embed_tokens", "vocab_size", "hidden_size", multiplies=False)
    blocks = [Block("embedding", "embedding", (vocabulary,))]
    blocks += [_decoder_block(config, layer) for layer in range(config.num_hidden_layers)]
    if config.hc_mult is not None:
        blocks.append(Block("streams to one", "norm", (_streams(config, "hc_head", "hc_mult", scales=1),)))
    blocks.append(Block("norm", "norm", (_norm(config, "norm"),)))
    head = _part(config, "lm_head", "vocab_size", "hidden_size")
    if config.tie_word_embeddings:  # it is the embedding, used a second time
        head = Part(head.name, 0, 0, "the embedding's own", multiplies=True)
    blocks.append(Block("head", "head", (head,)))
    if mtp:
        v4 = config.model_type == "deepseek_v4"
        require(not v4, "mtp", True, "False: V4's prediction modules are not part of this package")
        blocks += [_mtp_block(config, number) for number in range(config.num_nextn_predict_layers)]
    return blocks


def parameters(config: DeepSeekConfig, mtp: bool = False) -> int:
    """All of the model's parameters: 671,026,404,352 for V3. With `mtp`, the prediction modules' own as well."""
    return sum(block.parameters for block in anatomy(config, mtp))


def activated_parameters(config: DeepSeekConfig, embedding: bool = True) -> int:
    """The parameters that one token uses, with or without the input embedding, which is looked up, not multiplied.

    V3: 37.55 billion, or 36.63 without. Of a tied embedding the head's product counts, whatever `embedding` says.
    """
    blocks = anatomy(config)
    total = sum(block.activated for block in blocks)
    return total if embedding or config.tie_word_embeddings else total - blocks[0].activated


def mtp_parameters(config: DeepSeekConfig, activated: bool = False, projection: bool = True) -> int:
    """The prediction modules' parameters, or those that a token uses. Embedding and head are the model's. Not V4's.

    DeepSeek's README_WEIGHTS says 11.5 billion for V3: that is without `eh_proj`, which `projection` counts.
    """
    blocks = [block for block in anatomy(config, mtp=True) if block.kind == "mtp"]
    parts = [part for block in blocks for part in block.parts if projection or part.name != "eh_proj"]
    return sum(part.activated if activated else part.parameters for part in parts)


def _product_flops(config: DeepSeekConfig) -> int:
    """Operations of one token's products with weights, but for kv_b: attention counts that."""
    takes = "deepseek_v2 or deepseek_v3: what a query costs where it reads a choice of tokens is not counted here"
    require(config.model_type in ("deepseek_v2", "deepseek_v3"), "model_type", config.model_type, takes)
    weights = sum(block.products for block in anatomy(config))
    if config.tie_word_embeddings:
        weights += config.vocab_size * config.hidden_size  # the head multiplies with the embedding
    up = config.num_attention_heads * (config.qk_nope_head_dim + config.v_head_dim) * config.kv_lora_rank
    return 2 * (weights - config.num_hidden_layers * up)


def prefill_flops(config: DeepSeekConfig, tokens: int) -> float:
    """Operations per token of reading a prompt of `tokens` tokens, each looking back only: the mean over them.

    A multiply-add is two. Norms, softmax, SiLU and RoPE are left out. Attention in its expanded form, as for training.
    """
    _require_tokens(tokens)
    whole = attention_flops(config, tokens, tokens, absorb=False)
    per_pair = 2 * config.num_attention_heads * (config.qk_head_dim + config.v_head_dim)
    unseen = per_pair * tokens * (tokens - 1) // 2  # pairs with a later token
    return _product_flops(config) + config.num_hidden_layers * (whole - unseen) / tokens


def decode_flops(config: DeepSeekConfig, context: int, absorb: bool = True) -> int:
    """Operations of writing one token when `context` tokens are there, itself among them.

    The absorbed form works on the latents; the other makes all keys and values from them again.
    """
    _require_tokens(context)
    return _product_flops(config) + config.num_hidden_layers * attention_flops(config, 1, context, absorb)


def training_flops(config: DeepSeekConfig, tokens: int) -> float:
    """Operations per token of a training step on sequences of `tokens` tokens: forward, and twice that backward."""
    return 3 * prefill_flops(config, tokens)


def cache_bytes(config: DeepSeekConfig, tokens: int, batch_size: int = 1, bits: int = 16) -> int:
    """Bytes of the cache for `tokens` tokens of each of `batch_size` sequences. In V4 without what windows hold."""
    per_token = sum(block.cached for block in anatomy(config))
    return bytes_of(per_token, 1, tokens, bits, batch_size)


def _require_tokens(tokens: int) -> None:
    require(is_whole(tokens) and tokens >= 1, "tokens", tokens, "a whole number of at least 1")


def _part(config: DeepSeekConfig, name: str, *factors: str | int, used: str = "", multiplies: bool = True) -> Part:
    """A part whose count is a product of config fields, sums of them ("a + b") and numbers.

    `used` is the factor that stands in for the last one where a token uses a share only.
    """
    values = [_value(config, factor) for factor in factors]
    total = _product(values)
    active = _product([*values[:-1], _value(config, used)]) if used else total
    words = " x ".join(f"({f})" if "+" in str(f) else str(f) for f in factors)
    numbers = " x ".join(f"{value:,}" for value in values)
    formula = f"{words} = {numbers} = {total:,}" if len(factors) > 1 else f"{words} = {total:,}"
    return Part(name, total, active, formula, multiplies)


def _value(config: DeepSeekConfig, factor: str | int) -> int:
    if isinstance(factor, int):
        return factor
    return sum(getattr(config, field) for field in factor.split(" + "))


def _product(values: list[int]) -> int:
    result = 1
    for value in values:
        result *= value
    return result


def _norm(config: DeepSeekConfig, name: str, field: str = "hidden_size") -> Part:
    return _part(config, name, field, multiplies=False)


def _attention(config: DeepSeekConfig) -> list[Part]:
    def part(name: str, *factors: str | int) -> Part:
        return _part(config, f"self_attn.{name}", *factors)

    heads, per_query = "num_attention_heads", "qk_nope_head_dim + qk_rope_head_dim"
    if config.q_lora_rank is None:
        queries = [part("q_proj", "hidden_size", heads, per_query)]
    else:
        queries = [
            part("q_a_proj", "hidden_size", "q_lora_rank"),
            _norm(config, "self_attn.q_a_layernorm", "q_lora_rank"),
            part("q_b_proj", "q_lora_rank", heads, per_query),
        ]
    parts = [
        *queries,
        part("kv_a_proj_with_mqa", "hidden_size", "kv_lora_rank + qk_rope_head_dim"),
        _norm(config, "self_attn.kv_a_layernorm", "kv_lora_rank"),
        part("kv_b_proj", "kv_lora_rank", heads, "qk_nope_head_dim + v_head_dim"),
        part("o_proj", heads, "v_head_dim", "hidden_size"),
    ]
    if config.attention_bias:  # of the projections from and to the model's width
        biased = [("kv_a_proj_with_mqa.bias", "kv_lora_rank + qk_rope_head_dim"), ("o_proj.bias", "hidden_size")]
        if config.q_lora_rank is not None:
            biased.insert(0, ("q_a_proj.bias", "q_lora_rank"))
        parts += [_norm(config, f"self_attn.{name}", field) for name, field in biased]
    if config.model_type == "deepseek_v32":
        parts += [
            part("indexer.wq_b", "q_lora_rank", "index_n_heads", "index_head_dim"),
            part("indexer.wk", "hidden_size", "index_head_dim"),
            _part(config, "self_attn.indexer.k_norm", 2, "index_head_dim", multiplies=False),
            part("indexer.weights_proj", "hidden_size", "index_n_heads"),
        ]
    return parts


def _compressed_attention(config: DeepSeekConfig, layer: int) -> list[Part]:
    """V4's, under the names of its checkpoints."""

    def part(name: str, *factors: str | int, multiplies: bool = True) -> Part:
        return _part(config, f"attn.{name}", *factors, multiplies=multiplies)

    def compressor(name: str, width: str, ratio: int) -> list[Part]:
        lap = 2 if kind == SPARSE else 1
        return [
            part(f"{name}.wkv", lap, "hidden_size", width),
            part(f"{name}.wgate", lap, "hidden_size", width),
            part(f"{name}.ape", lap, ratio, width, multiplies=False),
            part(f"{name}.norm", width, multiplies=False),
        ]

    kind, ratio = config.layer_types[layer], config.compress_ratio(layer)
    parts = [
        part("wq_a", "hidden_size", "q_lora_rank"),
        part("q_norm", "q_lora_rank", multiplies=False),
        part("wq_b", "q_lora_rank", "num_attention_heads", "head_dim"),
        part("wkv", "hidden_size", "head_dim"),
        part("kv_norm", "head_dim", multiplies=False),
        part("attn_sink", "num_attention_heads", multiplies=False),
        part("wo_a", "num_attention_heads", "head_dim", "o_lora_rank"),
        part("wo_b", "o_groups", "o_lora_rank", "hidden_size"),
    ]
    if kind != SLIDING:
        parts += compressor("compressor", "head_dim", ratio)
    if kind == SPARSE:
        parts += [
            part("indexer.wq_b", "q_lora_rank", "index_n_heads", "index_head_dim"),
            part("indexer.weights_proj", "hidden_size", "index_n_heads"),
            *compressor("indexer.compressor", "index_head_dim", ratio),
        ]
    return parts


def _streams(config: DeepSeekConfig, name: str, weights: str, scales: int) -> Part:
    """Hyper-connections: one matrix from all streams to the weights, an offset for each weight, and a few scales."""
    n, hidden = config.hc_mult, config.hidden_size
    rows = {"hc_mult": n, "(2 + hc_mult) hc_mult": (2 + n) * n}[weights]
    total = rows * (n * hidden + 1) + scales
    formula = (
        f"{weights} x (hc_mult x hidden_size + 1) + {scales} = {rows:,} x {n * hidden + 1:,} + {scales} = {total:,}"
    )
    return Part(name, total, total, formula)


def _cached(config: DeepSeekConfig, layer: int) -> float:
    """Numbers that this layer keeps for a token, in the long run."""
    if config.model_type != "deepseek_v4":
        latent = latent_elements(config.kv_lora_rank, config.qk_rope_head_dim)
        return latent + (config.index_head_dim if config.model_type == "deepseek_v32" else 0)
    kind, ratio = config.layer_types[layer], config.compress_ratio(layer)
    width = config.head_dim + (config.index_head_dim if kind == SPARSE else 0)
    return 0 if kind == SLIDING else width / ratio


def _experts(config: DeepSeekConfig) -> list[Part]:
    expert = (3, "hidden_size", "moe_intermediate_size")
    shared = [_part(config, "mlp.shared_experts", *expert, "n_shared_experts")] if config.n_shared_experts else []
    return [
        _part(config, "mlp.gate", "hidden_size", "n_routed_experts"),
        *shared,
        _part(config, "mlp.experts", *expert, "n_routed_experts", used="num_experts_per_tok"),
    ]


def _decoder_block(config: DeepSeekConfig, layer: int, dense: bool | None = None) -> Block:
    if config.model_type == "deepseek_v4":
        return _stream_block(config, layer)
    dense = layer < config.first_k_dense_replace if dense is None else dense
    feed_forward = [_part(config, "mlp", 3, "hidden_size", "intermediate_size")] if dense else _experts(config)
    norms = [_norm(config, name) for name in ("input_layernorm", "post_attention_layernorm")]
    parts = (norms[0], *_attention(config), norms[1], *feed_forward)
    return Block(f"layer {layer}", "dense" if dense else "moe", parts, _cached(config, layer))


def _stream_block(config: DeepSeekConfig, layer: int) -> Block:
    norms = [_norm(config, name) for name in ("attn_norm", "ffn_norm")]
    wiring = [_streams(config, name, "(2 + hc_mult) hc_mult", scales=3) for name in ("hc_attn", "hc_ffn")]
    experts = [replace(part, name=part.name.replace("mlp.", "ffn.")) for part in _experts(config)]
    parts = (wiring[0], norms[0], *_compressed_attention(config, layer), wiring[1], norms[1], *experts)
    return Block(f"layer {layer}", "moe", parts, _cached(config, layer))


def _mtp_block(config: DeepSeekConfig, number: int) -> Block:
    block = _decoder_block(config, config.num_hidden_layers + number, dense=False)
    own = (
        _norm(config, "enorm"),
        _norm(config, "hnorm"),
        _part(config, "eh_proj", 2, "hidden_size", "hidden_size"),
        *block.parts,
        _norm(config, "shared_head.norm"),
    )
    return Block(f"prediction module {number + 1}", "mtp", own, block.cached)
