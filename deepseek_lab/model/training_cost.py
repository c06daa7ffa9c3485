"""What DeepSeek-V3's final training run cost, from the figures in its report.

Source: DeepSeek-V3 (https://arxiv.org/abs/2412.19437), Table 1 and section 1. The total is in the README of its
repository, too.
"""

from dataclasses import dataclass

HOURS_PER_TRILLION = 180_000  # H800 GPU hours to train on a trillion tokens
TRILLIONS = 14.8
GPUS = 2048
DOLLARS_PER_HOUR = 2.0  # assumed by the report: a rental price
CONTEXT_EXTENSION_HOURS = 119_000
POST_TRAINING_HOURS = 5_000


@dataclass(frozen=True)
class TrainingCost:
    """GPU hours of each stage, and what they come to."""

    pretraining: float = HOURS_PER_TRILLION * TRILLIONS
    context_extension: float = CONTEXT_EXTENSION_HOURS
    post_training: float = POST_TRAINING_HOURS

    @property
    def hours(self) -> float:
        """GPU hours in all."""
        return self.pretraining + self.context_extension + self.post_training

    def dollars(self, per_hour: float = DOLLARS_PER_HOUR) -> float:
        """The rent for these hours. Research and experiments before the run, people and data are not in it."""
        return self.hours * per_hour

    def days(self, gpus: int = GPUS) -> float:
        """How long pretraining takes on so many GPUs."""
        return self.pretraining / gpus / 24

    def flops_per_gpu(self, flops_per_token: float) -> float:
        """Operations per second and GPU during pretraining, if each token takes so many."""
        return flops_per_token * TRILLIONS * 1e12 / (self.pretraining * 3600)
