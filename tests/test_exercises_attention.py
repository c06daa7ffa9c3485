"""Checks of notebooks 01 to 03 are fair: other right answers pass, and wrong ones fail with a reason."""

import inspect
import itertools
import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from deepseek_lab.course import progress
from deepseek_lab.exercises import attention, hierarchical, moe


@pytest.fixture(autouse=True)
def empty_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "_unsaved", set())


# --- Right answers ---


def shared_by_a_loop(k, num_heads):
    out = torch.zeros(k.shape[0], num_heads, *k.shape[2:], dtype=torch.float64)
    for head in range(num_heads):
        out[:, head] = k[:, head * k.shape[1] // num_heads]
    return out


def shared_by_expanding(k, num_heads):
    return k[:, :, None].expand(-1, -1, num_heads // k.shape[1], -1, -1).flatten(1, 2)


def shared_by_einsum(k, num_heads):
    share = torch.eye(k.shape[1]).repeat_interleave(num_heads // k.shape[1], dim=1)
    return torch.einsum("bgsd,gh->bhsd", k, share)


def absorbed_by_loops(q_nope, w_uk, c_kv):
    out = torch.empty(*q_nope.shape[:3], c_kv.shape[1], dtype=torch.float64)
    for b, h in itertools.product(range(q_nope.shape[0]), range(q_nope.shape[1])):
        out[b, h] = (q_nope[b, h] @ w_uk[h]).double() @ c_kv[b].T.double()
    return out


def absorbed_by_sums(q_nope, w_uk, c_kv):
    q_latent = (q_nope[..., None] * w_uk[None, :, None]).sum(dim=-2)
    return (q_latent[:, :, :, None] * c_kv[:, None, None]).sum(dim=-1)


def pays_by_search(C, R, D, D_v):
    T = 1
    while C * (D + D_v) + T * (D + R + D_v) > T * (C + R + C):
        T += 1
    return T


def seen_by_loops(T, m):
    return torch.tensor([[float(t >= (e + 1) * m - 1) for e in range(T // m)] for t in range(T)])


def compressed_by_unfolding(value, gate, m):
    return (F.softmax(gate.unfold(0, m, m), dim=-1) * value.unfold(0, m, m)).sum(dim=-1)


def compressed_by_a_loop(value, gate, m):
    windows = [slice(i * m, i * m + m) for i in range(len(value) // m)]
    return torch.stack([(gate[w].softmax(0) * value[w]).sum(0) for w in windows])


def compressed_by_exponentials(value, gate, m):
    n = len(value) // m
    value, gate = (x[: n * m].reshape(n, m, -1).double() for x in (value, gate))
    return (gate.exp() * value).sum(1) / gate.exp().sum(1)


def blind_by_trying(W, m):
    return sum(query >= W and query < m - 1 for query in range(W + m))


def violation_by_counter(experts, E):
    return max(Counter(experts.flatten().tolist()).values()) / (experts.numel() / E) - 1


def violation_by_one_hot(experts, E):
    load = F.one_hot(experts, E).sum((0, 1)).double()
    return ((load.max() - load.mean()) / load.mean()).reshape(1)


def weights_by_threshold(logits, bias, K, scale):
    scores = 1 / (1 + (-logits.double()).exp())
    choice = scores + bias
    kept = scores * (choice >= choice.topk(K).values[:, -1:])
    return scale * F.normalize(kept, p=1, dim=1)


def weights_by_one_hot(logits, bias, K, scale):
    order = torch.argsort(logits.sigmoid() + bias, dim=1, descending=True)[:, :K]
    kept = logits.sigmoid() * F.one_hot(order, logits.shape[1]).sum(1)
    return scale * kept / kept.sum(dim=-1, keepdim=True)


def groups_in_place(choice, groups, allowed):
    size = choice.shape[1] // groups
    for row in choice:
        parts = row.split(size)
        rank = [sum(sorted(part.tolist())[-2:]) for part in parts]
        for group in sorted(range(groups), key=rank.__getitem__)[: groups - allowed]:
            parts[group].fill_(-math.inf)
    return choice


def groups_by_adding(choice, groups, allowed):
    parts = choice.double().reshape(len(choice), groups, -1)
    rank = parts.sort(-1).values[..., -2:].sum(-1)
    closed = torch.full_like(rank, -math.inf).scatter(1, rank.topk(allowed, 1).indices, 0.0)
    return (parts + closed[..., None]).reshape(choice.shape)


RIGHT = [
    (attention.share_keys, shared_by_a_loop),
    (attention.share_keys, shared_by_expanding),
    (attention.share_keys, shared_by_einsum),
    (attention.share_keys, lambda k, n: k[:, torch.arange(n) // (n // k.shape[1])]),
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: t * n * (c + r) * bits / 8),
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: math.ceil(t * n * (c + r) * bits / 8)),
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: sum((c + r) * bits / 8 for _ in range(n)) * t),
    (attention.mla_cache_bytes, lambda *a: torch.tensor(a[0] * a[1] * (a[2] + a[3]) * a[4] / 8, dtype=torch.float64)),
    (attention.absorb_scores, absorbed_by_loops),
    (attention.absorb_scores, absorbed_by_sums),
    (attention.absorb_scores, lambda q, w, c: torch.stack([q[:, h] @ w[h] @ c.mT for h in range(q.shape[1])], dim=1)),
    (attention.absorb_scores, lambda q, w, c: torch.einsum("b h t d, h d c -> b h t c", q, w) @ c[:, None].mT),
    (attention.expanding_pays, pays_by_search),
    (attention.expanding_pays, lambda C, R, D, D_v: -(-C * (D + D_v) // (2 * C - D - D_v))),
    (attention.expanding_pays, lambda C, R, D, D_v: torch.tensor(C * (D + D_v) / (2 * C - D - D_v)).ceil()),
    (hierarchical.entries_seen, seen_by_loops),
    (hierarchical.entries_seen, lambda T, m: torch.ones(T, T).tril()[:, m - 1 :: m].bool()),
    (hierarchical.entries_seen, lambda T, m: torch.arange(T)[:, None] >= torch.arange(m - 1, T, m)),
    (hierarchical.entries_seen, lambda T, m: (torch.arange(T)[:, None] + 1) / m >= torch.arange(1, T // m + 1)),
    (hierarchical.compress, compressed_by_unfolding),
    (hierarchical.compress, compressed_by_a_loop),
    (hierarchical.compress, compressed_by_exponentials),
    (hierarchical.blind_queries, blind_by_trying),
    (hierarchical.blind_queries, lambda W, m: len(range(W, m - 1))),
    (hierarchical.blind_queries, lambda W, m: (m - 1 - W) * (m - 1 > W)),
    (hierarchical.cached_numbers, lambda csa, hca, w, i: (32 * csa * (w + i) + hca * w) / 128),
    (hierarchical.cached_numbers, lambda csa, hca, w, i: sum([(w + i) / 4] * csa + [w / 128] * hca)),
    (moe.moe_parameters, lambda M, F, E, K, s: [3 * M * F * n + E * M for n in (E + s, K + s)]),
    (moe.moe_parameters, lambda M, F, E, K, s: (float(M * (3 * F * (E + s) + E)), M * (3 * F * (K + s) + E))),
    (moe.max_vio, violation_by_counter),
    (moe.max_vio, violation_by_one_hot),
    (moe.v3_weights, weights_by_threshold),
    (moe.v3_weights, weights_by_one_hot),
    (moe.limit_groups, groups_in_place),
    (moe.limit_groups, groups_by_adding),
]


@pytest.mark.parametrize("exercise, answer", RIGHT, ids=lambda value: getattr(value, "name", ""))
def test_another_right_answer_is_accepted(exercise, answer):
    assert exercise.verdict(answer).startswith("correct")
    assert progress.solved() == {exercise.name}


# --- Wrong answers that once passed, or failed without or with a misleading reason ---

WRONG = [
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: (t - 1) * n * (c + r) * bits / 8, "0.8 times as much"),
    (hierarchical.cached_numbers, lambda csa, hca, w, i: csa * (w + i) // 4 + hca * w // 128, "// rounds down"),
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: t * n * (c + r) * (bits // 8), "Multiply first"),
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: t * n * (c + r) * 2, "You took 2 bytes for each number"),
    (attention.mla_cache_bytes, lambda t, n, c, r, bits: t * n * 2 * (c + r) * bits // 8, "there is no factor 2"),
    (attention.expanding_pays, lambda C, R, D, D_v: C * (D + D_v) // (2 * C - D - D_v) + 1, "For C=256, R=32, D=128"),
    (hierarchical.compress, lambda v, g, m: compressed_by_a_loop(v[len(v) % m :], g[len(g) % m :], m), "left out the"),
    (hierarchical.cached_numbers, lambda csa, hca, w, i: csa * (w + i) / 8 + hca * w / 128, "one for every 4"),
    (moe.moe_parameters, lambda M, F, E, K, s: [3 * M * F * n + E * M + E for n in (E + s, K + s)], "counted a bias"),
    (moe.moe_parameters, lambda M, F, E, K, s: [3 * M * F * n + E * M for n in (K + s, E + s)], "The other way round"),
    (moe.max_vio, lambda x, E: (x.flatten().bincount(minlength=E) * E / x.numel() - 1).abs().max(), "either direction"),
    (moe.v3_weights, lambda logits, bias, K, scale: logits.sigmoid().topk(K).values, "the shape is"),
]


@pytest.mark.parametrize("exercise, answer, words", WRONG, ids=lambda value: getattr(value, "name", ""))
def test_a_wrong_answer_gets_a_reason(exercise, answer, words):
    verdict = exercise.verdict(answer)
    assert verdict.startswith("not yet. For ") and words in verdict
    assert progress.solved() == set()


@pytest.mark.parametrize("module", [attention, hierarchical, moe], ids=lambda module: module.__name__)
def test_sentences_name_the_arguments_as_the_exercise_does(module):
    for exercise in module.ALL:
        stub = exercise.solution_code.split(f"def {exercise.name}(")[1].split(")")[0]
        assert list(inspect.signature(exercise.reference).parameters) == stub.split(", ")
