"""Using a trained model: generation."""

from deepseek_lab.inference.generate import generate

__all__ = ["generate"]
