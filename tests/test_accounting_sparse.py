"""V3.2 and V4, counted from their configs: parameters part by part, and what their caches hold."""

import pytest
import torch
from helpers.v4 import V4
from helpers.v32 import V32
from hypothesis import given
from hypothesis import strategies as st
from transformers import DeepseekV4ForCausalLM, DeepseekV32ForCausalLM

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.config_fields import HEAVY, LAYER_TYPES, MLP_LAYER_TYPES, SLIDING, SPARSE
from deepseek_lab.model.accounting import anatomy, cache_bytes, decode_flops, parameters
from deepseek_lab.model.checkpoint_names import official_name

MILLION = 2**20  # tokens


def on_meta(config: DeepSeekConfig) -> DeepSeekForCausalLM:
    with torch.device("meta"):
        return DeepSeekForCausalLM(config)


@pytest.mark.parametrize(
    ("name", "count"), [("v3.2", 671_877_929_216), ("v4-flash", 284_332_230_231), ("v4-pro", 1_572_997_179_491)]
)
def test_released_models(name, count):
    """671.878, 284.332 and 1572.997 billion: the config, our model and transformers' say the same."""
    config = DeepSeekConfig.preset(name)
    assert parameters(config) == count == sum(p.numel() for p in on_meta(config).parameters())
    kind = DeepseekV32ForCausalLM if name == "v3.2" else DeepseekV4ForCausalLM
    with torch.device("meta"):
        theirs = kind(kind.config_class(**config.to_hf()))
    assert sum(p.numel() for p in theirs.parameters()) == count


def test_released_schedules():
    flash, pro = DeepSeekConfig.preset("v4-flash"), DeepSeekConfig.preset("v4-pro")
    counts = {kind: (flash.layer_types.count(kind), pro.layer_types.count(kind)) for kind in LAYER_TYPES}
    assert counts == {SLIDING: (2, 0), SPARSE: (21, 30), HEAVY: (20, 31)}
    assert flash.layer_types[:4] == (SLIDING, SLIDING, SPARSE, HEAVY) and flash.layer_types[-1] == SPARSE
    assert pro.layer_types[:4] == (HEAVY, HEAVY, SPARSE, HEAVY) and pro.layer_types[-1] == SPARSE
    by_default = type(DeepseekV4ForCausalLM.config_class())(num_hidden_layers=61).layer_types
    assert (by_default.count(SPARSE), by_default.count(HEAVY)) == (29, 32), "transformers' default is another schedule"


@pytest.mark.parametrize("name", ["v3.2", "v4-flash", "v4-pro"])
def test_part_by_part(name):
    config = DeepSeekConfig.preset(name)
    model = on_meta(config)
    blocks = [block for block in anatomy(config) if block.name.startswith("layer")]
    for layer, (block, module) in enumerate(zip(blocks, model.blocks, strict=True)):
        assert block.parameters == sum(p.numel() for p in module.parameters()), block.name
        prefix = official_name(f"model.layers.{layer}.", config)
        named = {official_name(f"model.layers.{layer}.{n}", config).removeprefix(prefix): p.numel()
                 for n, p in module.named_parameters()}  # fmt: skip
        for part in block.parts:
            own = [
                size for n, size in named.items() if n == part.name or n.startswith((f"{part.name}.", f"{part.name}_"))
            ]
            assert part.parameters == sum(own), (block.name, part.name)


@given(data=st.data())
def test_any_config_weighs_what_its_model_weighs(data):
    layers = data.draw(st.integers(1, 4))
    hf = data.draw(st.sampled_from([
        lambda: V32(data.draw),
        lambda: V4(data.draw, layer_types=[data.draw(st.sampled_from(LAYER_TYPES)) for _ in range(layers)],
                   mlp_layer_types=[data.draw(st.sampled_from(MLP_LAYER_TYPES)) for _ in range(layers)],
                   vocab_size=20, moe_intermediate_size=6, n_routed_experts=5, num_experts_per_tok=2,
                   hc_mult=data.draw(st.integers(1, 4))),
    ]))()  # fmt: skip
    config = DeepSeekConfig.from_hf(hf)
    model = on_meta(config)
    assert parameters(config) == sum(p.numel() for p in model.parameters())
    cached = sum(block.cached for block in anatomy(config))
    assert cached == pytest.approx(model.new_cache(1, 8).elements_per_token)


def test_a_million_tokens():
    """V4-Pro's cache against V3.2's in bf16: 9.62 against 83.875 GiB, and the caches themselves hold that."""
    pro, v32 = DeepSeekConfig.preset("v4-pro"), DeepSeekConfig.preset("v3.2")
    gib = {name: cache_bytes(config, MILLION) / 2**30 for name, config in (("pro", pro), ("v3.2", v32))}
    assert gib["v3.2"] == 83.875 and gib["pro"] == pytest.approx(9.62, abs=0.005)
    assert gib["v3.2"] / gib["pro"] == pytest.approx(8.7, abs=0.05)
    for config in (pro, v32):
        with torch.device("meta"):
            cache = DeepSeekForCausalLM(config).bfloat16().new_cache(1, MILLION)
        windows = cache.nbytes - cache_bytes(config, MILLION)
        assert 0 <= windows < 20e6  # bytes that don't grow


def test_operations_are_counted_for_mla_only():
    with pytest.raises(ValueError, match="model_type"):
        decode_flops(DeepSeekConfig.preset("v4-flash"), 100)
    with pytest.raises(ValueError, match="mtp"):
        anatomy(DeepSeekConfig.preset("v4-pro"), mtp=True)
