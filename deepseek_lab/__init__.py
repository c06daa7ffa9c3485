"""How DeepSeek really works: every mechanism as a real module, equal to the official implementation."""

from deepseek_lab.config import DeepSeekConfig

__all__ = ["DeepSeekConfig"]
