"""How a model's tensors are called in an official checkpoint, and which fields of `config.json` shape them.

Up to V3.2 names are the same but for the routed experts: a file holds three matrices for each expert, a model two
stacks for all. V4's files have shorter names of their own (`V4`), and transformers writes some of them differently.
"""

import re

from torch import Tensor

from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.config_fields import FIELDS
from deepseek_lab.model.decoder import DeepSeekForCausalLM

# Ours, and what V4's official files have instead; the first that fits is taken, one after the other.
V4 = (
    (r"^model\.", ""),
    (r"^embed_tokens\.", "embed."),
    (r"^lm_head\.", "head."),
    (r"^hc_head\.hc_", "hc_head_"),
    (r"\.self_attn\.", ".attn."),
    (r"\.mlp\.", ".ffn."),
    (r"\.input_layernorm\.", ".attn_norm."),
    (r"\.post_attention_layernorm\.", ".ffn_norm."),
    (r"\.(attn|ffn)_hc\.", r".hc_\1_"),
    (r"\.gate\.e_score_correction_bias$", ".gate.bias"),
    (r"(experts\.(?:\d+\.)?)gate_proj\.", r"\1w1."),
    (r"(experts\.(?:\d+\.)?)up_proj\.", r"\1w3."),
    (r"(experts\.(?:\d+\.)?)down_proj\.", r"\1w2."),
    (r"\.attn\.norm\.", ".attn.kv_norm."),  # what transformers' save_pretrained makes of it
)

_HEADS, _QK = "num_attention_heads", "(qk_nope_head_dim + qk_rope_head_dim)"
# The end of a name, and what its rows and columns are.
SHAPES = {
    r"(embed_tokens|lm_head|shared_head\.head)\.weight": ("vocab_size", "hidden_size"),
    r"q_proj\.weight": (f"{_HEADS} * {_QK}", "hidden_size"),
    r"q_a_proj\.weight": ("q_lora_rank", "hidden_size"),
    r"q_a_layernorm\.weight": ("q_lora_rank",),
    r"q_b_proj\.weight": (f"{_HEADS} * {_QK}", "q_lora_rank"),
    r"kv_a_proj_with_mqa\.weight": ("kv_lora_rank + qk_rope_head_dim", "hidden_size"),
    r"kv_a_layernorm\.weight": ("kv_lora_rank",),
    r"kv_b_proj\.weight": (f"{_HEADS} * (qk_nope_head_dim + v_head_dim)", "kv_lora_rank"),
    r"o_proj\.weight": ("hidden_size", f"{_HEADS} * v_head_dim"),
    r"indexer\.wq_b\.weight": ("index_n_heads * index_head_dim", "q_lora_rank"),
    r"indexer\.wk\.weight": ("index_head_dim", "hidden_size"),
    r"indexer\.k_norm\.(weight|bias)": ("index_head_dim",),
    r"indexer\.weights_proj\.weight": ("index_n_heads", "hidden_size"),
    # V4
    r"(embed|^head)\.weight": ("vocab_size", "hidden_size"),
    r"attn\.wq_a\.weight": ("q_lora_rank", "hidden_size"),
    r"attn\.q_norm\.weight": ("q_lora_rank",),
    r"attn\.wq_b\.weight": (f"{_HEADS} * head_dim", "q_lora_rank"),
    r"attn\.wkv\.weight": ("head_dim", "hidden_size"),
    r"attn\.kv_norm\.weight": ("head_dim",),
    r"attn\.wo_a\.weight": ("o_groups * o_lora_rank", f"{_HEADS} * head_dim / o_groups"),
    r"attn\.wo_b\.weight": ("hidden_size", "o_groups * o_lora_rank"),
    r"attn\.attn_sink": (_HEADS,),
    r"indexer\.compressor\.(wkv|wgate)\.weight": ("2 * index_head_dim", "hidden_size"),
    r"indexer\.compressor\.ape": ("compress_rate_csa", "2 * index_head_dim"),
    r"indexer\.compressor\.norm\.weight": ("index_head_dim",),
    r"compressor\.(wkv|wgate)\.weight": ("head_dim, twice that in CSA", "hidden_size"),
    r"compressor\.ape": ("the layer's compress rate", "head_dim, twice that in CSA"),
    r"compressor\.norm\.weight": ("head_dim",),
    r"ffn\.gate\.weight": ("n_routed_experts", "hidden_size"),
    r"ffn\.gate\.bias": ("n_routed_experts",),
    r"gate\.tid2eid": ("vocab_size", "num_experts_per_tok"),
    r"experts\.(\d+\.)?w[13]\.weight": ("moe_intermediate_size", "hidden_size"),
    r"experts\.(\d+\.)?w2\.weight": ("hidden_size", "moe_intermediate_size"),
    r"hc_(attn|ffn)_fn": ("(2 + hc_mult) * hc_mult", "hc_mult * hidden_size"),
    r"hc_(attn|ffn)_base": ("(2 + hc_mult) * hc_mult",),
    r"hc_(attn|ffn)_scale": ("3",),
    r"hc_head_scale": ("1",),
    r"hc_head_fn": ("hc_mult", "hc_mult * hidden_size"),
    r"hc_head_base": ("hc_mult",),
    r"mlp\.gate\.weight": ("n_routed_experts", "hidden_size"),
    r"e_score_correction_bias": ("n_routed_experts",),
    r"mlp\.(gate|up)_proj\.weight": ("intermediate_size", "hidden_size"),
    r"mlp\.down_proj\.weight": ("hidden_size", "intermediate_size"),
    r"shared_experts\.(gate|up)_proj\.weight": ("n_shared_experts * moe_intermediate_size", "hidden_size"),
    r"shared_experts\.down_proj\.weight": ("hidden_size", "n_shared_experts * moe_intermediate_size"),
    r"experts\.\d+\.(gate|up)_proj\.weight": ("moe_intermediate_size", "hidden_size"),
    r"experts\.\d+\.down_proj\.weight": ("hidden_size", "moe_intermediate_size"),
    r"experts\.gate_up_proj": ("n_routed_experts", "2 * moe_intermediate_size", "hidden_size"),
    r"experts\.down_proj": ("n_routed_experts", "hidden_size", "moe_intermediate_size"),
    r"eh_proj\.weight": ("hidden_size", "2 * hidden_size"),
    r"\w*norm\.weight": ("hidden_size",),
}
# Part of a name, and the fields that say whether there is such a tensor.
PRESENCE = {
    r"tid2eid|ffn\.gate\.bias": ("mlp_layer_types",),
    r"\.attn\.(compressor|indexer)": ("layer_types",),
    r"self_attn\.indexer": ("model_type",),
    r"\.bias$": ("attention_bias",),
    r"lm_head": ("tie_word_embeddings",),
    r"e_score_correction_bias": ("model_type",),
    r"self_attn\.q_": ("q_lora_rank",),
    r"shared_experts": ("n_shared_experts", "first_k_dense_replace"),
    r"\.experts\.": ("n_routed_experts", "first_k_dense_replace"),
    r"\.mlp\.": ("first_k_dense_replace",),
    r"\.ffn\.": ("n_routed_experts",),
}


def layer_of(name: str) -> int | None:
    """The number of the layer that a tensor belongs to."""
    found = re.match(r"(?:model\.)?layers\.(\d+)\.", name)
    return int(found[1]) if found else None


def official_name(name: str, config: DeepSeekConfig) -> str:
    """The name in an official file of a tensor of ours, or of one that transformers wrote."""
    if config.model_type == "deepseek_v4":
        for ours, official in V4:
            name = re.sub(ours, official, name)
    return name


def unstack(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """A tensor of a model under its official names: a stack of experts as views of each expert's matrices."""
    before, _, stack = name.rpartition("experts.")
    parts = {}
    if stack == "down_proj":
        parts = {f"{before}experts.{e}.down_proj.weight": down for e, down in enumerate(tensor)}
    if stack == "gate_up_proj":
        for e, gate_up in enumerate(tensor):
            gate, up = gate_up.chunk(2)  # (2F, M) -> (F, M) each
            parts |= {f"{before}experts.{e}.gate_proj.weight": gate, f"{before}experts.{e}.up_proj.weight": up}
    return parts or {name: tensor}


def official_tensors(model: DeepSeekForCausalLM) -> dict[str, Tensor]:
    """Official name -> tensor or view: each parameter and buffer of the model once."""
    state = model.state_dict()
    if model.config.tie_word_embeddings:
        del state["lm_head.weight"]
    parts = (part for name, tensor in state.items() for part in unstack(name, tensor).items())
    return {official_name(name, model.config): part for name, part in parts}


def stacked_tensors(model: DeepSeekForCausalLM) -> dict[str, Tensor]:
    """The stacks of experts, under the names that the model and transformers give them in memory."""
    stacks = {name: tensor for name, tensor in model.state_dict().items() if unstack(name, tensor).keys() != {name}}
    return {official_name(name, model.config): tensor for name, tensor in stacks.items()}


def unstacked_names(name: str, tensor: Tensor, config: DeepSeekConfig) -> list[str]:
    """The official names of the matrices in a stack that a file holds under `name`."""
    return [official_name(part, config) for part in unstack(name, tensor)]


def copied_tensors(model: DeepSeekForCausalLM) -> dict[str, Tensor]:
    """What official files store again beside each multi-token prediction module: the model's embedding and head."""
    first, count = model.config.num_hidden_layers, len(model.mtp_modules)
    return {
        f"model.layers.{first + i}.{name}": tensor.detach()
        for i in range(count)
        for name, tensor in (
            ("embed_tokens.weight", model.model.embed_tokens.weight),
            ("shared_head.head.weight", model.lm_head.weight),
        )
    }


def shape_in_words(name: str) -> str:
    """The shape of a tensor in the fields of `config.json`, as "(vocab_size, hidden_size)"."""
    weight = re.sub(r"\.bias$", ".weight", name)
    fields = next((fields for end, fields in SHAPES.items() if re.search(rf"(^|\.){end}$", weight)), ())
    return f"({', '.join(fields[:1] if weight != name else fields)})"


def deciding_fields(name: str, config: DeepSeekConfig, whole_layer: bool) -> str:
    """The fields of `config.json` that say whether this tensor exists, with their values."""
    layer = layer_of(name)
    if whole_layer or (layer is not None and layer >= config.num_hidden_layers):
        fields = ("num_hidden_layers", "num_nextn_predict_layers")
    else:
        fields = next((fields for part, fields in PRESENCE.items() if re.search(part, name)), ("model_type",))
    fields = [field for field in fields if getattr(config, field) is not None or field in FIELDS[config.model_type]]
    values = [getattr(config, field) for field in fields]
    of_layer = [value[layer] if isinstance(value, tuple) and layer is not None else value for value in values]
    return ", ".join(f"{field} {value}" for field, value in zip(fields, of_layer, strict=True))
