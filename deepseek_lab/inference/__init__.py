"""Using a trained model: generation."""

from deepseek_lab.inference.generate import generate
from deepseek_lab.inference.text import complete_texts

__all__ = ["complete_texts", "generate"]
