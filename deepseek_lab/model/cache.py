"""The cache of a whole model: one `AttentionCache` for each layer."""

from collections.abc import Sequence

from deepseek_lab.attention import AttentionCache


class ModelCache:
    """What a model keeps of the tokens it has seen. Made by `model.new_cache`, filled by `model(ids, cache=cache)`."""

    def __init__(self, layers: Sequence[AttentionCache]):
        self.layers = list(layers)

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length

    @property
    def batch_size(self) -> int:
        """Sequences."""
        return self.layers[0].batch_size

    @property
    def max_length(self) -> int:
        """Tokens there is room for."""
        return self.layers[0].max_length

    @property
    def elements_per_token(self) -> int:
        """Numbers kept for one token of one sequence, in all layers."""
        return sum(layer.elements_per_token for layer in self.layers)

    @property
    def nbytes(self) -> int:
        """Bytes held in all layers, the unused part included."""
        return sum(layer.nbytes for layer in self.layers)
