"""Bytes of the model's state on one device, as a formula, for planning before anything is started.

For Ψ parameters on N ranks in mixed precision, with Adam's two moments:

    stage 0   2Ψ + 2Ψ + 12Ψ              = 16Ψ            parameters, gradients, optimizer (masters 4, moments 8)
    stage 1   2Ψ + 2Ψ + 12Ψ/N            = 4Ψ + 12Ψ/N
    stage 2   2Ψ + 2Ψ/N + 12Ψ/N          = 2Ψ + 14Ψ/N
    stage 3   2Ψ/N + 2Ψ/N + 12Ψ/N        = 16Ψ/N

In fp32, parameters and gradients take 4 bytes each, and the optimizer 8: it needs no masters of its own.

Source: ZeRO (https://arxiv.org/abs/1910.02054), section 3.1 and figure 1, whose GB are 1e9 bytes.
"""

from deepseek_lab.config import is_number, is_whole, require

# Bytes per parameter of the parameters, the gradients, the masters and Adam's two moments.
PRECISIONS = {"mixed": (2, 2, 4, 8), "fp32": (4, 4, 0, 8)}
WHERE = ("device", "host")


def model_state_bytes(
    parameters: float,
    ranks: int,
    stage: int,
    precision: str = "mixed",
    offload: bool = False,
    where: str = "device",
) -> dict[str, int | float]:
    """Bytes of "parameters", "gradients" and "optimizer" that one of `ranks` devices holds in a stage of ZeRO.

    `offload` puts the optimizer's state, masters included, on the host, and in stage 3 the parameter shards too, as
    `zero(..., offload=True)` does on a GPU. The host then holds a copy of the parameters that the optimizer updates,
    in fp32 as well: what the device has is not reachable from there. `where="host"` gives what one rank puts there.

    Not counted: activations, buffers that live for a moment (gathered units, gradients on their way: see
    `Engine.peak_transient_bytes`), what the libraries themselves take, and padding, less than N numbers for each unit.
    Raises `ValueError` for arguments that make no sense.
    """
    require(is_number(parameters) and parameters > 0, "parameters", parameters, "a number above 0")
    require(is_whole(ranks) and ranks >= 1, "ranks", ranks, "a whole number of at least 1")
    require(is_whole(stage) and 0 <= stage <= 3, "stage", stage, "1, 2 or 3, or 0 for no sharding")
    require(precision in PRECISIONS, "precision", precision, " or ".join(map(repr, PRECISIONS)))
    require(isinstance(offload, bool), "offload", offload, "True or False")
    require(where in WHERE, "where", where, " or ".join(map(repr, WHERE)))
    weight, gradient, master, moments = PRECISIONS[precision]
    if offload and stage < 3:
        master = 4  # the device's parameters can't be updated in place
    offloaded = {"parameters": offload and stage == 3, "gradients": False, "optimizer": offload}
    per_parameter = {"parameters": (weight, 3), "gradients": (gradient, 2), "optimizer": (master + moments, 1)}
    return {
        kind: _share(parameters * size, ranks if stage >= first else 1) if offloaded[kind] == (where == "host") else 0
        for kind, (size, first) in per_parameter.items()  # `first` is the first stage that shards it
    }


def _share(count: float, ranks: int) -> int | float:
    """One rank's part: a whole number where there is one, so that no digit is lost."""
    return count // ranks if count % ranks == 0 else count / ranks
