"""How closely two tensors agree: largest error over largest value, the course's measure throughout."""

import torch

WORST: dict[str, float] = {}  # the largest error seen per check, printed at the end of a module of parity tests


def note(check: str, error: float) -> float:
    """Remember the largest error of this check, and hand the error on."""
    WORST[check] = max(error, WORST.get(check, 0.0))
    return error


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """max |ours - theirs| / max |theirs|. Shapes must be equal; NaN anywhere gives NaN, which no bound accepts."""
    assert ours.shape == theirs.shape, f"{tuple(ours.shape)} against {tuple(theirs.shape)}"
    ours, theirs = ours.detach().double().cpu(), theirs.detach().double().cpu()
    largest = theirs.abs().max().item()
    error = (ours - theirs).abs().max().item()
    return error / largest if largest else error


def gradients_of(module: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What backward left: the gradient of every parameter by name, and of the input."""
    return {name: parameter.grad for name, parameter in module.named_parameters()} | {"input": x.grad}
