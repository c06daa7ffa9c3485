"""Training with balancing on texts of several domains: it is what it says, and it evens the load out."""

import pytest
import torch
import torch.nn.functional as F

from deepseek_lab.model.small import SmallDecoder
from deepseek_lab.model.small_moe import small_moe
from deepseek_lab.moe import DeepSeekMoE, HashRouter, SwiGLU, TopKRouter, record_routing
from deepseek_lab.moe.balance import expert_load
from deepseek_lab.training import domains
from deepseek_lab.training.balancing import Balancing, held_out_loads, violations
from deepseek_lab.training.corpus import Corpus, random_windows
from deepseek_lab.training.loop import next_token_loss, train
from deepseek_lab.training.snapshots import Snapshots, routing_history


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return domains.mixed_corpus()


def quiet(loop, _label):
    return loop


def test_domains_are_of_equal_length_and_apart():
    corpora = domains.domain_corpora()
    assert list(corpora) == ["Python", "prose", "C++", "tables"]
    assert len({len(c.train) for c in corpora.values()}) == len({len(c.validation) for c in corpora.values()}) == 1
    for corpus in corpora.values():
        seen = bytes(corpus.train.tolist())
        held_out = bytes(corpus.validation.tolist())
        pieces = [held_out[i : i + 400] for i in range(0, len(held_out) - 400, 400)]
        assert sum(piece in seen for piece in pieces) < len(pieces) / 20
    assert b"namespace" in bytes(corpora["C++"].train.tolist()) and b"WX" in bytes(corpora["tables"].train.tolist())


def test_copies_are_not_held_out(monkeypatch):
    """A kind of text that is nothing but copies has no validation text, and is left out."""
    own = [b"".join(b"%d of document %d\n" % (i, n) for i in range(900)) for n in range(20)]
    monkeypatch.setattr(domains, "_cpp", lambda: own)
    domains.domain_corpora.cache_clear()
    assert len(domains.domain_corpora()) == 4
    copied = [b"".join(b"%d of document %d\n" % (i, n // 10) for i in range(900)) for n in range(20)]
    monkeypatch.setattr(domains, "_cpp", lambda: copied)
    domains.domain_corpora.cache_clear()
    assert list(domains.domain_corpora()) == ["Python", "prose", "tables"]
    domains.domain_corpora.cache_clear()


def test_a_missing_domain_is_left_out_and_one_is_too_few(monkeypatch):
    monkeypatch.setattr(domains, "_cpp", list)
    domains.domain_corpora.cache_clear()
    assert list(domains.domain_corpora()) == ["Python", "prose", "tables"]
    for name in ("_prose", "_tables"):
        monkeypatch.setattr(domains, name, list)
    domains.domain_corpora.cache_clear()
    with pytest.raises(ValueError, match=r"domains: got \['Python'\]"):
        domains.domain_corpora()
    domains.domain_corpora.cache_clear()


def test_balancing_changes_what_it_says(corpus):
    """'none' trains as plain training does; only 'bias' moves biases, by one rate a step; only 'aux' adds a loss."""
    windows = random_windows(corpus.train, 4, 32, torch.Generator().manual_seed(0))
    models = {}
    for method, strength in (("plain", 0.0), ("none", 0.0), ("bias", 0.5), ("aux", 0.5)):
        torch.manual_seed(0)
        model = models[method] = small_moe(4, 2, 16)
        balancing = Balancing(model, "none" if method == "plain" else method, strength)
        hooks = {} if method == "plain" else {"loss": balancing.loss, "after_step": balancing.after_step}
        added = balancing.loss(model, windows) - next_token_loss(model, windows)
        # Two layers, each at least 1 by Chebyshev's inequality where scores and loads go together.
        assert added > 0.8 if method == "aux" else added == 0
        train(model, corpus, 1, batch=4, length=32, progress=quiet, **hooks)
    state = {name: model.state_dict() for name, model in models.items()}
    assert all(torch.equal(state["plain"][key], state["none"][key]) for key in state["plain"])
    for layer in range(2):
        bias = f"layers.{layer}.mlp.gate.e_score_correction_bias"
        assert not state["none"][bias].any() and not state["aux"][bias].any()
        assert set(state["bias"][bias].abs().tolist()) <= {0.0, 0.5} and state["bias"][bias].any()
        weight = f"layers.{layer}.mlp.gate.weight"
        assert torch.equal(state["bias"][weight], state["none"][weight])  # the bias has no gradient
        assert not torch.equal(state["aux"][weight], state["none"][weight])


@pytest.mark.parametrize(("method", "strength"), [("bias", 0.02), ("aux", 0.05)])
def test_balancing_evens_the_load_out(corpus, method, strength):
    after = {}
    for name, own in (("none", 0.0), (method, strength)):
        torch.manual_seed(1)
        model = small_moe(8, 2, 16)
        balancing = Balancing(model, name, own)
        hooks = {"loss": balancing.loss, "after_step": balancing.after_step}
        train(model, corpus, 60, batch=8, length=64, lr=4e-3, progress=quiet, **hooks)
        assert len(balancing.violations) == 60
        after[name] = violations(held_out_loads(model, corpus, 64, windows=32))[0]
    assert after[method] < after["none"] / 2


def test_violations_of_given_loads():
    loads = torch.tensor([[[4, 0], [2, 2]], [[0, 4], [2, 2]]])  # two batches, two layers
    overall, per_batch = violations(loads)
    assert overall == 0 and per_batch == 0.5  # even over both batches, not within each


def test_held_out_loads_count_every_row(corpus):
    loads = held_out_loads(small_moe(8, 3, 16), corpus, 32, windows=20, batch=8)
    assert loads.shape == (3, 2, 8) and (loads.sum(dim=(0, 2)) == 20 * 32 * 3).all()


class OutOfOrder(torch.nn.Module):
    """Two routed layers, registered in the other order than they run in, after one that routes by token id."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(256, 8)
        self.second, self.first = (DeepSeekMoE(TopKRouter(8, 16, 1), 4) for _ in range(2))
        self.by_id = DeepSeekMoE(HashRouter(8, 16, 1, vocab_size=256), 4)
        self.head = torch.nn.Linear(8, 256)

    def forward(self, ids):
        return self.head(self.second(self.first(self.by_id(self.embed(ids), ids))))


def test_each_router_gets_its_own_load_over_all_micro_batches():
    torch.manual_seed(0)
    model, windows = OutOfOrder(), torch.randint(256, (6, 17))
    balancing = Balancing(model, "bias", 0.1)
    with pytest.raises(ValueError, match="after_step"):
        balancing.after_step()
    with record_routing(model) as records:
        for part in windows.split(2):  # three micro-batches
            balancing.loss(model, part)
    balancing.after_step()
    for router in (model.first.gate, model.second.gate):
        load = sum(expert_load(routing.experts, 16) for own, routing in records if own is router).double()
        assert load.sum() == 6 * 16
        assert torch.allclose(router.e_score_correction_bias, 0.1 * (load.mean() - load).sign().float())
    assert not torch.equal(model.first.gate.e_score_correction_bias, model.second.gate.e_score_correction_bias)
    history = routing_history(Snapshots(model, [0]), windows[:1, :-1])
    assert history.scores.shape == (1, 3, 16, 16) and history.biases.shape == (1, 3, 16)
    assert not history.biases[0, 0].any() and torch.equal(
        history.biases[0, 1], model.first.gate.e_score_correction_bias
    )


def test_balancing_refuses_what_cannot_work():
    dense = SmallDecoder([torch.nn.Identity()], 8, 16)
    with pytest.raises(ValueError, match="model: got 'SmallDecoder'"):
        Balancing(dense, "bias", 0.1)
    for arguments, message in ((("magic", 0.1), "method: got 'magic'"), (("bias", -1.0), "strength: got -1.0")):
        with pytest.raises(ValueError, match=message):
            Balancing(small_moe(4, 2, 8), *arguments)
    model = small_moe(4, 2, 8)
    for layer in model.layers:
        layer.mlp.gate.topk_method = "greedy"
    with pytest.raises(ValueError, match=r"topk_method: got \['greedy'\]"):
        Balancing(model, "bias", 0.1)


def test_a_decoder_takes_one_kind_of_feed_forward():
    attention = torch.nn.Identity()
    assert isinstance(SmallDecoder([attention], 8, 16).layers[0].mlp, SwiGLU)
    for given in ({}, {"intermediate_size": 16, "feed_forwards": [SwiGLU(8, 16)]}):
        with pytest.raises(ValueError, match="intermediate_size, feed_forwards"):
            SmallDecoder([attention], 8, **given)
    with pytest.raises(ValueError, match=r"feed_forwards: got '0 modules'.*1 attention"):
        SmallDecoder([attention], 8, feed_forwards=[])


def test_dense_layers_decode_as_they_train():
    torch.manual_seed(0)
    layer = SwiGLU(10, 7, limit=0.5)
    for rows in (1, 2, 8, 9):
        x = 3 * torch.randn(1, rows, 10)
        expected = layer.down_proj(F.silu(layer.gate_proj(x).clamp(max=0.5)) * layer.up_proj(x).clamp(-0.5, 0.5))
        with torch.no_grad():
            assert torch.allclose(layer(x), expected, atol=1e-6)
        assert torch.allclose(layer(x), expected, atol=1e-6)


def test_loads_add_up_over_micro_batches():
    experts = torch.randint(8, (12, 2))
    whole = expert_load(experts, 8)
    assert torch.equal(expert_load(experts[:5], 8) + expert_load(experts[5:], 8), whole)
