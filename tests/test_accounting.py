"""Parameters, operations, bytes and cost from a config alone, against models that we and others built of it."""

from functools import partial
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.attention import latent
from deepseek_lab.model.accounting import (
    activated_parameters,
    anatomy,
    cache_bytes,
    decode_flops,
    mtp_parameters,
    parameters,
    prefill_flops,
    training_flops,
)
from deepseek_lab.model.training_cost import TrainingCost
from deepseek_lab.moe import TopKRouter

PRESETS = ("v2-lite", "v2", "v3", "lab")


def on_meta(config: DeepSeekConfig, mtp: bool = False) -> DeepSeekForCausalLM:
    with torch.device("meta"):
        return DeepSeekForCausalLM(config, mtp)


@st.composite
def configs(draw):
    kind = draw(st.sampled_from(["deepseek_v2", "deepseek_v3"]))
    groups = draw(st.sampled_from([1, 2]))
    v2 = dict(topk_method="greedy", scoring_func="softmax", norm_topk_prob=False) if kind == "deepseek_v2" else {}
    return DeepSeekConfig(
        model_type=kind,
        vocab_size=draw(st.integers(5, 40)),
        hidden_size=draw(st.integers(4, 24)),
        num_hidden_layers=draw(st.integers(1, 4)),
        num_attention_heads=draw(st.integers(1, 4)),
        q_lora_rank=draw(st.sampled_from([None, 5, 8])),
        kv_lora_rank=draw(st.integers(3, 9)),
        qk_nope_head_dim=draw(st.integers(2, 8)),  # einsum multiplies a width of 1 in a way that isn't counted
        qk_rope_head_dim=2 * draw(st.integers(1, 4)),
        v_head_dim=draw(st.integers(2, 8)),
        attention_bias=draw(st.booleans()),
        intermediate_size=draw(st.integers(3, 20)),
        moe_intermediate_size=draw(st.integers(2, 9)),
        first_k_dense_replace=draw(st.integers(0, 5)),
        n_routed_experts=groups * draw(st.integers(2, 4)),
        num_experts_per_tok=draw(st.integers(1, 2)),
        n_shared_experts=draw(st.integers(0 if kind == "deepseek_v3" else 1, 3)),
        n_group=groups,
        topk_group=1,
        tie_word_embeddings=draw(st.booleans()),
        num_nextn_predict_layers=draw(st.integers(0, 2)),
        rope_scaling=None,
        **v2,
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_block_by_block(name):
    config = DeepSeekConfig.preset(name)
    model = on_meta(config, mtp=True)
    modules = [model.model.embed_tokens, *model.blocks, model.model.norm, model.lm_head, *model.mtp_modules]
    for block, module in zip(anatomy(config, mtp=True), modules, strict=True):
        assert block.parameters == sum(p.numel() for p in module.parameters()), block.name
        for part in block.parts:
            own = [p.numel() for n, p in module.named_parameters() if n.startswith(f"{part.name}.")]
            mine = [p.numel() for n, p in module.named_parameters() if n in (part.name, f"{part.name}.weight")]
            assert part.parameters == sum(own or mine) or block.kind in ("embedding", "norm", "head"), part.name


def test_headline_numbers():
    """FACTS of the reports: 671B and 37B, 236B and 21B, 15.7B and 2.4B; the prediction module's 11.5B."""
    v3, v2, lite = (DeepSeekConfig.preset(name) for name in ("v3", "v2", "v2-lite"))
    assert parameters(v3) == 671_026_404_352
    assert parameters(v2) == pytest.approx(235.741e9, abs=1e6) and parameters(lite) == pytest.approx(15.706e9, abs=1e6)
    billions = {c: tuple(round(activated_parameters(c, e) / 1e9, 2) for e in (True, False)) for c in (v3, v2, lite)}
    assert billions == {v3: (37.55, 36.63), v2: (21.38, 20.85), lite: (2.66, 2.45)}
    assert round(mtp_parameters(v3) / 1e9, 2) == 11.61 and round(mtp_parameters(v3, projection=False) / 1e9, 2) == 11.51
    copies = 2 * v3.vocab_size * v3.hidden_size  # README_WEIGHTS counts embedding and head among the activated 2.4B
    assert round((mtp_parameters(v3, activated=True) + copies) / 1e9, 2) == 2.54
    assert round((mtp_parameters(v3, activated=True, projection=False) + copies) / 1e9, 2) == 2.44


def test_cost_of_the_final_run():
    cost = TrainingCost()
    assert cost.pretraining == pytest.approx(2_664_000) and cost.hours == pytest.approx(2_788_000)
    assert cost.dollars() == pytest.approx(5_576_000) and cost.days() == pytest.approx(54.2, abs=0.1)
    assert cost.flops_per_gpu(6 * 37e9) == pytest.approx(342.6e12, rel=1e-3)


def test_biases_of_the_routers_are_not_counted():
    """They are buffers: V3 has one for each of 58 x 256 experts."""
    model = on_meta(DeepSeekConfig.preset("v3"))
    assert sum(b.numel() for name, b in model.named_buffers() if "e_score_correction_bias" in name) == 14_848


@given(config=configs())
def test_any_config_weighs_what_its_model_weighs(config):
    model = on_meta(config, mtp=True)
    modules = {id(p) for module in model.mtp_modules for p in module.parameters()}
    assert parameters(config) == sum(p.numel() for p in model.parameters() if id(p) not in modules)
    assert mtp_parameters(config) == sum(p.numel() for module in model.mtp_modules for p in module.parameters())
    assert parameters(config, mtp=True) == sum(p.numel() for p in model.parameters())


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")  # without shared experts, theirs is 0 wide
@given(config=configs())
def test_any_config_weighs_what_transformers_builds(config):
    v2 = config.model_type == "deepseek_v2"
    kind, official = (DeepseekV2Config, DeepseekV2ForCausalLM) if v2 else (DeepseekV3Config, DeepseekV3ForCausalLM)
    config = config.replace(hidden_size=config.hidden_size * config.num_attention_heads)  # theirs must be a multiple
    with torch.device("meta"):
        theirs = official(kind(**config.to_hf()))
    assert parameters(config) == sum(p.numel() for p in theirs.parameters())


def in_form(config: DeepSeekConfig, absorb: bool) -> DeepSeekForCausalLM:
    """A model whose attention always takes this form."""
    model = DeepSeekForCausalLM(config)
    for block in model.blocks:
        block.self_attn.forward = partial(block.self_attn.forward, absorb=absorb)
    return model


def used_weights(model: DeepSeekForCausalLM) -> int:
    """Numbers of all weights that one token touches, counted by hooks and by the router's choice."""
    seen: dict[int, int] = {}

    def remember(module, args, output):
        if isinstance(module, TopKRouter):
            seen[id(module)] = module.weight.numel()
        elif type(module).__name__ == "Experts":
            rows = args[1].numel()
            stacks = (module.gate_up_proj, module.down_proj)
            seen[id(module)] = sum(rows * stack[0].numel() for stack in stacks)
        else:
            for parameter in module.parameters(recurse=False):
                seen[id(parameter)] = parameter.numel()

    hooks = [module.register_forward_hook(remember) for module in model.modules()]
    model(torch.tensor([[1]]))
    for hook in hooks:
        hook.remove()
    return sum(seen.values())


@given(config=configs())
def test_activated_parameters_are_those_that_a_token_touches(config):
    assert activated_parameters(config) == used_weights(in_form(config, absorb=False))
    without = 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
    assert activated_parameters(config, embedding=False) == activated_parameters(config) - without


def counted(run) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops()


@given(config=configs(), context=st.integers(1, 12))
def test_decoding_costs_what_is_counted_while_it_runs(config, context):
    """Absorbed: all of it is plain products, which PyTorch counts."""
    model = in_form(config, absorb=True)
    cache = model.new_cache(1, context)
    if context > 1:
        model(torch.ones(1, context - 1, dtype=torch.long), cache=cache)
    assert decode_flops(config, context) == counted(lambda: model(torch.tensor([[1]]), cache=cache))


@given(config=configs(), context=st.integers(1, 12))
def test_decoding_expanded_costs_what_is_counted(config, context):
    """One query looks at every token there is, so PyTorch's count of its scores leaves nothing to take off."""
    model = in_form(config, absorb=False)
    cache = model.new_cache(1, context)
    with patch.object(latent, "attend_fast", lambda q, k, v, scale, mask: (q @ k.mT).softmax(dim=-1) @ v):
        if context > 1:
            model(torch.ones(1, context - 1, dtype=torch.long), cache=cache)
        whole = counted(lambda: model(torch.tensor([[1]]), cache=cache))
    assert decode_flops(config, context, absorb=False) == whole


@given(config=configs(), tokens=st.integers(1, 12))
def test_reading_costs_what_is_counted_less_what_is_not_seen(config, tokens):
    """PyTorch counts the whole square of scores; a token looks at about half of it."""
    model, ids = in_form(config, absorb=False), torch.ones(1, tokens, dtype=torch.long)
    with patch.object(latent, "attend_fast", lambda q, k, v, scale, mask: (q @ k.mT).softmax(dim=-1) @ v):
        whole = counted(lambda: model(ids))
    pairs = tokens * (tokens - 1) // 2 * config.num_hidden_layers
    unseen = 2 * config.num_attention_heads * (config.qk_head_dim + config.v_head_dim) * pairs
    assert prefill_flops(config, tokens) * tokens == pytest.approx(whole - unseen)
    assert training_flops(config, tokens) == 3 * prefill_flops(config, tokens)


@pytest.mark.parametrize("name", PRESETS)
def test_cache_bytes_are_those_of_a_cache(name):
    config = DeepSeekConfig.preset(name)
    model = on_meta(config).bfloat16()
    assert cache_bytes(config, 100, batch_size=3) == model.new_cache(3, 100).nbytes
    assert sum(block.cached for block in anatomy(config)) == model.new_cache(1, 1).elements_per_token


def test_formulas_say_what_is_counted():
    (moe,) = [block for block in anatomy(DeepSeekConfig.preset("v3")) if block.name == "layer 60"]
    (experts,) = [part for part in moe.parts if part.name == "mlp.experts"]
    assert experts.formula == (
        "3 x hidden_size x moe_intermediate_size x n_routed_experts = 3 x 7,168 x 2,048 x 256 = 11,274,289,152"
    )
    (query,) = [part for part in moe.parts if part.name == "self_attn.q_b_proj"]
    assert query.formula.startswith("q_lora_rank x num_attention_heads x (qk_nope_head_dim + qk_rope_head_dim) = 1,536")


@pytest.mark.parametrize("count", [prefill_flops, decode_flops, training_flops])
@pytest.mark.parametrize("tokens", [0, -1, 1.5, True])
def test_nonsense_is_refused(count, tokens):
    with pytest.raises(ValueError, match="tokens: got"):
        count(DeepSeekConfig.preset("lab"), tokens)


def test_the_first_token_costs_the_same_either_way():
    config = DeepSeekConfig.preset("lab")
    assert prefill_flops(config, 1) == decode_flops(config, 1, absorb=False)
