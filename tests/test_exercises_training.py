"""Checks of notebooks 04 to 06 are fair: other right answers pass, and wrong ones fail with a reason."""

import math

import pytest
import torch
import torch.nn.functional as F

from deepseek_lab.course import progress
from deepseek_lab.exercises import inference, pretraining, zero_training


@pytest.fixture(autouse=True)
def empty_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(progress, "_unsaved", set())


# --- Right answers ---


def bits_by_characters(loss, tokens, text):
    size = sum(len(character.encode()) for character in text)
    return torch.tensor(loss * tokens * math.log2(math.e)) / size


def weights_of_real_matrices(M, H, Cq, C, D, R, Dv):
    shapes = [(M, Cq), (Cq, H * (D + R)), (M, C + R), (C, H * (D + Dv)), (H * Dv, M)]
    return sum(torch.empty(shape, device="meta").numel() for shape in shapes)


def dequantised_by_loops(weight, scale, block):
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] *= scale[i // block, j // block]
    return weight


def dequantised_by_kron(weight, scale, block):
    wide = torch.kron(scale.double(), torch.ones(block, block).double())
    return weight * wide[: weight.shape[0], : weight.shape[1]]


def dequantised_by_places(weight, scale, block):
    rows, columns = (torch.arange(n) // block for n in weight.shape)
    return weight * scale[rows][:, columns]


def mtp_by_positions(windows, k):
    places = range(windows.shape[1] - 1 - k)
    return [torch.stack([windows[:, t + ahead] for t in places], dim=1) for ahead in (k, k + 1)]


def mtp_from_inputs_and_targets(windows, k):
    inputs, targets = windows[:, :-1], windows[:, 1:]
    return inputs[:, k:], targets[:, k:].float()


def slice_by_chunk(numbers, N, rank):
    parts = torch.arange(numbers).chunk(N)
    return (int(parts[rank][0]), int(parts[rank][-1]) + 1) if rank < len(parts) else [numbers, numbers]


def ranks_by_logarithm(parameters, stage, card):
    whole = {1: 4, 2: 2, 3: 0}[stage]
    if whole * parameters >= card:
        return 0
    return 2 ** max(0, math.ceil(math.log2((16 - whole) * parameters / (card - whole * parameters))))


def ranks_by_trying(parameters, stage, card):
    for N in (2**power for power in range(40)):
        if {1: 4 + 12 / N, 2: 2 + 14 / N, 3: 16 / N}[stage] * parameters <= card:
            return float(N)
    return 0


def step_by_loops(weights, gradients, lr):
    N, size = len(gradients), gradients.shape[1] // len(gradients)
    new = torch.empty(N, size, dtype=torch.float64)
    for r in range(N):
        for i in range(size):
            new[r, i] = weights[r * size + i] - lr * sum(row[r * size + i] for row in gradients) / N
    return new


def step_whole_then_cut(weights, gradients, lr):
    return (weights - lr * gradients.sum(0) / len(gradients)).reshape(len(gradients), -1)


def places_cut_out_of_all(table, size, start, count):
    return torch.cat([torch.arange(block * size, (block + 1) * size) for block in table])[start : start + count].int()


def places_one_by_one(table, size, start, count):
    return torch.tensor([float(table[t // size] * size + t % size) for t in range(start, start + count)])


def yield_in_closed_form(a, k):
    return k + 1 if a == 1 else (1 - a ** (k + 1)) / (1 - a)


def yield_as_an_expectation(a, k):
    return sum((n + 1) * a**n * ((1 - a) if n < k else 1) for n in range(k + 1))


def kept_by_strict_comparison(p, q, drafted, u):
    if u < min(1, (p[drafted] / q[drafted]).item()):
        return [1, p]
    rest = torch.tensor([max(0.0, a - b) for a, b in zip(p.tolist(), q.tolist(), strict=True)])
    return [0, rest / rest.sum()]


def kept_by_where(p, q, drafted, u):
    keeps = u * q[drafted] <= p[drafted]
    return keeps, torch.where(keeps, p, F.normalize(F.relu(p - q), p=1, dim=0)).double()


RIGHT = [
    (pretraining.bits_per_byte, bits_by_characters),
    (pretraining.attention_weights, weights_of_real_matrices),
    (pretraining.dequantise, dequantised_by_loops),
    (pretraining.dequantise, dequantised_by_kron),
    (pretraining.dequantise, dequantised_by_places),
    (pretraining.mtp_tokens, mtp_by_positions),
    (pretraining.mtp_tokens, mtp_from_inputs_and_targets),
    (zero_training.shard, slice_by_chunk),
    (zero_training.ranks_needed, ranks_by_logarithm),
    (zero_training.ranks_needed, ranks_by_trying),
    (zero_training.sharded_step, step_by_loops),
    (zero_training.sharded_step, step_whole_then_cut),
    (inference.places, places_cut_out_of_all),
    (inference.places, places_one_by_one),
    (inference.tokens_per_pass, yield_in_closed_form),
    (inference.tokens_per_pass, yield_as_an_expectation),
    (inference.next_token, kept_by_strict_comparison),
    (inference.next_token, kept_by_where),
]


@pytest.mark.parametrize("exercise, answer", RIGHT, ids=lambda value: getattr(value, "__name__", None))
def test_other_right_answers_pass(exercise, answer):
    assert exercise.verdict(answer).startswith("correct on ")
    assert progress.solved() == {exercise.name}


# --- Wrong answers ---


def counts_norms(M, H, Cq, C, D, R, Dv):
    return weights_of_real_matrices(M, H, Cq, C, D, R, Dv) + Cq + C


def a_key_for_each_head(M, H, Cq, C, D, R, Dv):
    return weights_of_real_matrices(M, H, Cq, C, D, R, Dv) + (H - 1) * M * R


def begins_behind_the_end(numbers, N, rank):
    size = math.ceil(numbers / N)
    return rank * size, min((rank + 1) * size, numbers)


def spreads_the_rest(numbers, N, rank):
    sizes = [numbers // N + (r < numbers % N) for r in range(N)]
    return sum(sizes[:rank]), sum(sizes[: rank + 1])


def ends_inclusively(numbers, N, rank):
    begin, end = slice_by_chunk(numbers, N, rank)
    return begin, end - 1


def leaves_a_byte_free(parameters, stage, card):
    return ranks_by_trying(parameters, stage, card - 1)


def one_rank_is_never_enough(parameters, stage, card):
    needed = ranks_by_trying(parameters, stage, card)
    return max(needed, 2) if needed else 0


def keeps_with_p(p, q, drafted, u):
    if u <= p[drafted]:
        return True, p
    rest = (p - q).clamp_min(0)
    return False, rest / rest.sum()


def keeps_with_q_over_p(p, q, drafted, u):
    return kept_by_strict_comparison(p, q, drafted, u * p[drafted].item() ** 2 / q[drafted].item() ** 2)


def keeps_where_p_is_larger(p, q, drafted, u):
    return kept_by_strict_comparison(p, q, drafted, 0.0 if p[drafted] >= q[drafted] else 1.0)


WRONG = [
    (pretraining.bits_per_byte, lambda loss, tokens, text: loss / math.log(2) / len(text.encode()), "times as much"),
    (pretraining.attention_weights, counts_norms, "latents' norms as well"),
    (pretraining.attention_weights, a_key_for_each_head, "once for all heads"),
    (pretraining.dequantise, lambda weight, scale, block: weight * scale.mean(), "100% of the values differ"),
    (pretraining.mtp_tokens, lambda windows, k: (windows[:, k:], windows[:, k + 1 :]), "only ever predicted"),
    (pretraining.mtp_tokens, lambda windows, k: (windows[:, k + 1 :], windows[:, k:-1]), "changed places"),
    (zero_training.shard, begins_behind_the_end, "An empty slice begins at `numbers`"),
    (zero_training.shard, spreads_the_rest, "spreads what is left over evenly"),
    (zero_training.shard, ends_inclusively, "The end is exclusive"),
    (zero_training.ranks_needed, leaves_a_byte_free, "Exactly `card` bytes do fit"),
    (zero_training.ranks_needed, one_rank_is_never_enough, "your number is 2, expected 1"),
    (zero_training.sharded_step, lambda w, g, lr: (w + lr * g.mean(0)).view(len(g), -1), "100% of the values differ"),
    (zero_training.sharded_step, lambda w, g, lr: (w - lr * g.mean(0)).view(-1, len(g)), "the shape is (5, 4)"),
    (inference.places, lambda table, size, start, count: torch.arange(start, start + count), "positions in the text"),
    (inference.tokens_per_pass, lambda a, k: sum(a**i for i in range(k)), "up to k + 1 tokens"),
    (inference.tokens_per_pass, lambda a, k: (1 - a ** (k + 1)) / (1 - a), "For a=1.0, k=4, your function stopped"),
    (inference.next_token, keeps_with_p, "far too much is thrown away"),
    (inference.next_token, keeps_with_q_over_p, "The ratio is upside down"),
    (inference.next_token, keeps_where_p_is_larger, "`u` decides"),
    (
        inference.next_token,
        lambda p, q, drafted, u: (p, u * q[drafted] <= p[drafted]),
        "expected False, but yours is a",
    ),
]


@pytest.mark.parametrize("exercise, answer, words", WRONG, ids=lambda value: getattr(value, "name", None))
def test_wrong_answers_are_told_why(exercise, answer, words):
    verdict = exercise.verdict(answer)
    assert verdict.startswith("not yet. ") and words in verdict
    assert progress.solved() == set()


def test_a_long_text_is_quoted_in_part():
    verdict = pretraining.bits_per_byte.verdict(lambda loss, tokens, text: loss)
    assert "text='def f(x):\\ndef f(x):\\n'... (200 characters)" in verdict
