"""Loss scaling for fp16, where gradients below 6e-8 become 0: multiply the loss first, divide the gradients after.

The factor is found by trying. It doubles now and then, until a gradient overflows; that step is skipped on all ranks,
and the factor halved. bf16 has fp32's range and needs none of this.
"""

from dataclasses import dataclass


@dataclass
class LossScaler:
    """The factor, and when it changes."""

    scale: float = 2.0**16
    grow_every: int = 2000  # steps without overflow
    calm: int = 0  # steps since the last change

    def update(self, overflow: bool) -> None:
        """After a step: halve on an overflow, double after `grow_every` steps without one."""
        self.calm = 0 if overflow else self.calm + 1
        if overflow:
            self.scale = max(1.0, self.scale / 2)
        elif self.calm == self.grow_every:
            self.scale, self.calm = self.scale * 2, 0
