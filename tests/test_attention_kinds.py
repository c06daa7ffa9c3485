"""One layer of each kind side by side: what is said to be read is read, and a step is the last step of a real text."""

import pytest
import torch

from deepseek_lab.attention.window import sees_entries, sees_near
from deepseek_lab.model.attention_kinds import HIDDEN, KINDS, filled_cache, keys_read, one_of_each
from deepseek_lab.viz.curves import plot_curves, plot_gain


@pytest.fixture(scope="module")
def layers():
    torch.manual_seed(0)
    return one_of_each()


@pytest.mark.parametrize("context", [1, 3, 127, 128, 129, 511, 4096, 10_000])
def test_counts(context):
    """Against the masks that the layers use."""
    near = int(sees_near(1, min(context, 128), 128).sum())
    entries = {m: int(sees_entries(context - 1, 1, context // m, m).sum()) for m in (4, 128)}
    assert keys_read("dense (MLA)", context) == (context, 0)
    assert keys_read("window", context) == (near, 0)
    assert keys_read("CSA", context) == (near + min(entries[4], 512), entries[4])
    assert keys_read("HCA", context) == (near + entries[128], 0)
    assert keys_read("DSA", context) == (min(context, 2048), context if context > 2048 else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_on_a_filled_cache(layers, kind):
    """The cache is full after it, and the same again when set back; reading only what is allowed changes nothing."""
    cache = filled_cache(layers[kind], 300)
    x = torch.randn(1, 1, HIDDEN)
    with torch.no_grad():
        outputs = []
        for _ in range(2):
            cache.length = 299
            outputs.append(layers[kind](x, cache))
            assert cache.length == 300
            if kind in ("window", "CSA", "HCA"):  # their window moves on: fill it again
                break
        assert all(output.isfinite().all() for output in outputs)
        torch.testing.assert_close(outputs[0], outputs[-1])
        with pytest.raises(ValueError, match="max_length"):
            layers[kind](x, cache)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_after_a_real_text_is_as_large(layers, kind):
    real = layers[kind].new_cache(1, 200)
    with torch.no_grad():
        layers[kind](torch.randn(1, 200, HIDDEN), real)
    assert real.nbytes == filled_cache(layers[kind], 200).nbytes and real.length == 200


def test_what_does_not_fit(layers):
    with pytest.raises(ValueError, match="kind"):
        keys_read("MHA", 10)
    with pytest.raises(ValueError, match="context"):
        filled_cache(layers["DSA"], 0)


def test_figures():
    """Each line in its panel, a legend for all, and zeros left out."""
    figure = plot_curves([1024, 2048, 4096], {"ms": {"a": [1, 2, 3], "b": [2, 2, 2]}, "MB": {"a": [0, 1, 2]}})
    first, second = figure.axes
    assert [line.get_label() for line in first.lines] == ["a", "b"]
    assert second.lines[0].get_xdata().tolist() == [2048, 4096]
    assert [t.get_text() for t in first.get_xticklabels()] == ["1k", "4k"]
    gain = plot_gain([[1, 10, 100]], [[1, 1, 1]])
    assert {text.get_text() for text in gain.axes[0].texts} == {"as they are", "doubly stochastic"}
