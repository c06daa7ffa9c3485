"""A device that is no device: it computes on the CPU, and refuses what a GPU refuses.

    pretend.start()
    model.to("pretend")(ids.to("pretend"))

Where there is no GPU, this finds what would fail on one: tensors of two devices in one operation (a CPU tensor without
dimensions is allowed, as with CUDA), matrix products of whole numbers, `.numpy()` without `.cpu()`, and code that asks
for "cpu" by name. Its numbers are the CPU's. It knows nothing of CUDA's own kernels, their rounding or their speed.

Built on what PyTorch offers to makers of other devices (`PrivateUse1`), in Python: each operation arrives in `_run`,
which unwraps its tensors, runs it on the CPU and wraps what comes out.
"""

import functools

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

NAME = "pretend"
aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}  # have tensors of two devices with CUDA, too
INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
PRODUCTS = {
    aten.mm.default,
    aten.bmm.default,
    aten.addmm.default,
    aten.baddbmm.default,
    aten.mv.default,
    aten.dot.default,
}
RESIZING = {  # PyTorch makes these of an empty tensor, which it resizes, and a wrapper can't follow
    "arange": aten.arange.default, "arange.start": aten.arange.start, "arange.start_step": aten.arange.start_step,
    "linspace": aten.linspace.default, "eye": aten.eye.default, "eye.m": aten.eye.m,
    "randperm": aten.randperm.default, "randperm.generator": aten.randperm.generator,
}  # fmt: skip
AT_ONCE = {  # what PyTorch notes in a tensor and does later, at a place that is passed already
    aten._conj.default: aten.conj_physical.default, aten._neg_view.default: aten.neg.default,
}  # fmt: skip
PLAIN_ATTENTION = 0  # SDPBackend.MATH: its other kernels are of devices that it knows


class PretendTensor(torch.Tensor):
    """A tensor that says it is on the pretended device; its numbers are in `held`, on the CPU."""

    @staticmethod
    def __new__(cls, held: torch.Tensor):
        """Everything about it but the device is as in `held`."""
        about = dict(strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, layout=held.layout)
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, device=torch.device(NAME, 0), **about)

    def __init__(self, held: torch.Tensor):
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, *args, **(kwargs or {}))

    @property
    def data(self):
        """Without gradients; what is put in its place brings its numbers along."""
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, new):
        torch.Tensor.data.__set__(self, new)
        self.held = new.held

    def tolist(self):
        """As on every device, the numbers come over."""
        return self.cpu().tolist()

    def data_ptr(self):
        """Of the numbers: it tells tensors that share them."""
        return self.held.data_ptr()

    def numpy(self, *_, **__):
        """As with CUDA, refused."""
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first.")

    __array__ = numpy


@torch.inference_mode(False)  # its views, in inference mode, would be neither of one kind nor of the other
def _run(operation, *args, **kwargs):
    if operation is aten._fused_sdp_choice.default:
        return PLAIN_ATTENTION
    operation = AT_ONCE.get(operation, operation)
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
    strangers = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor) and tensor.dim()]
    if operation in INDEXING and isinstance(args[0], PretendTensor):  # CUDA takes indices from the CPU, but no values
        strangers = [tensor for tensor in strangers if any(tensor is value for value in args[2:3])]
    if ours and strangers and operation not in COPIES:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but {operation} found {NAME}:0 and {strangers[0].device}"
        )
    if ours and operation in PRODUCTS and not (ours[0].is_floating_point() or ours[0].is_complex()):
        raise RuntimeError(f"{operation} is not implemented for {ours[0].dtype} on a GPU")
    if operation is aten.copy_.default:
        stays = isinstance(args[0], PretendTensor)
    else:
        stays = bool(ours) if kwargs.get("device") is None else torch.device(kwargs["device"]).type == NAME
    if kwargs.get("device") is not None and stays:
        kwargs["device"] = torch.device("cpu")
    kwargs.pop("pin_memory", None)
    own = {id(tensor.held): tensor for tensor in ours}
    args, kwargs = tree_map_only(PretendTensor, lambda tensor: tensor.held, (args, kwargs))
    results = operation(*args, **kwargs)
    for tensor in ours:
        if tensor.shape != tensor.held.shape:
            raise NotImplementedError(f"{operation} resized a tensor, which {NAME} can't follow: add it to RESIZING")
    if not stays:
        return results
    return tree_map_only(torch.Tensor, lambda held: own[id(held)] if id(held) in own else PretendTensor(held), results)


class _Generator:
    """`torch.Generator`, which also takes the pretended device: its random numbers are the CPU's."""

    original = torch.Generator

    def __new__(cls, device="cpu"):
        made = torch.device(device)
        return cls.original("cpu" if made.type == NAME else made)


@functools.cache
def start() -> None:
    """Make the device known to PyTorch, for the rest of this process."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as register

    register(NAME)
    start.libraries = (
        torch.library.Library("_", "IMPL"),
        torch.library.Library("aten", "IMPL"),
    )  # kept: with them, it goes
    start.libraries[0].fallback(_run, "PrivateUse1")
    for name, operation in RESIZING.items():
        start.libraries[1].impl(name, functools.partial(_run, operation), "PrivateUse1")
    torch.Generator, torch.tensor, torch.as_tensor = _Generator, _by_copy(torch.tensor), _by_copy(torch.as_tensor)


def _by_copy(make):
    """`torch.tensor` and `torch.as_tensor` fill what they made past the dispatcher; here, a copy of the CPU's."""

    @functools.wraps(make)
    def made(data, *args, device=None, **kwargs):
        there = device is not None and torch.device(device).type == NAME
        tensor = make(data, *args, device="cpu" if there else device, **kwargs)
        return tensor.to(device) if there else tensor

    return made
