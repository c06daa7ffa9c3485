"""How DeepSeek really works: every mechanism as a real module, equal to the official implementation."""

from deepseek_lab.applications.registration import register_with_transformers
from deepseek_lab.config import DeepSeekConfig
from deepseek_lab.inference import generate
from deepseek_lab.model.checkpoint import load_pretrained, save_pretrained
from deepseek_lab.model.decoder import DeepSeekForCausalLM

__all__ = ["DeepSeekConfig", "DeepSeekForCausalLM", "generate", "load_pretrained", "save_pretrained"]

register_with_transformers()
