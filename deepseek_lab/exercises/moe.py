"""Exercises of notebook 03: counting parameters, measuring balance, routing as V3 does, limiting groups."""

import torch
from torch import Tensor

from deepseek_lab.course.exercises import Exercise, Mistake
from deepseek_lab.exercises.overview import report
from deepseek_lab.moe.balance import expert_load, max_violation
from deepseek_lab.moe.router import TopKRouter


def _integers(generator: torch.Generator, *ranges: tuple[int, int]) -> list[int]:
    return [int(torch.randint(low, high + 1, (), generator=generator)) for low, high in ranges]


# --- 1. Parameters of a layer, in total and active for one token ---


def _moe_parameters(M: int, F: int, E: int, K: int, shared: int) -> tuple[int, int]:
    expert = 3 * M * F
    return (E + shared) * expert + E * M, (K + shared) * expert + E * M


def _moe_parameters_cases(generator: torch.Generator):
    yield 7168, 2048, 256, 8, 1  # a layer of V3
    yield 8, 4, 6, 2, 1  # so small that nothing is lost in the tolerance
    for _ in range(4):
        width, inner, experts, shared = _integers(generator, (8, 512), (8, 256), (2, 64), (1, 4))
        yield width, inner, experts, _integers(generator, (1, experts - 1))[0], shared


moe_parameters = Exercise(
    name="moe_parameters",
    cases=_moe_parameters_cases,
    reference=_moe_parameters,
    mistakes=[
        Mistake(
            lambda M, F, E, K, shared: ((E + shared) * 3 * M * F, (K + shared) * 3 * M * F),
            "The router is missing: it has a row of M numbers for each expert, and every token uses all of it.",
        ),
        Mistake(
            lambda M, F, E, K, shared: ((E + shared) * 3 * M * F + E * M, (K + shared) * 3 * M * F + K * M),
            "To choose K experts, the router has to score all E: its whole matrix is active.",
        ),
        Mistake(
            lambda M, F, E, K, shared: (E * 3 * M * F + E * M, K * 3 * M * F + E * M),
            "The shared experts are missing. Every token visits them, too.",
        ),
        Mistake(
            lambda M, F, E, K, shared: ((E + shared) * 2 * M * F + E * M, (K + shared) * 2 * M * F + E * M),
            "A SwiGLU has three matrices: gate, up and down.",
        ),
        Mistake(
            lambda M, F, E, K, shared: _moe_parameters(M, F, E, K, shared)[::-1],
            "The other way round: all parameters first, then those that one token uses.",
        ),
        Mistake(
            lambda M, F, E, K, shared: tuple(n + E for n in _moe_parameters(M, F, E, K, shared)),
            "You counted a bias for each expert. The exercise leaves it out.",
        ),
    ],
    hints=[
        "One expert has three matrices of M * F numbers.",
        "All E + shared experts count in the total; K + shared of them are active.",
        "The router is a matrix of E rows and M columns. Is part of it ever left out?",
    ],
    solution_code=(
        "def moe_parameters(M, F, E, K, shared):\n"
        "    expert, router = 3 * M * F, E * M\n"
        "    return (E + shared) * expert + router, (K + shared) * expert + router"
    ),
)


# --- 2. MaxVio ---


def _max_vio(experts: Tensor, E: int) -> float:
    return max_violation(expert_load(experts, E))


def _max_vio_cases(generator: torch.Generator):
    for _ in range(6):
        tokens, count = _integers(generator, (5, 40), (4, 12))
        k = _integers(generator, (2, 3))[0]
        noise = torch.rand(tokens, count, generator=generator) + torch.linspace(0.5, 0, count)
        yield noise.topk(k, dim=1).indices, count + _integers(generator, (1, 3))[0]  # the last experts are idle
    yield torch.tensor([[0, 1], [1, 2], [2, 0]]), 4  # below the mean is farther away than above it


max_vio = Exercise(
    name="max_vio",
    cases=_max_vio_cases,
    reference=_max_vio,
    mistakes=[
        Mistake(
            lambda experts, E: (
                experts.flatten().bincount().max().item() / experts.flatten().bincount().float().mean().item() - 1
            ),
            "Experts without a single row count in the mean, too: bincount needs minlength=E.",
        ),
        Mistake(
            lambda experts, E: experts.flatten().bincount().max().item() / (experts.numel() / E),
            "That is the busiest expert's share of the mean. MaxVio is how far that is above 1: 0 for an even load.",
        ),
        Mistake(
            lambda experts, E: experts.flatten().bincount().max().item() - experts.numel() / E,
            "That is how many rows the busiest is above the mean. Divide by the mean.",
        ),
        Mistake(
            lambda experts, E: experts[:, 0].bincount().max().item() / (len(experts) / E) - 1,
            "You counted the first expert of each token. All K are rows.",
        ),
        Mistake(
            lambda experts, E: (expert_load(experts, E) * E / experts.numel() - 1).abs().max().item(),
            "You took the largest distance from the mean in either direction. Only the busiest expert counts.",
        ),
    ],
    hints=[
        "First count how many rows each expert gets. There are N * K rows in all.",
        "torch.bincount(experts.flatten(), minlength=E) counts, zeros included.",
        "MaxVio = largest / mean - 1. The mean is the number of rows divided by E.",
    ],
    solution_code=(
        "def max_vio(experts, E):\n"
        "    load = torch.bincount(experts.flatten(), minlength=E)\n"
        "    return load.max().item() / load.float().mean().item() - 1"
    ),
)


# --- 3. V3's weights ---


def _spread(experts: Tensor, weights: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter(1, experts, weights)


def _v3_weights(logits: Tensor, bias: Tensor, K: int, scale: float) -> Tensor:
    router = TopKRouter(1, logits.shape[1], K, routed_scaling_factor=scale)
    router.e_score_correction_bias.copy_(bias)
    scores = logits.sigmoid()
    experts = router.selection_scores(scores).topk(K, dim=1).indices
    return _spread(experts, router.weigh(scores, experts), logits)


def _v3_weights_cases(generator: torch.Generator):
    for _ in range(6):
        tokens, experts = _integers(generator, (2, 6), (5, 16))
        logits = torch.randn(tokens, experts, generator=generator)
        yield logits, 0.5 * torch.randn(experts, generator=generator), _integers(generator, (2, 4))[0], 2.5


def _bias_in_weights(logits, bias, K, scale):
    choice = logits.sigmoid() + bias
    values, experts = choice.topk(K, dim=1)
    return _spread(experts, values / values.sum(dim=1, keepdim=True) * scale, logits)


def _no_bias(logits, bias, K, scale):
    values, experts = logits.sigmoid().topk(K, dim=1)
    return _spread(experts, values / values.sum(dim=1, keepdim=True) * scale, logits)


def _softmax(logits, bias, K, scale):
    scores = logits.softmax(dim=1)
    experts = (scores + bias).topk(K, dim=1).indices
    values = scores.gather(1, experts)
    return _spread(experts, values / values.sum(dim=1, keepdim=True) * scale, logits)


def _normalised_over_all(logits, bias, K, scale):
    scores = logits.sigmoid()
    experts = (scores + bias).topk(K, dim=1).indices
    return _spread(experts, scale * (scores / scores.sum(dim=1, keepdim=True)).gather(1, experts), logits)


def _not_spread(logits, bias, K, scale):
    scores = logits.sigmoid()
    values = scores.gather(1, (scores + bias).topk(K, dim=1).indices)
    return scale * values / values.sum(dim=1, keepdim=True)


def _not_normalised(logits, bias, K, scale):
    scores = logits.sigmoid()
    experts = (scores + bias).topk(K, dim=1).indices
    return _spread(experts, scores.gather(1, experts) * scale, logits)


v3_weights = Exercise(
    name="v3_weights",
    cases=_v3_weights_cases,
    reference=_v3_weights,
    mistakes=[
        Mistake(_bias_in_weights, "The bias got into the weights. It chooses; the weights come from the scores alone."),
        Mistake(
            lambda logits, bias, K, scale: _bias_in_weights((logits + bias).sigmoid().logit(), 0 * bias, K, scale),
            "You added the bias to the logits. It is added to the scores, after the sigmoid, and only to choose.",
        ),
        Mistake(_no_bias, "The bias is not used. The K experts are those with the largest score + bias."),
        Mistake(_softmax, "V3 scores each expert on its own, with a sigmoid. Softmax is V2's."),
        Mistake(_normalised_over_all, "Divide by the sum of the K chosen scores alone, not by that of all experts."),
        Mistake(_not_spread, "These are the weights of the K chosen. Put them into their places among all E."),
        Mistake(_not_normalised, "The K weights should sum to 1 before they are multiplied by the scale."),
        Mistake(lambda *args: _v3_weights(*args) / args[3], "The scale is missing."),
    ],
    hints=[
        "Three steps: scores = sigmoid(logits); choose the K largest of scores + bias; weigh by scores.",
        "topk(...).indices says which. scores.gather(1, indices) fetches their scores.",
        "Divide by the sum of the K, multiply by the scale, and put the weights in their places: "
        "torch.zeros_like(logits).scatter(1, indices, weights).",
    ],
    solution_code=(
        "def v3_weights(logits, bias, K, scale):\n"
        "    scores = logits.sigmoid()\n"
        "    experts = (scores + bias).topk(K, dim=1).indices\n"
        "    weights = scores.gather(1, experts)\n"
        "    weights = scale * weights / weights.sum(dim=1, keepdim=True)\n"
        "    return torch.zeros_like(logits).scatter(1, experts, weights)"
    ),
)


# --- 4. Groups ---


def _limit_groups(choice: Tensor, groups: int, allowed: int) -> Tensor:
    router = TopKRouter(1, choice.shape[1], 1, n_group=groups, topk_group=allowed)
    return router.selection_scores(choice)


def _limit_groups_cases(generator: torch.Generator):
    for _ in range(6):
        tokens, groups, size = _integers(generator, (2, 6), (3, 5), (3, 4))
        yield torch.randn(tokens, groups * size, generator=generator), groups, _integers(generator, (1, groups - 1))[0]


def _by(rank, fill=float("-inf")):
    def limit(choice, groups, allowed):
        parts = choice.unflatten(1, (groups, -1))
        best = rank(parts).topk(allowed, dim=1).indices
        keep = torch.zeros(len(choice), groups, dtype=torch.bool).scatter(1, best, True)
        return parts.masked_fill(~keep[..., None], fill).flatten(1)

    return limit


def _every_nth(choice, groups, allowed):  # expert e in group e % groups
    turned = choice.unflatten(1, (-1, groups)).mT.flatten(1)
    return _limit_groups(turned, groups, allowed).unflatten(1, (groups, -1)).mT.flatten(1)


def _best_two_alone(choice, groups, allowed):
    parts = _limit_groups(choice, groups, allowed).unflatten(1, (groups, -1))
    best = parts.topk(2, dim=2)
    return torch.full_like(parts, float("-inf")).scatter(2, best.indices, best.values).flatten(1)


def _best_two(parts):
    return parts.topk(2, dim=2).values.sum(dim=2)


limit_groups = Exercise(
    name="limit_groups",
    cases=_limit_groups_cases,
    reference=_limit_groups,
    mistakes=[
        Mistake(
            _by(lambda parts: parts.amax(dim=2)),
            "You ranked groups by their best expert, as V2 does. V3 adds the best two.",
        ),
        Mistake(
            _by(lambda parts: parts.sum(dim=2)),
            "You ranked groups by the sum of all their experts. Only the best two count.",
        ),
        Mistake(
            _by(_best_two, fill=0.0), "Closed groups should hold minus infinity: a bias can push open ones below 0."
        ),
        Mistake(
            _every_nth,
            "You put every groups-th expert into a group. Neighbours form one: unflatten(1, (groups, -1)).",
        ),
        Mistake(
            _best_two_alone, "An open group keeps all of its experts. Its best two only decide whether it is open."
        ),
    ],
    hints=[
        "choice.unflatten(1, (groups, -1)) has shape (N, groups, experts per group).",
        "Rank the groups: topk(2, dim=2).values.sum(dim=2). Then keep the `allowed` best groups.",
        "Make a mask of groups with scatter, and give masked_fill the mask with one more dimension.",
    ],
    solution_code=(
        "def limit_groups(choice, groups, allowed):\n"
        "    parts = choice.unflatten(1, (groups, -1))\n"
        "    rank = parts.topk(2, dim=2).values.sum(dim=2)\n"
        "    best = rank.topk(allowed, dim=1).indices\n"
        "    open_groups = torch.zeros_like(rank, dtype=torch.bool).scatter(1, best, True)\n"
        "    return parts.masked_fill(~open_groups[..., None], float('-inf')).flatten(1)"
    ),
)

NOTEBOOK = "3 · Mixture of experts"
ALL = [moe_parameters, max_vio, v3_weights, limit_groups]


def progress() -> None:
    """Print which of this notebook's exercises are solved, and how many of the course."""
    report(NOTEBOOK)
