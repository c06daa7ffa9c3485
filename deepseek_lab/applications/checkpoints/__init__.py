"""The lab's models and DeepSeek's real checkpoints behind one name: text in, text out.

`open_writer("lab", lab=folder)` opens the model that the course ships; another name is a folder, or a model on the
Hugging Face hub such as "deepseek-ai/deepseek-coder-1.3b-instruct". Where that isn't to be had, one sentence says why,
and the lab's model goes on. Only JSON and safetensors are opened, and no code that comes with a checkpoint is run.
"""

from deepseek_lab.applications.checkpoints.opening import open_writer
from deepseek_lab.applications.checkpoints.writers import OurWriter, TheirWriter, Writer

__all__ = ["OurWriter", "TheirWriter", "Writer", "open_writer"]
