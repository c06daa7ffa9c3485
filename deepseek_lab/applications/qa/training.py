"""Training the question-answering model, easy passages first.

Fresh examples are drawn in rounds, and each is seen once. A passage about one thing can be answered by its kind of
question alone; with several things the model has to find the one that is asked about, and that it learns only when
reading is learned already: so passages have one thing until enough answers are right, then two, then four.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from deepseek_lab.applications.passages import Example, draw
from deepseek_lab.applications.qa.evaluate import exact_share
from deepseek_lab.applications.qa.model import DeepSeekForQuestionAnswering, answer_places, span_loss
from deepseek_lab.applications.qa.rows import Row, by_length, encode, stack
from deepseek_lab.config import is_number, is_whole, require
from deepseek_lab.moe import record_routing
from deepseek_lab.moe.balance import expert_load, update_bias
from deepseek_lab.training.pretrain import parameter_groups
from deepseek_lab.training.resume import load_state, save_state

LOOK = 200  # examples of each kind at a look
FRESH = 1_000_000  # seeds of rounds start here; smaller ones are for looking and measuring


@dataclass(frozen=True)
class QARecipe:
    """Everything that decides a training but the model and the generator."""

    rounds: int
    examples: int = 512  # drawn for each round
    tokens: int = 2048  # of a batch, with padding
    longest: int = 384  # tokens of a row
    lr: float = 1e-3
    warmup: int = 100  # steps of linear rise
    decay: float = 0.71  # the last share of the rounds, in which the rate falls to a twentieth
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    joined: float = 0.1  # share of passages that get one or two others beside them, after the first stage
    bias_rate: float = 1e-3  # of the routers
    stages: tuple[int, ...] = (1, 2, 4)  # things in a passage
    begin: int = 0  # the stage to begin with: later ones for a model that can read already
    mixed: int = 144  # from this round on, every other round of the last stage is of the first one's length again
    bar: float = 0.6  # share of right answers from which on the next stage begins
    look_every: int = 8  # rounds
    bf16: bool = True  # products by autocast, all else in fp32: half as fast again where the processor has bf16
    seed: int = 0

    def __post_init__(self):
        for name in ("rounds", "examples", "tokens", "longest", "look_every"):
            value = getattr(self, name)
            require(is_whole(value) and value >= 1, name, value, "a whole number of at least 1")
        for name in ("lr", "clip", "decay", "bar"):
            value = getattr(self, name)
            require(is_number(value) and value > 0, name, value, "a number above 0")
        require(
            is_whole(self.begin) and 0 <= self.begin < len(self.stages), "begin", self.begin, "the number of a stage"
        )
        require(self.longest <= self.tokens, "longest", self.longest, f"at most tokens, {self.tokens}")

    def rate(self, rounds_done: float, step: int) -> float:
        """The learning rate: warm-up by steps, then stable, then a fall by rounds."""
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        left = (self.rounds - rounds_done) / (self.decay * self.rounds)
        return self.lr * min(rise, 0.05 + 0.95 * min(1.0, max(0.0, left)))

    def objection(self, saved: dict, done: int) -> str | None:
        """Why a training begun with another recipe can't go on with this one. `rounds` may change before the decay."""
        wanted = json.loads(json.dumps(asdict(self)))  # tuples as lists, as in a saved recipe
        for name, value in wanted.items():
            before = saved.get(name)
            if name != "rounds" and before != value:
                return f"{name} was {before!r} and is now {value!r}"
        starts = min(saved["rounds"], self.rounds) * (1 - self.decay)
        if saved["rounds"] != self.rounds and done > starts + 1:
            return f"rounds was {saved['rounds']} and is now {self.rounds}, but after {done} the rate falls already"
        return None


@dataclass
class QAHistory:
    """What a training has seen: one entry for each round in the lists; looks by the round they came after."""

    loss: list[float] = field(default_factory=list)  # nats, of spans alone
    stage: list[int] = field(default_factory=list)
    steps: int = 0
    examples: int = 0
    tokens: int = 0  # without padding
    seconds: float = 0.0
    validation: dict[int, list[float]] = field(default_factory=dict)  # right: of this stage, of new passages


def losses(
    model: DeepSeekForQuestionAnswering, rows: list[Row], places: list[tuple[int, int]], bf16: bool
) -> tuple[Tensor, dict]:
    """The span loss of a batch, a scalar in nats, and each router's load."""
    end_token_id = model.model.config.eos_token_id
    ids, mask = stack([row.ids for row in rows], end_token_id)
    real, starts_ends = mask.bool(), torch.tensor(places)
    with record_routing(model) as records, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        start, end = model.span_logits(model.hidden_states(ids, real))
    allowed = answer_places(ids, real, end_token_id)
    loads = {router: expert_load(routing.experts, router.n_routed_experts) for router, routing in records}
    return span_loss(start, end, allowed, starts_ends[:, 0], starts_ends[:, 1]), loads


def join(examples: list[Example], share: float, rng: random.Random) -> list[tuple[str, str, int, int]]:
    """(question, context, start, end) of each; a share of the contexts between others, of other topics.

    Where there is no answer, both are -1.
    """
    joined = []
    for example in examples:
        before, after, context = [], [], example.context
        if rng.random() < share:
            for other in rng.choices(examples, k=rng.randint(1, 2)):
                if other.topic != example.topic and other.language == example.language:
                    (before if rng.random() < 0.5 else after).append(other.context)
        shift = sum(len(text) + 1 for text in before)
        context = "\n".join([*before, context, *after])
        start = shift + example.start if example.answers else -1
        joined.append((example.question, context, start, start + len(example.answers[0]) if example.answers else -1))
    return joined


def things(recipe: QARecipe, number: int, stage: int) -> int:
    """How many things a passage of this round is about at most.

    Short passages teach what words mean at half the price of long ones.
    """
    short = stage == len(recipe.stages) - 1 and number >= recipe.mixed and number % 2 == 1
    return recipe.stages[0 if short else stage]


def drawn(seed: int, count: int, entities: int, stage: int) -> list[Example]:
    """Examples for a stage. In the first, all have an answer: "not in the context" would be learned before reading."""
    examples = draw(seed, count, "train", entities=entities)
    return examples if stage else [example for example in examples if example.answers]


def round_batches(
    tokenizer, recipe: QARecipe, number: int, stage: int
) -> Iterator[tuple[list[Row], list[tuple[int, int]]]]:
    """The batches of a round: rows, and the places of their answers. They depend on nothing but these arguments."""
    rng = random.Random(f"{recipe.seed} {number}")
    examples = drawn(FRESH * (recipe.seed + 1) + number, recipe.examples, things(recipe, number, stage), stage)
    rows, places = [], []
    share = recipe.joined if stage else 0.0
    for question, context, start, end in join(examples, share, rng):
        row = encode(tokenizer, question, context)
        if len(row.ids) <= recipe.longest:
            rows.append(row)
            places.append((0, 0) if start < 0 else row.places(start, end))
    batches = list(by_length([len(row.ids) for row in rows], recipe.tokens))
    rng.shuffle(batches)
    for batch in batches:
        yield [rows[i] for i in batch], [places[i] for i in batch]


def train_qa(
    model: DeepSeekForQuestionAnswering,
    tokenizer,
    recipe: QARecipe,
    *,
    folder: Path,
    after_round: Callable[[int, QAHistory], None] | None = None,
) -> QAHistory:
    """Train in place, or carry on what the folder holds; return what was seen. The state is saved at every look."""
    model.train()
    groups = parameter_groups(model, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=True)
    history = QAHistory()
    done = load_state(folder, model, optimizer, history, recipe.objection)
    stage = history.stage[-1] if history.stage else recipe.begin
    stage = next_stage(history, recipe, stage)
    while done < recipe.rounds:
        begun = time.perf_counter()
        run_round(model, optimizer, tokenizer, recipe, done, stage, history)
        history.seconds += time.perf_counter() - begun
        done += 1
        if done % recipe.look_every == 0 or done == recipe.rounds:
            model.eval()
            seen = drawn(1, LOOK, recipe.stages[stage], stage)
            history.validation[done] = [
                exact_share(model, tokenizer, seen, threshold=0.0 if stage else -math.inf),
                exact_share(model, tokenizer, draw(1, LOOK, "new passage")),
            ]
            model.train()
            save_state(folder, model, optimizer, history, asdict(recipe))
        stage = next_stage(history, recipe, stage)
        if after_round is not None:
            after_round(done, history)
    model.eval()
    return history


def next_stage(history: QAHistory, recipe: QARecipe, stage: int) -> int:
    """The stage of the next round: one further if the last look was passed."""
    done = len(history.loss)
    passed = done in history.validation and history.validation[done][0] >= recipe.bar
    return min(stage + passed, len(recipe.stages) - 1)


def run_round(
    model: DeepSeekForQuestionAnswering,
    optimizer: torch.optim.Optimizer,
    tokenizer,
    recipe: QARecipe,
    number: int,
    stage: int,
    history: QAHistory,
) -> None:
    """One step for each batch of a round; appends to the history. Raises `ValueError` if a loss isn't finite."""
    batches, total = list(round_batches(tokenizer, recipe, number, stage)), 0.0
    for at, (rows, places) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(number + at / len(batches), history.steps)
        loss, loads = losses(model, rows, places, recipe.bf16)
        if not loss.isfinite():
            raise ValueError(f"round {number}: the loss is {loss.item()}; try a smaller learning rate")
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        for router, load in loads.items():
            update_bias(router.e_score_correction_bias, load, recipe.bias_rate)
        total += loss.item() * len(rows)
        history.steps += 1
        history.examples += len(rows)
        history.tokens += sum(len(row.ids) for row in rows)
    history.loss.append(total / max(1, sum(len(rows) for rows, _ in batches)))
    history.stage.append(stage)
