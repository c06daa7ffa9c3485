"""Whose prefix it is: fingerprints of models, and keys of blocks of tokens."""

import pytest
import torch
from helpers.checkpoints import model_of, tiny
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.inference.prefix_store import block_keys, fingerprint


def test_fingerprint_tells_models_apart():
    model = model_of(tiny())
    first = fingerprint(model)
    assert first == fingerprint(model_of(tiny())) and len(first) == 64
    model(torch.tensor([[1, 2, 3]]))
    assert fingerprint(model) == fingerprint(model.train()) == first
    others = {first, fingerprint(model_of(tiny(), dtype=torch.bfloat16)), fingerprint(model_of(tiny(rope_theta=2e4)))}
    for name, tensor in model.state_dict().items():  # one bit of one weight
        if name.endswith(("1.self_attn.kv_b_proj.weight", "correction_bias", "model.norm.weight")):
            raw = tensor.view(-1).view(torch.uint8)
            raw[-1] ^= 1
            others.add(fingerprint(model))
            raw[-1] ^= 1
    assert len(others) == 7 and fingerprint(model) == first
    model.blocks[0].self_attn.scale *= 2  # no weight, and yet another model
    assert fingerprint(model) not in others


def test_the_same_bytes_of_another_dtype_are_another_model():
    model = model_of(tiny())
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    assert fingerprint(model.bfloat16()) != fingerprint(model.half())


def test_a_model_without_weights_has_no_fingerprint():
    with pytest.raises(ValueError, match="meta device"):
        fingerprint(model_of(tiny()).to("meta"))


@given(
    tokens=st.lists(st.integers(0, 2**40), max_size=40),
    more=st.lists(st.integers(0, 2**40), max_size=9),
    size=st.integers(1, 9),
    data=st.data(),
)
def test_keys_depend_on_every_token_before(tokens, more, size, data):
    keys = block_keys("f", tokens, size)
    assert len(keys) == len(tokens) // size == len(set(keys))
    assert block_keys("f", torch.tensor(tokens + more, dtype=torch.long), size)[: len(keys)] == keys
    for other in (block_keys("g", tokens, size), block_keys("f", tokens, size + 1)):
        assert not set(keys) & set(other)
    if keys:
        place = data.draw(st.integers(0, len(keys) * size - 1))
        changed = [*tokens[:place], tokens[place] + 1, *tokens[place + 1 :]]
        other = block_keys("f", changed, size)
        assert [a == b for a, b in zip(keys, other, strict=True)] == [i < place // size for i in range(len(keys))]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("", [1], 1), "fingerprint"), (("f", [1], 0), "block_size: got 0"), (("f", [-1], 1), "tokens: got -1"),
        (("f", [1.0], 1), "tokens: got 1.0"), (("f", [[1]], 1), "one dimension"), (("f", [2**63], 1), "tokens"),
        (("f", [True], 1), "tokens: got True"),
    ],
)  # fmt: skip
def test_nonsense_makes_no_keys(arguments, words):
    with pytest.raises(ValueError, match=words):
        block_keys(*arguments)
