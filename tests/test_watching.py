"""Writing with the lid open: what is seen is what the model's own modules compute, and the text is `generate`'s."""

import json
from types import SimpleNamespace

import pytest
import torch
from helpers import tiny

from deepseek_lab import generate, load_pretrained
from deepseek_lab.course.setup import data_path
from deepseek_lab.inference.watching import BEGIN, END, newest_weights, watch_writing
from deepseek_lab.moe import record_routing


@pytest.fixture(scope="module")
def lab():
    from transformers import AutoTokenizer

    folder = data_path("checkpoints/lab")
    return load_pretrained(folder), AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def watched(lab):
    scene, steps = watch_writing(*lab, "def read(path):\n    with open(path", 12)
    return scene, list(steps)


def whole_text(lab, count: int = 12) -> torch.Tensor:
    model, tokenizer = lab
    ids = [tokenizer.bos_token_id, *tokenizer("def read(path):\n    with open(path").input_ids]
    return generate(model, torch.tensor([ids]), count)


def attention_inputs(model, ids: torch.Tensor) -> list[torch.Tensor]:
    """What each layer's attention works on, without a cache: (1, T, M)."""
    taken = []
    hooks = [
        block.self_attn.register_forward_pre_hook(lambda _m, inputs: taken.append(inputs[0])) for block in model.blocks
    ]
    with torch.no_grad():
        model(ids)
    for hook in hooks:
        hook.remove()
    return taken


def test_the_text_is_that_of_generate(lab, watched):
    scene, steps = watched
    written = [*scene.prompt, *(step.piece for step in steps)]
    ids = whole_text(lab)[0].tolist()
    assert written == [BEGIN, *(lab[1].decode([token]) for token in ids[1:])]


def test_attention_is_that_of_the_layers(lab, watched):
    """`attention_weights`, for the whole text at once and without a cache, in every layer and at every step."""
    scene, steps = watched
    ids = whole_text(lab)[:, :-1]
    for layer, inputs in enumerate(attention_inputs(lab[0], ids)):
        with torch.no_grad():
            weights = lab[0].blocks[layer].self_attn.attention_weights(inputs)[0].mean(dim=0)  # (T, T)
        for step, written in enumerate(steps):
            at = len(scene.prompt) + step - 1
            assert torch.allclose(written.attention[layer], weights[at, : at + 1], atol=2e-6)


def test_newest_weights_of_each_head():
    model = tiny.model()
    ids = torch.randint(0, model.config.vocab_size, (2, 9))
    inputs = attention_inputs(model, ids)
    cache = model.new_cache(2, 9)
    with torch.no_grad():
        model(ids, cache=cache)
        for block, layer, x in zip(model.blocks, cache.layers, inputs, strict=True):
            found = newest_weights(block.self_attn, x, layer, block.self_attn.rotary(x, None))
            assert torch.allclose(found, block.self_attn.attention_weights(x)[:, :, -1], atol=1e-6)


def test_experts_are_those_of_the_routers(lab, watched):
    scene, steps = watched
    ids = whole_text(lab)[:, :-1]
    with record_routing(lab[0]) as records, torch.no_grad():
        lab[0](ids)
    assert scene.expert_layers == (1, 2, 3) and scene.experts == 24 and len(records) == 3
    for row, (_, routing) in enumerate(records):
        for step, written in enumerate(steps):
            at = len(scene.prompt) + step - 1
            theirs = dict(zip(routing.experts[at].tolist(), routing.weights[at].tolist(), strict=True))
            ours = dict(zip(written.chosen[row].tolist(), written.weights[row].tolist(), strict=True))
            assert ours == pytest.approx(theirs, abs=1e-5)


def test_probabilities_are_those_of_the_logits(lab, watched):
    ids = whole_text(lab)
    with torch.no_grad():
        shares = lab[0](ids[:, :-1])[0].softmax(dim=-1)
    scene, steps = watched
    for step, written in enumerate(steps):
        at = len(scene.prompt) + step - 1
        assert written.probability == pytest.approx(float(shares[at, ids[0, at + 1]]), abs=1e-5)
        assert [share for _, share in written.likeliest] == pytest.approx(shares[at].topk(5).values.tolist(), abs=1e-5)
        assert written.likeliest[0] == (written.piece, written.probability)  # greedy


def test_bytes_are_those_of_the_cache(lab, watched):
    scene, steps = watched
    exact = lab[0].new_cache(1, len(scene.prompt) + len(steps) - 1)  # just enough for what the last pass has read
    assert sum(steps[-1].cache_bytes) == exact.nbytes == (len(scene.prompt) + 11) * scene.token_bytes
    assert steps[-1].cache_bytes == tuple(layer.nbytes for layer in exact.layers)
    config = lab[0].config
    assert scene.full_bytes == 4 * 2 * config.num_attention_heads * config.v_head_dim * config.num_hidden_layers


def test_tokens_come_one_at_a_time(lab):
    """Nothing is computed before it is asked for, and each token goes through the model once."""
    model, _ = lab
    lengths = []
    hook = model.model.register_forward_hook(lambda _m, inputs, _out: lengths.append(inputs[0].shape[1]))
    try:
        _, steps = watch_writing(*lab, "import", 5)
        assert lengths == []
        next(steps)
        next(steps)
        assert lengths == [2, 1]
    finally:
        hook.remove()
    assert not any(block.self_attn._forward_hooks for block in model.blocks), "hooks stay behind"
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_drawn_text_follows_the_seed(lab):
    def text(seed: int) -> str:
        return "".join(step.piece for step in watch_writing(*lab, "import", 12, 1.0, seed)[1])

    assert text(0) == text(0) != text(1)


class Letters:
    """A tokenizer whose tokens are letters, with a begin token, and an end token that may be any letter's."""

    bos_token_id = 0

    def __init__(self, end: int = 1):
        self.eos_token_id = end

    def __call__(self, text: str, **_) -> SimpleNamespace:
        return SimpleNamespace(input_ids=[ord(letter) - 95 for letter in text])

    def decode(self, ids: list[int]) -> str:
        return chr(95 + ids[0])


def test_it_ends_where_the_model_ends():
    model = tiny.model()
    _, steps = watch_writing(model, Letters(), "hello", 6)
    written = [step.piece for step in steps]
    assert len(written) == 6
    end = ord(written[3]) - 95
    _, steps = watch_writing(model, Letters(end), "hello", 6)
    assert [step.piece for step in steps] == [*written[: written.index(written[3])], END]


def test_a_model_without_experts():
    model = tiny.model(config=tiny.TINY.replace(first_k_dense_replace=2))
    scene, steps = watch_writing(model, Letters(), "hello", 2)
    assert scene.expert_layers == () and scene.experts == 0
    assert all(step.chosen.numel() == step.weights.numel() == 0 for step in steps)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("", 5), "prompt: got '', but it takes at least one character"),
        ((7, 5), "prompt: got 7, but it takes at least one character"),
        (("x", 0), "max_new_tokens"),
        (("x", 2.5), "max_new_tokens"),
        (("x", 5, -1.0), "temperature"),
        (("x", 5, 0.0, "seed"), "seed: got 'seed', but it takes a whole number"),
        (("x y " * 1000, 24), "tokens of the prompt: got"),
        (("x", 1024), "at most 0, since 1024 more are to be written and 1024 is all"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(lab, arguments, words):
    with pytest.raises(ValueError) as error:
        watch_writing(*lab, *arguments)
    assert words in str(error.value)


def test_models_that_read_a_part_only_are_refused(lab):
    with pytest.raises(ValueError, match="model: got 'deepseek_v32', but it takes deepseek_v2 or deepseek_v3"):
        watch_writing(SimpleNamespace(config=SimpleNamespace(model_type="deepseek_v32")), lab[1], "x", 1)


def test_parts_of_a_character_are_tokens_too(lab):
    scene, steps = watch_writing(*lab, "a😀", 1)
    assert scene.prompt == (BEGIN, "a", "\ufffd", "\ufffd", "\ufffd") and json.dumps(next(steps).piece)
