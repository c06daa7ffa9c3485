"""The counting formulas against the caches that the modules really allocate, and against the DeepSeek-V2 paper."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab import DeepSeekConfig
from deepseek_lab.attention import MultiHeadAttention, MultiHeadLatentAttention
from deepseek_lab.attention.cache_size import CACHE_SHAPES, cache_bytes, latent_elements, multi_head_elements


@given(groups=st.integers(1, 8), half=st.integers(1, 32), tokens=st.integers(1, 50), batch=st.integers(1, 3))
def test_multi_head_formula_is_what_is_allocated(groups, half, tokens, batch):
    cache = MultiHeadAttention(8, groups * 2, groups, 2 * half).new_cache(batch, tokens)
    elements = multi_head_elements(groups, 2 * half)
    assert cache.elements_per_token == elements
    assert cache.nbytes == cache_bytes(elements, 1, tokens, bits=32, batch_size=batch)


@pytest.mark.parametrize("preset", ["v2-lite", "v2", "v3"])
def test_latent_formula_is_what_is_allocated(preset):
    config = DeepSeekConfig.preset(preset)
    with torch.device("meta"):
        cache = MultiHeadLatentAttention(config).to(torch.bfloat16).new_cache(2, 100)
    elements = latent_elements(config.kv_lora_rank, config.qk_rope_head_dim)
    assert elements == cache.elements_per_token == 576
    assert cache.nbytes == cache_bytes(elements, 1, 100, bits=16, batch_size=2)


def test_the_papers_numbers():
    v3 = CACHE_SHAPES["DeepSeek-V3"].elements()
    assert v3 == {"MHA": 32768, "GQA-8": 2048, "MQA": 256, "MLA": 576}
    assert 576 / multi_head_elements(1, 128) == 2.25
    assert 576 * 60 == 34560
    assert cache_bytes(576, 61, 1) == 70_272


def test_bits_that_do_not_fill_a_byte_round_up():
    assert cache_bytes(1, 1, 1, bits=6) == 1
    assert cache_bytes(3, 1, 1, bits=6) == 3
    assert cache_bytes(4, 1, 1, bits=6) == 3
    assert cache_bytes(576, 60, 0) == 0


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="tokens: got -1"):
        cache_bytes(576, 61, -1)
