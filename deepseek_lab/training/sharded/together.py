"""What all ranks do together, so that an error of one is an error of all: nobody is left waiting for it."""

from collections.abc import Callable

import torch.distributed as dist

from deepseek_lab.model.checkpoint_files import CheckpointError


class Together:
    """All ranks of the process group, or this process alone: where there is none, or with `alone`.

    Every method must be called by all ranks.
    """

    def __init__(self, alone: bool = False):
        self.alone = alone or not (dist.is_available() and dist.is_initialized())
        self.size, self.rank = (1, 0) if self.alone else (dist.get_world_size(), dist.get_rank())

    def each(self, function: Callable[[], object]) -> list:
        """What `function()` gave on every rank, in order. Raises one `CheckpointError` on all if it failed on any.

        Errors travel as text: an exception object that can't be pickled would fail on its way, and the others hang.
        """
        mine, error = None, None
        try:
            mine = function()
        except Exception as caught:
            error = reason(caught)
        if self.alone:
            everyone = [(mine, error)]
        else:
            everyone = [None] * self.size
            dist.all_gather_object(everyone, (mine, error))
        raise_for({rank: error for rank, (_, error) in enumerate(everyone) if error})
        return [result for result, _ in everyone]

    def on_first(self, function: Callable[[], object]) -> object:
        """What `function()` gave on rank 0, where alone it is called."""
        return self.each(lambda: function() if self.rank == 0 else None)[0]


def raise_for(errors: dict[int, str]) -> None:
    """Raise a `CheckpointError` of what each rank said, once where several say the same."""
    ranks: dict[str, list[int]] = {}
    for rank, error in sorted(errors.items()):
        ranks.setdefault(error, []).append(rank)
    if ranks:
        parts = [f"rank{'s' * (len(who) > 1)} {', '.join(map(str, who))}: {error}" for error, who in ranks.items()]
        raise CheckpointError("; ".join(parts))


def reason(error: BaseException, file: object = None) -> str:
    """An error in words, with the file it is about: writing to an open file doesn't say which one it was."""
    if isinstance(error, CheckpointError) and error.errno is None:
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or file or 'a file'}: {error.strerror} (errno {error.errno})"
    words = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return words if file is None else f"{file}: {words}"
