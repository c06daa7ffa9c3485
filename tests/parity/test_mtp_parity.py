"""Multi-token prediction against transformers' MtpLayer around a DeepseekV3DecoderLayer, and inside a whole model."""

import pytest
import torch
import transformers
from helpers.compare import note, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DeepseekV3Config, DynamicCache
from transformers import logging as transformers_logging
from transformers.modeling_layers import MtpLayer
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as v3

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.attention.rope import rotary_table
from deepseek_lab.model.mtp import MultiTokenPrediction

pytestmark = pytest.mark.skipif(
    transformers.__version__ == "5.15.0", reason="this version's MtpLayer may have a dense block, which V3's never has"
)
transformers_logging.set_verbosity_error()  # random YaRN settings make it remark on each


@st.composite
def configs(draw):
    """A random small V3. Every token visits all experts: a choice that rounding could flip is `test_model_parity`'s."""
    heads = draw(st.integers(1, 4))
    yarn = {
        "rope_type": "yarn",
        "factor": draw(st.sampled_from([2.0, 40.0])),
        "original_max_position_embeddings": draw(st.sampled_from([16, 4096])),
        "mscale": draw(st.sampled_from([1.0, 0.707])),
        "mscale_all_dim": draw(st.sampled_from([1.0, 0.707, 0.0])),
    }
    n_experts = 2 * draw(st.integers(1, 4))
    config = DeepseekV3Config(
        vocab_size=61,
        hidden_size=draw(st.integers(8, 48)),
        intermediate_size=24,
        moe_intermediate_size=draw(st.integers(1, 24)),
        num_hidden_layers=draw(st.integers(1, 2)),
        first_k_dense_replace=draw(st.integers(0, 3)),  # the module's block has experts all the same
        rms_norm_eps=draw(st.sampled_from([1e-6, 1e-3])),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        q_lora_rank=draw(st.sampled_from([None, 4, 24])),
        kv_lora_rank=draw(st.integers(4, 20)),
        qk_nope_head_dim=draw(st.integers(1, 16)),
        qk_rope_head_dim=2 * draw(st.integers(1, 6)),
        v_head_dim=draw(st.integers(1, 24)),
        attention_bias=draw(st.booleans()),
        rope_interleave=draw(st.booleans()),
        rope_parameters=draw(st.sampled_from([{"rope_type": "default"}, yarn])) | {"rope_theta": 1e4},
        n_routed_experts=n_experts,
        num_experts_per_tok=n_experts,
        n_shared_experts=draw(st.integers(1, 2)),
        n_group=2 if n_experts > 2 else 1,
        topk_group=2 if n_experts > 2 else 1,
        norm_topk_prob=draw(st.booleans()),
        num_nextn_predict_layers=draw(st.integers(1, 2)),
    )
    config._attn_implementation = draw(st.sampled_from(["eager", "sdpa"]))
    config._experts_implementation = "eager"
    return config


def our_name(theirs: str) -> str:
    """The official checkpoints keep the block's parts beside the norms, and `post_norm` as the head's own."""
    return theirs.removeprefix("mtp_block.").replace("post_norm.", "shared_head.norm.")


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Random weights, norms away from 1; matrices small enough that one rounding stays small (test_model_parity)."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        std = 0.3 if tensor.dim() == 1 else 0.5 * tensor.shape[-1] ** -0.5
        tensor.normal_(mean=float(name.endswith("norm.weight")), std=std, generator=generator)
    return module


def pair(config, seed: int, device: str) -> tuple[MtpLayer, MultiTokenPrediction]:
    """Their module and ours with the same weights. Names must match one to one."""
    official = config.get_mtp_config()
    theirs = fill(MtpLayer(official, v3.DeepseekV3DecoderLayer, v3.DeepseekV3RMSNorm, layer_idx=0), seed)
    ours = MultiTokenPrediction(DeepSeekConfig.from_hf(config))
    ours.load_state_dict({our_name(name): tensor for name, tensor in theirs.state_dict().items()}, strict=True)
    return theirs.to(device), ours.to(device)


def run_official(theirs: MtpLayer, hidden: Tensor, embeddings: Tensor, cache=None, start: int = 0) -> Tensor:
    """Their output with the causal mask and the positions that their model would pass."""
    tokens = hidden.shape[1]
    least, device = torch.finfo(hidden.dtype).min, hidden.device
    positions = torch.arange(start, start + tokens, device=device)[None]
    mask = torch.full((tokens, start + tokens), least, device=device).triu(start + 1)[None, None]
    rotary = v3.DeepseekV3RotaryEmbedding(theirs.config).to(device)(hidden, positions)
    return theirs(embeddings, hidden, rotary, mask, positions, cache)


def inputs(config, device: str, seed: int, *shape: int) -> tuple[Tensor, Tensor]:
    """Hidden states and embeddings, of different sizes: the two norms have something to do."""
    generator = torch.Generator().manual_seed(seed + 1)
    hidden, embeddings = torch.randn(2, *shape, config.hidden_size, generator=generator).to(device)
    return 3 * hidden, 0.5 * embeddings


lengths = st.one_of(st.integers(1, 20), st.integers(64, 80))  # from 64 on, training takes another kernel
seeds = st.integers(0, 10**6)


@settings(max_examples=60)
@given(config=configs(), batch=st.integers(1, 3), tokens=lengths, seed=seeds)
def test_outputs_and_gradients(device, config, batch, tokens, seed):
    theirs, ours = pair(config, seed, device)
    outputs, gradients = [], []
    for module, run in ((theirs, lambda *x: run_official(theirs, *x)), (ours, ours)):
        leaves = [x.clone().requires_grad_() for x in inputs(config, device, seed, batch, tokens)]
        outputs.append(run(*leaves))
        generator = torch.Generator().manual_seed(seed + 2)
        outputs[-1].backward(torch.randn(outputs[-1].shape, generator=generator).to(device))
        named = {our_name(name) if module is theirs else name: p.grad for name, p in module.named_parameters()}
        gradients.append(named | {"hidden states": leaves[0].grad, "embeddings": leaves[1].grad})
    assert note("outputs", relative_error(outputs[1], outputs[0])) < 1e-5
    assert gradients[0].keys() == gradients[1].keys()
    largest = max(grad.abs().max().item() for grad in gradients[0].values())
    for name, grad in gradients[0].items():  # those that are 0 in theory are rounding of others: see test_model_parity
        floor = max(grad.abs().max().item(), largest / 100)
        error = (gradients[1][name] - grad).abs().max().item() / floor
        assert note("gradients", error) < 1e-5, f"{name}: {error}"


@given(config=configs(), batch=st.integers(1, 2), tokens=st.integers(1, 20), seed=seeds, data=st.data())
@torch.no_grad()
def test_cached_drafting(device, config, batch, tokens, seed, data):
    """With a cache, in any chunks, and with the model's own table of angles."""
    theirs, ours = pair(config, seed, device)
    hidden, embeddings = inputs(config, device, seed, batch, tokens)
    full = run_official(theirs, hidden, embeddings)
    cache, their_cache, start = ours.self_attn.new_cache(batch, tokens), DynamicCache(config=theirs.config), 0
    while start < tokens:
        end = data.draw(st.integers(start + 1, tokens))
        chunk = hidden[:, start:end], embeddings[:, start:end]
        expected = run_official(theirs, *chunk, their_cache, start)
        rotary = rotary_table(ours.self_attn.config, start, end - start, device)
        output = ours(*chunk, cache=cache, rotary=data.draw(st.sampled_from([None, rotary])))
        for reference in (expected, full[:, start:end]):
            assert note("cached", relative_error(output, reference)) < 1e-5
        start = end


SMALL = DeepseekV3Config(
    vocab_size=61, hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=2,
    first_k_dense_replace=1, num_attention_heads=2, num_key_value_heads=2, q_lora_rank=16, kv_lora_rank=16,
    qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8, n_routed_experts=8, num_experts_per_tok=2, n_group=2,
    topk_group=2, num_nextn_predict_layers=2,
)  # fmt: skip
SMALL._attn_implementation, SMALL._experts_implementation = "eager", "eager"
IDS = torch.randint(61, (2, 12), generator=torch.Generator().manual_seed(0))


def test_the_other_order_of_the_halves_is_another_answer(device):
    """The paper's equation has h first. With random weights the order is seen at once; so the tests above see it."""
    theirs, ours = pair(SMALL, 0, device)
    hidden, embeddings = inputs(SMALL, device, 0, 2, 12)
    expected = run_official(theirs, hidden, embeddings)
    assert relative_error(ours(hidden, embeddings), expected) < 1e-5
    halves = ours.eh_proj.weight.data.chunk(2, dim=1)
    ours.eh_proj.weight.data = torch.cat(halves[::-1], dim=1)
    assert relative_error(ours(hidden, embeddings), expected) > 0.1
    assert relative_error(ours(embeddings, hidden), expected) > 0.1  # nor is it the arguments' order: norms differ


def whole(device: str, seed: int = 0) -> tuple[v3.DeepseekV3ForCausalLM, DeepSeekForCausalLM]:
    """Their model and ours with modules; the modules' weights are ours alone."""
    theirs = fill(v3.DeepseekV3ForCausalLM(SMALL), seed).eval()
    ours = fill(DeepSeekForCausalLM(DeepSeekConfig.from_hf(SMALL), mtp=True), seed + 1)
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not unexpected
    assert {int(name.split(".")[2]) for name in missing} == {2, 3}, "the modules stand behind the last layer"
    return theirs.to(device), ours.to(device)


def test_logits_do_not_depend_on_the_modules(device):
    theirs, ours = whole(device)
    ids = IDS.to(device)
    expected = theirs(ids).logits
    before = ours(ids)
    assert relative_error(before, expected) < 1e-5
    assert len(ours.blocks) == 2 and len(ours.mtp_modules) == 2
    for module in ours.mtp_modules:
        for parameter in module.parameters():
            parameter.data.fill_(float("nan"))
    assert torch.equal(ours(ids), before)
    cache = ours.new_cache(2, 12)
    assert len(cache.layers) == 2
    assert relative_error(ours(ids, cache=cache), before) < 1e-5
    assert len(DeepSeekForCausalLM(ours.config).mtp_modules) == 0


def test_logits_send_no_gradient_to_the_modules(device):
    _, ours = whole(device)
    ours(IDS.to(device)).sum().backward()
    assert all(p.grad is None for module in ours.mtp_modules for p in module.parameters())
    assert all(p.grad is not None for block in ours.blocks for p in block.parameters())


@pytest.mark.parametrize("depth", [1, 2])
def test_chained_modules_of_a_whole_model(device, depth):
    """Module k takes what module k - 1 computed, and the embedding of the token k further on; the head is shared."""
    theirs, ours = whole(device)
    ids = IDS.to(device)
    hidden = theirs.model(ids).last_hidden_state
    own = ours.hidden_states(ids)
    for k in range(1, depth + 1):
        ahead = ids[:, k:]
        official, module = pair(SMALL, 0, device)[0], ours.mtp_modules[k - 1]
        official.load_state_dict({name: module.state_dict()[our_name(name)] for name in official.state_dict()})
        hidden = run_official(official, hidden[:, : ahead.shape[1]], theirs.model.embed_tokens(ahead))
        own = module(own[:, : ahead.shape[1]], ours.model.embed_tokens(ahead))
    assert note("chained", relative_error(ours.lm_head(own), theirs.lm_head(hidden))) < 1e-5
