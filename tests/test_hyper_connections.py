"""Hyper-connections: what a doubly stochastic matrix promises, and what goes wrong without it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepseek_lab.model.hyper_connections import HyperConnection, HyperHead, sinkhorn, write_back


@given(st.integers(1, 6), st.floats(0, 2), st.integers(0, 1000))
def test_rows_and_columns_sum_to_one(n, spread, seed):
    torch.manual_seed(seed)
    matrix = sinkhorn(spread * torch.randn(3, n, n, dtype=torch.float64), iterations=200, eps=0.0)
    assert (matrix >= 0).all()
    for dim in (-1, -2):
        assert torch.allclose(matrix.sum(dim), torch.ones(3, n, dtype=torch.float64), atol=1e-4)


@given(st.integers(1, 6), st.integers(0, 1000))
def test_sixty_layers_don_t_grow(n, seed):
    """The product of sixty projected matrices keeps its column sums; sixty plain random ones explode."""
    torch.manual_seed(seed)
    logits = torch.randn(60, n, n, dtype=torch.float64)
    product = torch.linalg.multi_dot(list(sinkhorn(logits, eps=0.0)))
    assert torch.allclose(product.sum(dim=0), torch.ones(n, dtype=torch.float64))
    assert product.max() <= 1 + 1e-9


def test_streams_that_are_equal_stay_a_residual():
    """Columns of the mixing matrix sum to 1, so equal streams are left as they are, plus the weighed output."""
    torch.manual_seed(0)
    connection = HyperConnection(8, 4, hc_eps=0.0)
    streams = torch.randn(2, 3, 1, 8).expand(-1, -1, 4, -1)
    x, post, comb = connection(streams)
    output = torch.randn_like(x)
    after = write_back(streams, output, post, comb)
    assert torch.allclose(after, streams + post[..., None] * output[:, :, None], atol=1e-5)
    assert ((post > 0) & (post < 2)).all()


def test_the_mixing_matrix_is_read_transposed():
    comb = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])[None, None]
    streams = torch.tensor([1.0, 2.0, 3.0])[None, None, :, None]
    after = write_back(streams, torch.zeros(1, 1, 1), torch.ones(1, 1, 3), comb)
    assert after.flatten().tolist() == [3.0, 1.0, 2.0]  # stream 0 went to place 1


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 3, 3, 8), (2, 3, 4, 7), (3, 4, 8)], ids=str)
@pytest.mark.parametrize("module", [HyperConnection(8), HyperHead(8)], ids=["connection", "head"])
def test_wrong_shapes_are_named(module, shape):
    with pytest.raises(ValueError, match=r"streams: got shape.*\(4, 8\)"):
        module(torch.randn(shape))


@pytest.mark.parametrize(
    "fields", [dict(hidden_size=0), dict(hc_mult=0), dict(hc_sinkhorn_iters=0), dict(hc_eps=-1.0)], ids=str
)
def test_wrong_settings_are_named(fields):
    with pytest.raises(ValueError, match=f"{next(iter(fields))}: got"):
        HyperConnection(**dict(hidden_size=8) | fields)
    if "hc_sinkhorn_iters" not in fields:
        with pytest.raises(ValueError, match=f"{next(iter(fields))}: got"):
            HyperHead(**dict(hidden_size=8) | fields)


def test_no_tokens_and_matrices_that_are_not_square():
    x, post, comb = HyperConnection(8)(torch.randn(2, 0, 4, 8))
    assert x.shape == (2, 0, 8) and post.shape == (2, 0, 4) and comb.shape == (2, 0, 4, 4)
    with pytest.raises(ValueError, match="matrix: got"):
        sinkhorn(torch.randn(3, 4))
