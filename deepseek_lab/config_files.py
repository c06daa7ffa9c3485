"""Reading and writing an official `config.json`: both spellings that are about, DeepSeek's and transformers' 5."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from deepseek_lab.checks import is_number, is_whole, require
from deepseek_lab.config_fields import (
    ARCHITECTURES,
    FIELDS,
    HEAVY,
    HF_DEFAULTS,
    LAYER_TYPES,
    MLP_LAYER_TYPES,
    SLIDING,
    SPARSE,
    YarnScaling,
)

# Fields whose other values would change the model in ways that this package does not implement.
UNSUPPORTED_OTHERWISE = {"moe_layer_freq": 1, "mlp_bias": False}


def read_config(source) -> dict:
    """Our fields from a dict, a transformers config, or a folder that holds `config.json`. Raises `ValueError`."""
    raw = _as_dict(source)
    model_type = raw.get("model_type")
    known = isinstance(model_type, str) and model_type in FIELDS
    require(known, "model_type", model_type, " or ".join(FIELDS))
    require(raw.get("hidden_act", "silu") == "silu", "hidden_act", raw.get("hidden_act"), "silu")
    for field, only in UNSUPPORTED_OTHERWISE.items():
        value = raw.get(field)
        require(value is None or value == only, field, value, f"{only!r}, the only value supported")
    require(raw.get("n_routed_experts", 1) is not None, "n_routed_experts", None, "a number: dense is not supported")
    if model_type == "deepseek_v2":
        raw.pop("rope_interleave", None)  # V2's code always interleaves, whatever a file says
    fields = dict(HF_DEFAULTS[model_type])
    # `null` in a config.json means "as the model type has it", except where None itself has a meaning.
    optional = {"q_lora_rank", "bos_token_id", "eos_token_id"}
    fields |= {k: v for k, v in raw.items() if k in FIELDS[model_type] and (v is not None or k in optional)}
    if "num_mtp_layers" in raw:  # the name that transformers 5 gives to the official field
        fields["num_nextn_predict_layers"] = raw["num_mtp_layers"]
    kv_heads, heads = raw.get("num_key_value_heads"), raw.get("num_attention_heads")
    if model_type == "deepseek_v4":
        require(
            kv_heads in (None, 1), "num_key_value_heads", kv_heads, "1: all heads share one key, which is the value"
        )
        return fields | _compressed_fields(raw, fields)
    same = kv_heads is None or heads is None or kv_heads == heads
    require(same, "num_key_value_heads", kv_heads, f"{heads}, the number of heads: MLA has no groups")
    share = raw.get("partial_rotary_factor")
    require(share in (None, 1), "partial_rotary_factor", share, "1: all of qk_rope_head_dim is rotated")
    nested = [name for name in ("main", "compress") if name in _rope_of(raw)]
    require(not nested, "rope_parameters", nested, "one set of numbers: only deepseek_v4 has two")
    dense = raw.get("mlp_layer_types") if model_type == "deepseek_v32" else None
    if dense is not None:
        fields["first_k_dense_replace"] = _leading_dense(dense)
    rope = _rope_of(raw)
    share = rope.get("partial_rotary_factor")
    require(share in (None, 1), "partial_rotary_factor", share, "1: all of qk_rope_head_dim is rotated")
    fields["rope_theta"], fields["rope_scaling"] = _read_rope(rope, raw.get("rope_theta"))
    return fields


def write_config(config) -> dict:
    """The official `config.json`: `read_config` makes the same fields of it, and so does transformers.

    Raises `ValueError` for a V2 whose RoPE isn't interleaved.
    """
    kind = config.model_type
    never_read = kind == "deepseek_v2" and not config.rope_interleave
    require(not never_read, "rope_interleave", False, "true in deepseek_v2: its official code always interleaves")
    names = [field.name for field in dataclasses.fields(config) if field.name in FIELDS[kind]]
    raw = {name: getattr(config, name) for name in names}
    scaling = config.rope_scaling
    if scaling is not None:
        raw["rope_scaling"] = {"type": "yarn", **{k: v for k, v in vars(scaling).items() if v is not None}}
    heads = {"num_key_value_heads": 1 if kind == "deepseek_v4" else config.num_attention_heads}
    raw = {"architectures": [ARCHITECTURES[kind]], **raw, **heads, "hidden_act": "silu"}
    if kind != "deepseek_v4":
        return {**raw, "moe_layer_freq": 1}
    rates = {SPARSE: raw.pop("compress_rate_csa"), HEAVY: raw.pop("compress_rate_hca")}
    if scaling is not None and scaling.attention_factor is None:
        # transformers would put in 1.0; told by its own, nested spelling, it doesn't.
        raw["rope_parameters"] = _nested_rope(config, raw.pop("rope_scaling"))
    return {
        **raw,
        "layer_types": list(config.layer_types),
        "mlp_layer_types": list(config.mlp_layer_types),
        "compress_rates": rates,
        "compress_ratios": [config.compress_ratio(layer) for layer in range(config.num_hidden_layers)],
        "partial_rotary_factor": config.qk_rope_head_dim / config.head_dim,
    }


def _nested_rope(config, yarn: dict) -> dict:
    share = config.qk_rope_head_dim / config.head_dim
    main = {"rope_type": "default", "rope_theta": config.rope_theta, "partial_rotary_factor": share}
    yarn = {**yarn, "rope_type": "yarn", "rope_theta": config.compress_rope_theta, "partial_rotary_factor": share}
    return {"main": main, "compress": {k: v for k, v in yarn.items() if k != "type"}}


def _as_dict(source) -> dict:
    if isinstance(source, Mapping):
        return dict(source)
    if hasattr(source, "to_dict"):
        return source.to_dict()
    require(isinstance(source, (str, os.PathLike)), "config", source, "a dict, a config or a folder with config.json")
    path = Path(source)
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"config: got {str(source)!r}, but it takes a dict, a config or a folder with config.json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"config: {path} is not valid JSON ({error})") from error
    require(isinstance(raw, dict), "config", raw, f"a JSON object in {path}")
    return raw


def _rope_of(raw: Mapping) -> Mapping:
    for name in ("rope_scaling", "rope_parameters"):
        require(isinstance(raw.get(name) or {}, Mapping), name, raw.get(name), "an object or null")
    return raw.get("rope_scaling") or raw.get("rope_parameters") or {}  # transformers prefers them in this order


def _read_rope(rope: Mapping, theta: float | None, default: float = 10000.0) -> tuple[float, YarnScaling | None]:
    """(theta, YaRN or None) from the rotary settings; `theta` is what stands beside them."""
    theta = next(t for t in (rope.get("rope_theta"), theta, default) if t is not None)
    require(rope.get("truncate", True) is True, "rope_scaling.truncate", rope.get("truncate"), "true")
    kind = rope.get("rope_type", rope.get("type", "default"))
    require(kind in ("default", "yarn"), "rope_scaling.type", kind, "default or yarn")
    if kind == "default":
        return theta, None
    for name in ("factor", "original_max_position_embeddings"):
        require(rope.get(name) is not None, f"rope_scaling.{name}", rope.get(name), "a number when type is yarn")
    names = [field.name for field in dataclasses.fields(YarnScaling)]
    given = {name: rope[name] for name in names if rope.get(name) is not None}
    # Absent, both mean "not given", as in transformers: not the same as DeepSeek's own 1.0.
    return theta, YarnScaling(**{"mscale": 0.0, "mscale_all_dim": 0.0, **given})


def _leading_dense(kinds) -> int:
    """V3.2 in transformers' spelling: ["dense", "dense", "sparse", ...] -> 2."""
    listed = isinstance(kinds, (list, tuple)) and all(kind in ("dense", "sparse") for kind in kinds)
    count = list(kinds).count("dense") if listed else 0
    takes = "'dense' for the first layers and 'sparse' for all others"
    require(listed and "dense" not in kinds[count:], "mlp_layer_types", kinds, takes)
    return count


def _compressed_fields(raw: Mapping, fields: dict) -> dict:
    """What V4's files spell in two ways: the kinds of layers, the rates of compression, and the rotation."""
    rates = raw.get("compress_rates") or {}
    fits = isinstance(rates, Mapping) and set(rates) <= {SPARSE, HEAVY}
    require(fits, "compress_rates", rates, f"an object with {SPARSE} and {HEAVY}")
    layers = fields["num_hidden_layers"]
    require(is_whole(layers), "num_hidden_layers", layers, "a whole number of at least 1")
    made = {"layer_types": _layer_types(raw, layers), "mlp_layer_types": _mlp_layer_types(raw, layers)}
    for field, kind, usual in (("compress_rate_csa", SPARSE, 4), ("compress_rate_hca", HEAVY, 128)):
        given = (raw.get(field), rates.get(kind), usual)
        made[field] = next(rate for rate in given if rate is not None)
    fixed = {"n_shared_experts": 1, "norm_topk_prob": True, "attention_bias": False}
    for field, only in fixed.items():
        value = raw.get(field)
        require(value is None or value == only, field, value, f"{only!r}, the only value that V4's code knows")
    rope = _rope_of(raw)
    main, compress = rope.get("main"), rope.get("compress")
    if main is not None or compress is not None:  # transformers' spelling
        both = isinstance(main, Mapping) and isinstance(compress, Mapping)
        require(both, "rope_parameters", dict(rope), "two objects, main and compress")
        made["rope_theta"], plain = _read_rope(main, raw.get("rope_theta"))
        require(plain is None, "rope_parameters.main", dict(main), "plain RoPE: YaRN is for compressed layers only")
        shares = [share for share in (main.get("partial_rotary_factor"), compress.get("partial_rotary_factor"))]
        require(shares[0] == shares[1], "partial_rotary_factor", shares, "the same number in main and compress")
        share = shares[0]
    else:
        compress = {name: value for name, value in rope.items() if name not in ("rope_theta", "main", "compress")}
        compress.setdefault("attention_factor", 1.0)  # V4's code leaves cos and sin as they are
        share = None
    theta = raw.get("compress_rope_theta")
    made["compress_rope_theta"], made["rope_scaling"] = _read_rope(compress, theta, default=160000.0)
    share = raw.get("partial_rotary_factor") if share is None else share
    width, head_dim = raw.get("qk_rope_head_dim"), fields["head_dim"]
    if width is None or share is not None:
        share = 64 / 512 if share is None else share
        require(is_whole(head_dim) and head_dim >= 1, "head_dim", head_dim, "a whole number of at least 1")
        require(is_number(share), "partial_rotary_factor", share, "a number: qk_rope_head_dim / head_dim")
        given, width = width, int(head_dim * share)
        require(
            given in (None, width), "qk_rope_head_dim", given, f"{width}: partial_rotary_factor {share} of {head_dim}"
        )
    return made | {"qk_rope_head_dim": width}


def _layer_types(raw: Mapping, layers: int) -> tuple[str, ...]:
    types, ratios = raw.get("layer_types"), raw.get("compress_ratios")
    if types is None and ratios is not None:
        by_ratio = {0: SLIDING, 4: SPARSE, 128: HEAVY}
        known = isinstance(ratios, (list, tuple)) and all(is_whole(ratio) and ratio in by_ratio for ratio in ratios)
        require(known, "compress_ratios", ratios, "0, 4 or 128 for each layer; say other ones by layer_types")
        types = [by_ratio[ratio] for ratio in ratios]
    given = isinstance(types, (list, tuple)) and len(types) >= layers and all(isinstance(t, str) for t in types)
    # transformers would make up a schedule here, and no released model has that one.
    takes = f"one of {', '.join(LAYER_TYPES)} for each of the {layers} layers, or compress_ratios"
    require(given, "layer_types", types, takes)
    return tuple(types[:layers])


def _mlp_layer_types(raw: Mapping, layers: int) -> tuple[str, ...]:
    types, hashed = raw.get("mlp_layer_types"), raw.get("num_hash_layers")
    if types is None:
        hashed = 3 if hashed is None else hashed
        require(is_whole(hashed) and hashed >= 0, "num_hash_layers", hashed, "a whole number of at least 0")
        types = [MLP_LAYER_TYPES[0]] * hashed + [MLP_LAYER_TYPES[1]] * layers
    listed = isinstance(types, (list, tuple)) and all(isinstance(t, str) for t in types)
    require(listed, "mlp_layer_types", types, " or ".join(MLP_LAYER_TYPES))
    return tuple(types[:layers])
