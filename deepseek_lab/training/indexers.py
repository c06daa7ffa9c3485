"""Training lightning indexers beside the model, as DeepSeek did: a loss of their own, and no gradient to anything else.

An indexer is to score tokens (or entries) as the layer's attention weighs them. Its layer can tell how far off it is
(`index_loss`), given the layer's input; forward hooks collect these inputs while the model runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deepseek_lab.attention.compressed import CompressedAttention
from deepseek_lab.attention.sparse_latent import SparseLatentAttention
from deepseek_lab.config import require


def indexed_layers(model: nn.Module) -> list[SparseLatentAttention | CompressedAttention]:
    """The attention layers of a model that have an indexer; an empty list for a model without."""
    kinds = (SparseLatentAttention, CompressedAttention)
    return [module for module in model.modules() if isinstance(module, kinds) and hasattr(module, "indexer")]


def indexer_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of all indexers, which `index_losses` trains and the model's own loss doesn't reach."""
    return [p for layer in indexed_layers(model) for p in layer.indexer.parameters()]


@contextmanager
def record_inputs(model: nn.Module) -> Iterator[dict[nn.Module, Tensor]]:
    """What each layer with an indexer was given, (B, T, M) without gradients: the newest call counts."""
    inputs: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, arguments: tuple) -> None:
        inputs[layer] = arguments[0].detach()

    handles = [layer.register_forward_pre_hook(keep) for layer in indexed_layers(model)]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def index_losses(inputs: dict[nn.Module, Tensor], sparse: bool = False) -> Tensor:
    """The indexers' losses for the recorded inputs, summed over layers. `sparse`: over what they pick, not over all.

    Raises `ValueError` for inputs of a model without indexers.
    """
    require(len(inputs) > 0, "inputs", "no layer", "what record_inputs saw of a model with indexers")
    return torch.stack([layer.index_loss(x, sparse) for layer, x in inputs.items()]).sum()


def set_index_topk(model: nn.Module, topk: int) -> None:
    """How many tokens (or entries) each query of each layer with an indexer reads from now on."""
    for layer in indexed_layers(model):
        if isinstance(layer, SparseLatentAttention):
            layer.index_topk = topk
        else:
            layer.config = layer.config.replace(index_topk=topk)


def get_index_topk(model: nn.Module) -> int | None:
    """What `set_index_topk` sets, the first layer's; None for a model without indexers."""
    layers = indexed_layers(model)
    if not layers:
        return None
    return layers[0].index_topk if isinstance(layers[0], SparseLatentAttention) else layers[0].config.index_topk
