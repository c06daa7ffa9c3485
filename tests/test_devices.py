"""What the package does on a device is what it does on the CPU: models, caches, ways to write, trainings.

Inputs and models are moved there; all that is made on the way has to be made there as well, or be brought.
"""

from pathlib import Path

import pytest
import torch
from helpers import families, tiny
from helpers.compare import relative_error
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from deepseek_lab import generate, load_pretrained, save_pretrained
from deepseek_lab.applications.qa.spans import answer
from deepseek_lab.inference import (
    Batcher,
    MTPDrafter,
    PagedCache,
    PagedDisk,
    PrefixStore,
    PromptLookup,
    complete_texts,
    generate_batch,
    quantised_cache,
    speculate,
    stream_text,
)
from deepseek_lab.inference.reading import VARIANTS, LabReader
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.inference.watching import watch_writing
from deepseek_lab.model.attention_kinds import filled_cache, one_of_each
from deepseek_lab.model.lab_indexers import LabIndexers
from deepseek_lab.model.needle_models import needle_model
from deepseek_lab.model.small_moe import small_moe
from deepseek_lab.training import needle
from deepseek_lab.training.balancing import Balancing, held_out_loads
from deepseek_lab.training.corpus import Corpus
from deepseek_lab.training.loop import train, validation_loss
from deepseek_lab.training.pretrain import Recipe, pretrain
from deepseek_lab.training.snapshots import Snapshots, routing_history

DATA = Path(__file__).parents[1] / "data" / "checkpoints"
PROMPTS = [[5, 9, 33, 2, 2, 60, 41], [7], [1, 2, 3, 4, 1, 2, 3]]
each_family = pytest.mark.parametrize("family", families.CONFIGS)


def quiet(loop, _label):
    return loop


@each_family
def test_whole_model(device, family):
    """One pass, its gradients, and pieces with a cache."""
    ids, (ours, on_cpu) = torch.tensor([[*range(17)], [*range(40, 57)]]), (families.model(family) for _ in range(2))
    expected, moved = on_cpu(ids), ids.to(device)
    output = ours.to(device)(moved)
    assert output.device.type == device and relative_error(output, expected) < 1e-5
    for logits in (expected, output):
        logits.square().mean().backward()
    for (name, parameter), other in zip(ours.named_parameters(), on_cpu.parameters(), strict=True):
        if other.grad is not None:
            assert parameter.grad.device.type == device, name
            error = (parameter.grad.cpu() - other.grad).abs().max() / other.grad.abs().max().clamp_min(1e-3)
            assert error < 1e-3, name
    cache = ours.new_cache(2, 17)
    pieces = [ours(moved[:, start:end], cache) for start, end in ((0, 7), (7, 8), (8, 17))]
    assert relative_error(torch.cat(pieces, dim=1), expected) < 1e-5


@each_family
def test_saved_from_there(device, family, tmp_path):
    model = families.model(family).to(device)
    save_pretrained(model, tmp_path)
    loaded = load_pretrained(tmp_path, device=device)
    assert all(torch.equal(mine, its) for mine, its in zip(loaded.parameters(), model.parameters(), strict=True))


@each_family
def test_ways_to_write(device, family, tmp_path):
    """Alone, drawn, in a batch with evictions and a disk, and speculatively: the tokens of plain writing on the CPU."""
    on_cpu, model = families.model(family), families.model(family).to(device)
    expected = [generate(on_cpu, torch.tensor([prompt]), 9)[0].tolist() for prompt in PROMPTS]
    ids = [torch.tensor([prompt], device=device) for prompt in PROMPTS]
    assert [generate(model, one, 9)[0].tolist() for one in ids] == expected
    new = [tokens[len(prompt) :] for tokens, prompt in zip(expected, PROMPTS, strict=True)]
    assert generate_batch(model, PROMPTS, 9) == new
    for _ in range(2):  # the second finds beginnings on the disk
        cache = PagedCache(model, blocks=9, block_size=4, sequences=3)
        batcher = Batcher(cache, max_batch=3, disk=PagedDisk(cache, PrefixStore(tmp_path, 10**7)))
        requests = [batcher.submit(prompt, 9) for prompt in PROMPTS]
        batcher.run()
        assert [request.tokens for request in requests] == new
    assert speculate(model, ids[2], 9, PromptLookup(2, 3)).tokens.tolist() == [expected[2]]
    drawn = [
        generate(model, ids[0], 9, 0.8, top_k=9, top_p=0.9, repetition_penalty=1.2,
                 generator=torch.Generator(device).manual_seed(3)) for _ in range(2)
    ]  # fmt: skip
    assert torch.equal(*drawn)
    generate_batch(model, PROMPTS, 9, Sampling(0.8, top_k=9), seed=2)


def test_a_prediction_module_drafts(device):
    model = families.model("v3", mtp=True).to(device)
    ids = torch.tensor([PROMPTS[0]], device=device)
    assert torch.equal(speculate(model, ids, 9, MTPDrafter(model)).tokens, generate(model, ids, 9))
    seed = torch.Generator(device).manual_seed(0)
    speculate(model, ids, 9, MTPDrafter(model), temperature=0.9, top_k=20, generator=seed)


@pytest.mark.parametrize("bits", [4, 8])
def test_latents_as_integers(device, bits):
    model, on_cpu, ids = families.model("v3").to(device), families.model("v3"), torch.tensor([PROMPTS[0]])
    expected = on_cpu(ids, quantised_cache(on_cpu, 1, 7, bits))
    assert relative_error(model(ids.to(device), quantised_cache(model, 1, 7, bits)), expected) < 1e-3


@pytest.fixture(scope="module")
def lab(device):
    return load_pretrained(DATA / "lab", device=device), AutoTokenizer.from_pretrained(DATA / "lab")


def test_text(lab):
    model, tokenizer = lab
    prompt = "def add(a, b):"
    ((text, _),) = complete_texts(model, tokenizer, [prompt], 12)
    assert "".join(stream_text(model, tokenizer, prompt, 12)) == text
    _, coming = watch_writing(model, tokenizer, prompt, 4)
    written = list(coming)
    assert text.startswith("".join(token.piece for token in written))
    assert all(token.attention.device.type == "cpu" for token in written)


def test_what_is_read_of_a_text(lab):
    model, tokenizer = lab
    reader = LabReader(model, tokenizer, LabIndexers(model.config).to(model.lm_head.weight.device))
    for variant in VARIANTS:
        branches = reader.branches("def add(a, b):\n    return a", variant, window=4, compression=4, topk=3)
        assert branches and all(branch.kept.device.type == "cpu" for branch in branches)


def test_every_kind_of_attention(device):
    for name, layer in one_of_each(device).items():
        output = layer(torch.randn(1, 1, layer.config.hidden_size, device=device), filled_cache(layer, 200))
        assert output.device.type == device and output.isfinite().all(), name


def text_of(count: int) -> torch.Tensor:
    return (torch.arange(count) % 97).to(torch.uint8)


def test_training_with_balancing(device):
    """From the CPU's bytes; the same texts and the same start as on the CPU, so nearly the same losses."""
    corpus, losses = Corpus(text_of(2000), text_of(900)), {}
    for place in ("cpu", device):
        torch.manual_seed(0)
        model = small_moe(4, 2, 16).to(place)
        balancing, snapshots = Balancing(model, "bias", 0.01), Snapshots(model, [0, 2])
        after = lambda balancing=balancing, snapshots=snapshots: (balancing.after_step(), snapshots.after_step())  # noqa: E731
        losses[place] = train(
            model, corpus, 3, batch=2, length=16, loss=balancing.loss, after_step=after, progress=quiet
        )
        losses[place].append(validation_loss(model, corpus, 16, windows=4))
        held_out_loads(model, corpus, 16, windows=4, batch=2)
        routing_history(snapshots, torch.arange(9)[None].to(place))
    assert losses[device] == pytest.approx(losses["cpu"], rel=1e-3)


@pytest.mark.parametrize("kind", ["dense", "DSA", "CSA"])
def test_needle_training(device, kind):
    torch.manual_seed(0)
    task = needle.NeedleTask(pairs=3, filler=5, gap=32, questions=2)
    model = needle_model(kind, task.vocab_size).to(device)
    copied = needle.train_needle(model, task, 4, warmup=1, progress=quiet)
    score = needle.score_needle(model, task, texts=4, batch=2)
    assert len(copied) == 4 and 0 <= score.exact <= 1


def test_pretraining_goes_on_from_a_file(device, tmp_path):
    """Three steps, then three more: as six in a row."""
    corpus, runs = tiny.corpus(), []
    for steps in ((6,), (3, 6)):
        folder = tmp_path / str(len(steps))
        for last in steps:
            model = tiny.model().to(device)
            recipe = Recipe(**tiny.RECIPE | {"steps": 6})
            stop = None if last == 6 else stopping(last)
            try:
                history = pretrain(
                    model,
                    corpus,
                    recipe,
                    folder=folder,
                    save_every=3,
                    validate_every=6,
                    progress=quiet,
                    after_step=stop,
                )
            except StopIteration:
                continue
        runs.append(history.loss)
    assert runs[0] == pytest.approx(runs[1], rel=1e-3)


def stopping(at: int):
    """Ends a training after so many steps, as an interrupt does."""

    def after_step(done, _history):
        if done == at:
            raise StopIteration

    return after_step


def test_questions_are_answered(device):
    folder = DATA / "qa"
    reader = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = "How many experts are there?", "The layer has 16 experts, of which each token visits two."
    expected = answer(reader, tokenizer, *asked)
    found = answer(reader.to(device), tokenizer, *asked)
    assert found.text == expected.text
