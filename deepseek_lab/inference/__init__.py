"""Using a trained model: caches, generation, many requests at once, drafts, and prompts remembered on disk."""

from deepseek_lab.inference.batching import Batcher, generate_batch
from deepseek_lab.inference.drafters import MTPDrafter, PromptLookup
from deepseek_lab.inference.generate import generate, generate_tokens
from deepseek_lab.inference.paged import PagedCache
from deepseek_lab.inference.paged_disk import PagedDisk
from deepseek_lab.inference.prefix_store import PrefixStore
from deepseek_lab.inference.quantised import quantised_cache
from deepseek_lab.inference.speculative import speculate
from deepseek_lab.inference.stream import TextStream, stream_text
from deepseek_lab.inference.text import complete_texts

__all__ = [
    "Batcher", "MTPDrafter", "PagedCache", "PagedDisk", "PrefixStore", "PromptLookup", "TextStream", "complete_texts",
    "generate", "generate_batch", "generate_tokens", "quantised_cache", "speculate", "stream_text",
]  # fmt: skip
