"""The whole model's contract: shapes, cache, causality, padding, bad input, size, modes, and what it is made of."""

import copy

import pytest
import torch
from helpers.compare import relative_error
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig, DeepSeekForCausalLM
from deepseek_lab.config import YarnScaling
from deepseek_lab.model.decoder import next_token_logits
from deepseek_lab.moe.router import record_routing

SMALL = DeepSeekConfig.preset("v3").replace(
    vocab_size=71, hidden_size=48, intermediate_size=64, moe_intermediate_size=16, num_hidden_layers=3,
    first_k_dense_replace=1, num_attention_heads=4, q_lora_rank=24, kv_lora_rank=16, qk_nope_head_dim=12,
    qk_rope_head_dim=8, v_head_dim=10, n_routed_experts=8, num_experts_per_tok=2, n_group=4, topk_group=2,
    initializer_range=0.1,
)  # fmt: skip
DENSE = SMALL.replace(first_k_dense_replace=3)
EVERY = SMALL.replace(num_experts_per_tok=8, topk_group=4)  # no choice of experts for bf16 to flip
ODD = SMALL.replace(
    vocab_size=53, hidden_size=33, num_attention_heads=3, q_lora_rank=None, kv_lora_rank=13, qk_nope_head_dim=7,
    qk_rope_head_dim=6, v_head_dim=5, intermediate_size=17, moe_intermediate_size=9, n_shared_experts=0,
    n_routed_experts=7, num_experts_per_tok=3, n_group=1, topk_group=1, rope_interleave=False,
)  # fmt: skip


def make(config=SMALL, seed: int = 0, **more) -> DeepSeekForCausalLM:
    torch.manual_seed(seed)
    return DeepSeekForCausalLM(config, **more)


def token_ids(*shape: int, seed: int = 0, config=SMALL) -> torch.Tensor:
    return torch.randint(config.vocab_size, shape, generator=torch.Generator().manual_seed(seed))


def tokens_held(cache) -> list[int]:
    return [layer.length for layer in cache.layers]


@pytest.mark.parametrize("config", [SMALL, ODD, DENSE], ids=["small", "odd", "dense"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 1), (2, 65)])
def test_logits(config, shape):
    """Any batch and length, one token included, and int32 ids; finite, and not all the same."""
    model, ids = make(config), token_ids(*shape, config=config)
    logits = model(ids)
    assert logits.shape == (*shape, config.vocab_size) and logits.dtype == torch.float32
    assert logits.isfinite().all() and logits.std() > 0.01
    assert torch.equal(model(ids.int()), logits)
    assert relative_error(next_token_logits(model, ids), logits[:, -1]) < 1e-5
    assert relative_error(model.lm_head(model.hidden_states(ids)), logits) == 0


@given(
    config=st.sampled_from([SMALL, ODD, SMALL.replace(rope_scaling=YarnScaling(mscale=0.5))]),
    batch=st.integers(1, 3), tokens=st.integers(1, 40), spare=st.integers(0, 5), data=st.data(),
)  # fmt: skip
@torch.no_grad()
def test_any_chunking_gives_the_same_logits(config, batch, tokens, spare, data):
    """In fp64, where no choice of experts hangs on rounding and 1e-10 leaves no room for chance."""
    model, ids = make(config).double(), token_ids(batch, tokens, seed=tokens, config=config)
    full, cache, start = model(ids), model.new_cache(batch, tokens + spare), 0
    while start < tokens:
        end = data.draw(st.integers(start + 1, tokens))
        assert relative_error(model(ids[:, start:end], cache=cache), full[:, start:end]) < 1e-10
        assert cache.length == end and tokens_held(cache) == [end] * 3
        start = end


def test_cache_sizes():
    """Every layer keeps one latent and one rotated key per token, in the weights' dtype."""
    model = make()
    cache = model.new_cache(batch_size=2, max_length=5)
    assert (cache.batch_size, cache.max_length, cache.length) == (2, 5, 0)
    assert cache.elements_per_token == 3 * (16 + 8)
    assert cache.nbytes == 2 * 5 * cache.elements_per_token * 4
    assert model.bfloat16().new_cache(2, 5).nbytes == cache.nbytes // 2


@pytest.mark.parametrize(("preset", "elements"), [("v2-lite", 15552), ("v2", 34560), ("v3", 35136)])
def test_released_cache_sizes(preset, elements):
    """Numbers per token of the released models (the V2 paper's 15.6K and 34.6K; V3's 70272 bytes in bf16)."""
    with torch.device("meta"):
        cache = DeepSeekForCausalLM(DeepSeekConfig.preset(preset)).new_cache(batch_size=2, max_length=3)
    assert cache.elements_per_token == elements
    assert cache.nbytes == 2 * 3 * elements * 4


def count(preset: str, **more) -> int:
    with torch.device("meta"):
        model = DeepSeekForCausalLM(DeepSeekConfig.preset(preset), **more)
    assert all(parameter.is_meta for parameter in model.parameters())
    return sum(parameter.numel() for parameter in model.parameters())


def test_released_parameter_counts():
    assert count("v2-lite") == 15_706_484_224
    assert count("v2") == 235_741_434_880
    assert count("v3") == 671_026_404_352
    assert count("v3", mtp=True) - count("v3") == 11_610_067_968
    assert count("v2-lite", mtp=True) == count("v2-lite")  # V2 has no modules


REFUSED = {
    "too large": (torch.tensor([[3, 71]]), "ids from 0 to 70"),
    "negative": (torch.tensor([[-1, 3]]), "ids from 0 to 70"),
    "float": (torch.tensor([[1.0, 2.0]]), "torch.int64 or torch.int32"),
    "bool": (torch.tensor([[True, False]]), "torch.int64 or torch.int32"),
    "no tokens": (torch.zeros(2, 0, dtype=torch.int64), "not empty"),
    "no rows": (torch.zeros(0, 2, dtype=torch.int64), "not empty"),
    "one dimension": (torch.tensor([1, 2]), "shape"),
    "three dimensions": (torch.tensor([[[1, 2]]]), "shape"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("cached", [False, True])
def test_bad_ids_are_refused(what, cached):
    """By name, with what it takes; and a cache stays as it was."""
    model, (ids, takes) = make(), REFUSED[what]
    cache = model.new_cache(len(ids) or 1, 8) if cached else None
    with pytest.raises(ValueError, match=takes) as refusal:
        model(ids, cache=cache)
    assert "input_ids" in str(refusal.value)
    assert cache is None or tokens_held(cache) == [0, 0, 0]


@torch.no_grad()
def test_tokens_that_do_not_fit_leave_the_cache_unharmed():
    model, ids = make(), token_ids(2, 8)
    full, cache = model(ids), model.new_cache(2, 8)
    model(ids[:, :6], cache=cache)
    for refused, takes in (
        (ids[:, :3], "max_length"),
        (ids[:1, 6:], "batch"),
        (ids[:, 6:].repeat(2, 1), "batch"),
        (ids[:, 6:] + 71, "input_ids"),
    ):
        with pytest.raises(ValueError, match=takes):
            model(refused, cache=cache)
        assert tokens_held(cache) == [6, 6, 6]
    assert relative_error(model(ids[:, 6:], cache=cache), full[:, 6:]) < 1e-5
    with pytest.raises(ValueError, match="max_length"):
        model(ids[:, :1], cache=cache)


def test_caches_of_other_models_are_refused():
    model, ids = make(), token_ids(1, 2)
    for other in (SMALL.replace(num_hidden_layers=2), SMALL.replace(kv_lora_rank=15)):
        with pytest.raises(ValueError, match="cache"):
            model(ids, cache=make(other).new_cache(1, 4))
    for sizes in ((0, 4), (1, 0), (1, 2.0)):
        with pytest.raises(ValueError, match="at least 1"):
            model.new_cache(*sizes)


def test_bad_masks_are_refused():
    model, ids = make(), token_ids(2, 5)
    with pytest.raises(ValueError, match="attention_mask"):
        model(ids, cache=model.new_cache(2, 5), attention_mask=torch.ones(2, 5))
    for shape in ((2, 4), (1, 5), (5,), (2, 1, 5)):
        with pytest.raises(ValueError, match="attention_mask"):
            model(ids, attention_mask=torch.ones(shape))


def test_padding_is_not_looked_at():
    """Another token in its place changes nothing elsewhere; without the mask it would."""
    model, ids = make(), token_ids(2, 12)
    mask = torch.ones(2, 12, dtype=torch.int64)
    mask[0, :4], mask[1, 9:] = 0, 0
    changed = torch.where(mask.bool(), ids, (ids + 1) % 71)
    real = mask.bool()
    before, after = (model(x, attention_mask=mask)[real] for x in (ids, changed))
    assert relative_error(after, before) < 1e-5
    assert relative_error(model(changed)[real], model(ids)[real]) > 1e-3
    full = torch.ones_like(mask)
    assert relative_error(model(ids, attention_mask=full), model(ids)) < 1e-5


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.float32])
def test_a_row_of_padding_only_is_no_nan(kind):
    """Nor are the gradients, and the other row is what it is alone."""
    model, ids = make(), token_ids(2, 70)
    mask = torch.ones(2, 70, dtype=kind)
    mask[0] = 0
    logits = model(ids, attention_mask=mask)
    assert logits.isfinite().all()
    assert relative_error(logits[1:], model(ids[1:])) < 1e-5
    logits.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("tokens", [20, 70])
@pytest.mark.parametrize("grad", [True, False])
def test_later_tokens_change_nothing_before(tokens, grad):
    """Dense layers: bit for bit. With experts a token shares its matrix product with others, so up to rounding."""
    ids = token_ids(2, tokens)
    for config, bound in ((DENSE, 0.0), (SMALL, 1e-6)):
        model = make(config)
        for first in (1, tokens // 2, tokens - 1):
            changed = ids.clone()
            changed[:, first:] = (ids[:, first:] + 1) % 71
            with torch.set_grad_enabled(grad):
                before, after = model(ids), model(changed)
            assert relative_error(after[:, :first], before[:, :first]) <= bound
            assert relative_error(after[:, first:], before[:, first:]) > 1e-2


@pytest.mark.parametrize("tokens", [20, 70])
def test_no_gradient_flows_to_later_tokens(tokens):
    """Exactly none, experts or not: the same said without rounding."""
    model = make()
    ids = torch.arange(tokens)[None]  # each token has its own row of the table
    model(ids)[:, 8].sum().backward()
    moved = model.model.embed_tokens.weight.grad.abs().sum(dim=-1)
    assert (moved[:9] > 0).all() and not moved[9:].any()


def test_gradients_reach_everything_but_unused_experts():
    model = make()
    with record_routing(model) as records:
        model(token_ids(1, 3)).square().sum().backward()
    used = {id(router): set(routing.experts.flatten().tolist()) for router, routing in records}
    assert any(len(experts) < 8 for experts in used.values())
    for name, parameter in model.named_parameters():
        if ".experts." not in name:
            assert parameter.grad.any(), name
            continue
        layer = model.get_submodule(name.split(".experts.")[0])
        for expert, grad in enumerate(parameter.grad):
            assert grad.any().item() == (expert in used[id(layer.gate)]), f"{name}, expert {expert}"


def test_a_first_training_step_lowers_the_loss():
    """And the loss of a new model is that of guessing, ln V."""
    model, ids = make(SMALL.replace(initializer_range=0.02)), token_ids(4, 33)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        logits = model(ids[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert abs(losses[0] - torch.tensor(71.0).log().item()) < 0.1
    assert losses[0] > losses[1] > losses[2]


def test_tied_embeddings_are_one_tensor():
    free, tied = make(), make(SMALL.replace(tie_word_embeddings=True))
    assert tied.lm_head.weight is tied.model.embed_tokens.weight
    sizes = [sum(p.numel() for p in model.parameters()) for model in (free, tied)]
    assert sizes[0] - sizes[1] == 71 * 48
    assert "lm_head.weight" in tied.state_dict()
    for other in (copy.deepcopy(tied), tied.bfloat16()):
        assert other.lm_head.weight is other.model.embed_tokens.weight
    assert free.lm_head.weight.data_ptr() != free.model.embed_tokens.weight.data_ptr()


def test_new_parameters():
    """The same from the same seed; matrices spread as the config says, norms 1, biases 0."""
    config = SMALL.replace(attention_bias=True, initializer_range=0.03)
    first, same, other = (make(config, seed=seed, mtp=True).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(tensor, same[name]) for name, tensor in first.items())
    for name, tensor in first.items():
        if tensor.dim() == 1:
            assert (tensor == (0 if name.endswith("bias") else 1)).all(), name
        else:
            assert not torch.equal(tensor, other[name]), name
            assert abs(tensor.std() / 0.03 - 1) < 0.25 and abs(tensor.mean()) < 0.01, name


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode):
    """The same logits; and a cache made inside can be filled outside."""
    model, ids = make(), token_ids(2, 9)
    expected = model(ids)
    with mode():
        cache, logits = model.new_cache(2, 9), model(ids)
        first = model(ids[:, :4], cache=cache)
    assert not logits.requires_grad
    assert relative_error(logits, expected) < 1e-5
    with torch.no_grad():
        rest = model(ids[:, 4:], cache=cache)
    assert relative_error(torch.cat([first, rest], dim=1), expected) < 1e-5


def test_autocast():
    """bf16 products with fp32 weights: near to fp32, cached or not, and gradients in fp32."""
    model, ids = make(EVERY), token_ids(4, 40)
    exact = model(ids).detach()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(ids)
    logits.float().square().mean().backward()
    assert logits.dtype == torch.bfloat16
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        cache = model.new_cache(4, 40)
        chunks = [model(chunk, cache=cache) for chunk in ids.split(16, dim=1)]
    assert cache.layers[0].slots["c_kv"].dtype == torch.bfloat16
    for got in (logits, torch.cat(chunks, dim=1)):
        assert relative_error(got, exact) < 0.03


def test_bfloat16_keeps_the_correction_bias_in_fp32():
    """It moves by 0.001 a step, and bf16 has no such number beside 0.5. Everything else is bf16."""
    model, ids = make(EVERY), token_ids(4, 40)
    biases = [block.mlp.gate.e_score_correction_bias for block in model.blocks[1:]]
    for bias in biases:
        bias.normal_(std=0.1)
    exact, kept = model(ids), [bias.clone() for bias in biases]
    model.bfloat16()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    now = [block.mlp.gate.e_score_correction_bias for block in model.blocks[1:]]
    assert all(a.dtype == torch.float32 and torch.equal(a, b) for a, b in zip(now, kept, strict=True))
    logits = model(ids)
    assert logits.dtype == torch.bfloat16 and relative_error(logits, exact) < 0.03


@pytest.mark.parametrize("how", ["deepcopy", "state_dict"])
def test_copies(how):
    """A copy says the same, has its own memory, and the correction bias travels with the weights."""
    model, ids = make(mtp=True), token_ids(2, 9)
    model.blocks[1].mlp.gate.e_score_correction_bias.normal_(std=0.5)
    if how == "deepcopy":
        copied = copy.deepcopy(model)
    else:
        copied = make(seed=1, mtp=True)
        assert relative_error(copied(ids), model(ids)) > 0.1
        copied.load_state_dict(model.state_dict(), strict=True)
    expected = model(ids)
    assert torch.equal(copied(ids), expected)
    for parameter in copied.parameters():
        parameter.data.zero_()
    assert torch.equal(model(ids), expected)


def test_names():
    """Names are the official checkpoints': modules of multi-token prediction come behind the last layer."""
    names, plain = (set(make(mtp=mtp).state_dict()) for mtp in (True, False))
    assert plain < names
    assert {name.split(".")[2] for name in names - plain} == {"3"}
    for name in ("enorm.weight", "hnorm.weight", "eh_proj.weight", "shared_head.norm.weight", "mlp.gate.weight"):
        assert f"model.layers.3.{name}" in names
    assert {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"} <= plain
    assert "model.layers.0.mlp.gate_proj.weight" in plain and "model.layers.1.mlp.gate.weight" in plain
