"""Using a trained model: generation."""

from deepseek_lab.inference.generate import generate, generate_tokens
from deepseek_lab.inference.stream import TextStream, stream_text
from deepseek_lab.inference.text import complete_texts

__all__ = ["TextStream", "complete_texts", "generate", "generate_tokens", "stream_text"]
