"""The needle task: find a key far back in the text and copy the value behind it, token by token.

A text is made of pairs, a key and its value, scattered among filler at random places; then a gap, filler again, longer
than what windows pass on from layer to layer; then questions. A question is a key, and the answer its whole value:
nothing short of the exact tokens counts. Any pair may be asked for, so none can be thrown away as unimportant. The
last question is another: of which topic was most of the filler? That is a gist, for which a blurred memory is enough.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from deepseek_lab.config import require, require_whole
from deepseek_lab.training.indexers import (
    get_index_topk,
    index_losses,
    indexer_parameters,
    record_inputs,
    set_index_topk,
)

TOPICS, WORDS = 4, 4  # topics of filler, and words of each
EVERYWHERE, GIST = 0.5, 0.2  # weights of the losses on every token and on the gist, beside that on copies
INDEX_LR, INDEX_TEXTS = 3e-3, 16  # for indexers: learning rate, and texts of each batch that they learn from


@dataclass(frozen=True)
class NeedleTask:
    """How texts are made. Counts are of tokens, unless they say otherwise. Raises `ValueError` for what can't be.

    Token ids, in this order: keys, values, filler (topic by topic), the gist's question, its answers (a topic each).
    """

    pairs: int = 12  # keys in the text, all different
    filler: int = 24  # between the pairs; more than half of it is of one topic
    gap: int = 32  # filler of all topics alike, between the text and the questions
    questions: int = 8  # pairs asked for
    keys: int = 16  # different ones to draw from
    values: int = 8  # different tokens that values are made of
    value_length: int = 2

    def __post_init__(self):
        counts = {name: getattr(self, name) for name in ("pairs", "filler", "questions", "values", "value_length")}
        require_whole(1, **counts)
        require_whole(0, gap=self.gap)
        require_whole(self.pairs, keys=self.keys)
        require(
            self.questions <= self.pairs, "questions", self.questions, f"at most one for each of {self.pairs} pairs"
        )

    @property
    def vocab_size(self) -> int:
        """Different tokens."""
        return self.keys + self.values + TOPICS * WORDS + 1 + TOPICS

    @property
    def gist(self) -> int:
        """The token that asks for the topic; the topics' own tokens follow it."""
        return self.keys + self.values + TOPICS * WORDS

    @property
    def body(self) -> int:
        """Tokens before the gap."""
        return self.pairs * (1 + self.value_length) + self.filler

    @property
    def length(self) -> int:
        """Tokens in all."""
        return self.body + self.gap + self.questions * (1 + self.value_length) + 2


@dataclass(frozen=True)
class NeedleBatch:
    """B texts with Q questions each."""

    tokens: Tensor  # (B, T)
    answers: Tensor  # (B, Q, value_length): the places in the text where the answers stand; the token before predicts
    distance: Tensor  # (B, Q): how far back the needle's key is from the question's key, in tokens

    @property
    def gist_answer(self) -> int:
        """The place of the gist's answer: the last token."""
        return self.tokens.shape[1] - 1

    def to(self, device) -> "NeedleBatch":
        """The same texts on another device; places and distances stay."""
        return replace(self, tokens=self.tokens.to(device))


def needle_batch(task: NeedleTask, batch: int, generator: torch.Generator) -> NeedleBatch:
    """`batch` random texts. The same state of the generator means the same texts."""

    def draw(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    pairs, width = task.pairs, 1 + task.value_length
    shuffled = torch.rand(batch, task.keys, generator=generator).argsort(dim=1)[:, :pairs]
    values = task.keys + draw(task.values, batch, pairs, task.value_length)
    needles = torch.cat([shuffled[..., None], values], dim=-1)  # (B, P, 1 + value_length)

    # Pairs and single words of filler in random order; the items' lengths say where each begins.
    order = torch.rand(batch, pairs + task.filler, generator=generator).argsort(dim=1)
    lengths = torch.where(order < pairs, width, 1)
    starts = torch.empty_like(order).scatter_(1, order, lengths.cumsum(dim=1) - lengths)
    topic = draw(TOPICS, batch)
    words = task.keys + task.values + draw(TOPICS * WORDS, batch, task.body + task.gap)
    of_topic = torch.rand(batch, task.body, generator=generator) < 0.5
    on_topic = task.keys + task.values + topic[:, None] * WORDS + draw(WORDS, batch, task.body)
    text = torch.cat([on_topic.where(of_topic, words[:, : task.body]), words[:, task.body :]], dim=1)
    places = starts[:, :pairs, None] + torch.arange(width)  # (B, P, 1 + value_length)
    text.scatter_(1, places.flatten(1), needles.flatten(1))

    asked = torch.rand(batch, pairs, generator=generator).argsort(dim=1)[:, : task.questions]
    questions = needles.gather(1, asked[..., None].expand(-1, -1, width))
    gist = torch.stack([torch.full_like(topic, task.gist), task.gist + 1 + topic], dim=1)
    tokens = torch.cat([text, questions.flatten(1), gist], dim=1)
    first = text.shape[1] + width * torch.arange(asked.shape[1])  # the questions' keys
    answers = (first[:, None] + torch.arange(1, width)).expand(batch, -1, -1)
    return NeedleBatch(tokens, answers, first - starts.gather(1, asked))


def needle_logits(model: nn.Module, batch: NeedleBatch) -> tuple[Tensor, Tensor, Tensor]:
    """All logits (B, T - 1, V), those that answer (B, A, V), and the right answers (B, A); the gist comes last."""
    logits = model(batch.tokens[:, :-1])
    places = torch.cat([batch.answers.flatten(1), torch.full((len(batch.tokens), 1), batch.gist_answer)], dim=1)
    places = places.to(batch.tokens.device)
    answering = logits.gather(1, (places - 1)[..., None].expand(-1, -1, logits.shape[-1]))
    return logits, answering, batch.tokens.gather(1, places)


def needle_loss(model: nn.Module, batch: NeedleBatch) -> tuple[Tensor, float]:
    """Cross-entropy in nats: of copies, of the gist, and of every token. Also the share of exact copies in the batch.

    Predicting the whole text beside the answers, as language models do, makes copying come several times as early: with
    the answers alone, models of this size stayed at half of the first tokens of values for hundreds of steps.
    """
    logits, answering, right = needle_logits(model, batch)
    loss = F.cross_entropy(answering[:, :-1].flatten(0, 1), right[:, :-1].flatten())
    loss = loss + GIST * F.cross_entropy(answering[:, -1], right[:, -1])
    loss = loss + EVERYWHERE * F.cross_entropy(logits.flatten(0, 1), batch.tokens[:, 1:].flatten())
    hits = (answering.detach().argmax(dim=-1) == right)[:, :-1].unflatten(1, batch.answers.shape[1:])
    return loss, hits.all(dim=-1).float().mean().item()


@dataclass(frozen=True)
class NeedleScore:
    """Shares of questions answered right, from 0 to 1."""

    exact: float  # the whole value, as greedy decoding would write it
    token: float  # tokens of values, each after the right ones before it
    gist: float
    by_distance: list[dict]  # {"from", "to", "questions", "exact"}: `from` <= distance < `to`, in tokens


@torch.no_grad()
def score_needle(
    model: nn.Module, task: NeedleTask, texts: int = 256, seed: int = 1234, bins: int = 5, batch: int = 64
) -> NeedleScore:
    """Ask the model about the same `texts` every time. `bins` of distance are equally wide."""
    device, generator = next(model.parameters()).device, torch.Generator().manual_seed(seed)
    hits, gists, distances = [], [], []
    for start in range(0, texts, batch):
        part = needle_batch(task, min(batch, texts - start), generator)
        _, answering, right = needle_logits(model, part.to(device))
        right = (answering.argmax(dim=-1) == right).cpu()
        hits.append(right[:, :-1].unflatten(1, part.answers.shape[1:]))
        gists.append(right[:, -1])
        distances.append(part.distance)
    hit, gist, distance = torch.cat(hits), torch.cat(gists), torch.cat(distances)
    exact, (low, high) = hit.all(dim=-1), distance_range(task)
    edges = [round(low + (high + 1 - low) * i / bins) for i in range(bins + 1)]
    rows = []
    for start, end in pairwise(edges):
        inside = exact[(distance >= start) & (distance < end)].float()
        share = round(inside.mean().item(), 4) if len(inside) else None
        rows.append({"from": start, "to": end, "questions": len(inside), "exact": share})
    return NeedleScore(exact.float().mean().item(), hit.float().mean().item(), gist.float().mean().item(), rows)


def distance_range(task: NeedleTask) -> tuple[int, int]:
    """The smallest and the largest distance there can be between a question's key and its needle, in tokens."""
    width = 1 + task.value_length
    return task.gap + width, task.body + task.gap + (task.questions - 1) * width


@dataclass(frozen=True)
class Stage:
    """A part of the training: how long, on which texts, how many at a time."""

    steps: int
    task: NeedleTask
    batch: int


def curriculum(task: NeedleTask, steps: int, gaps: tuple[int, int] = (4, 8)) -> list[Stage]:
    """From texts with a third of the pairs and hardly any filler, over two thirds, to the task itself.

    Finding one pair among few is learned in a fraction of the steps; what was learned then works on longer texts.
    `gaps` are those of the first two stages. A layer whose entries stand for 32 tokens sees little behind shorter ones.
    """
    first, second = round(0.4 * steps), round(0.2 * steps)
    few, more = max(1, task.pairs // 3), max(1, task.pairs * 2 // 3)
    short = replace(task, pairs=few, questions=min(few, task.questions), filler=few, gap=min(task.gap, gaps[0]))
    middle = replace(task, pairs=more, questions=min(more, task.questions), filler=more, gap=min(task.gap, gaps[1]))
    return [Stage(first, short, 64), Stage(second, middle, 64), Stage(steps - first - second, task, 32)]


def train_needle(
    model: nn.Module,
    task: NeedleTask,
    steps: int = 450,
    *,
    lr: float = 6e-3,
    seed: int = 0,
    sparse: float = 0.25,
    warmup: int = 100,
    gaps: tuple[int, int] = (4, 8),
    progress: Callable[[Iterable, str], Iterable] | None = None,
) -> list[float]:
    """Train in place along `curriculum`; return the share of exact copies in each step's batch.

    A model with indexers goes DeepSeek's way: it reads everything at first; then it stands still for `warmup` steps,
    while the indexers learn what its attention looks at; for the last share `sparse` of the steps it reads only what
    they pick, and they follow. Those `warmup` steps come on top; they change nothing but the indexers.
    """
    device, topk = next(model.parameters()).device, get_index_topk(model)
    indexers = indexer_parameters(model)
    known = {id(p) for p in indexers}
    own = [p for p in model.parameters() if id(p) not in known]
    optimizer = torch.optim.AdamW(own, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    followers = torch.optim.AdamW(indexers, lr=INDEX_LR, betas=(0.9, 0.98), fused=True) if indexers else None
    generator, copied = torch.Generator().manual_seed(seed), []
    plan = [stage for stage in curriculum(task, steps, gaps) for _ in range(stage.steps)]
    turn = steps - round(sparse * steps) if indexers else steps
    set_index_topk(model, task.length)  # everything
    wrap = progress or (lambda loop, label: tqdm(loop, desc=label))
    model.train()
    try:
        for step in wrap(range(steps), "training"):
            if step == turn:
                for _ in range(warmup):
                    batch = needle_batch(task, INDEX_TEXTS, generator).to(device)
                    with record_inputs(model) as inputs, torch.no_grad():
                        model(batch.tokens)
                    _step(followers, index_losses(inputs))
                set_index_topk(model, topk)
            for group in optimizer.param_groups:
                group["lr"] = lr * _schedule(step, steps)
            batch = needle_batch(plan[step].task, plan[step].batch, generator).to(device)
            with record_inputs(model) as inputs:
                loss, exact = needle_loss(model, batch)
            _step(optimizer, loss)
            if step >= turn:
                _step(followers, index_losses({layer: x[:INDEX_TEXTS] for layer, x in inputs.items()}, sparse=True))
            copied.append(exact)
    finally:
        set_index_topk(model, topk)  # whoever interrupts a training may use the model, or train it on
        model.eval()
    return copied


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()


def _schedule(step: int, steps: int) -> float:
    """A warm-up over 7 % of the steps, then level, and for the last 40 % down to a tenth in a straight line."""
    return min((step + 1) / max(1.0, 0.07 * steps), 1.0, 0.1 + 0.9 * (steps - step) / (0.4 * steps))
