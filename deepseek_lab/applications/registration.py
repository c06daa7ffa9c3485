"""Our model and pipeline, known to transformers as soon as transformers is there.

`import deepseek_lab` doesn't load transformers, which takes seconds: it leaves word, and the classes are registered
when the modules that keep the registers are imported, now or later.
"""

import importlib.abc
import sys
from types import ModuleType

CONFIGS = "transformers.models.auto.configuration_auto"
MODELS = "transformers.models.auto.modeling_auto"
PIPELINES = "transformers.pipelines"
TASK = "question-answering"


def register_config(_module: ModuleType) -> None:
    """`AutoConfig` opens our checkpoints."""
    from transformers import AutoConfig

    from deepseek_lab.applications.qa.config import MODEL_TYPE, QuestionAnsweringConfig

    AutoConfig.register(MODEL_TYPE, QuestionAnsweringConfig, exist_ok=True)


def register_model(module: ModuleType) -> None:
    """`AutoModelForQuestionAnswering` opens them too."""
    from deepseek_lab.applications.qa.config import QuestionAnsweringConfig
    from deepseek_lab.applications.qa.model import DeepSeekForQuestionAnswering

    module.AutoModelForQuestionAnswering.register(QuestionAnsweringConfig, DeepSeekForQuestionAnswering, exist_ok=True)


def register_pipeline(module: ModuleType) -> None:
    """`pipeline("question-answering")`, where transformers has none of its own."""
    if TASK in module.PIPELINE_REGISTRY.supported_tasks:
        return
    from transformers import AutoModelForQuestionAnswering

    from deepseek_lab.applications.qa.pipeline import QuestionAnsweringPipeline

    module.PIPELINE_REGISTRY.register_pipeline(
        TASK, QuestionAnsweringPipeline, pt_model=AutoModelForQuestionAnswering, type="text"
    )
    getattr(module, "REMOVED_TASKS", {}).pop(TASK, None)  # what transformers 5 refuses by name


WAITING = {CONFIGS: register_config, MODELS: register_model, PIPELINES: register_pipeline}


class _Watcher(importlib.abc.MetaPathFinder):
    """Finds the modules of `WAITING` as they would be found without it, and acts once they are loaded."""

    def find_spec(self, name: str, path=None, target: ModuleType | None = None):
        """Where the module is, with a loader that acts afterwards; None for all other modules."""
        if name not in WAITING:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        """As the usual loader."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the usual loader, which the module is given back to; then what waits for it."""
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        WAITING[module.__name__](module)


def register_with_transformers() -> None:
    """Register now what can be registered, and the rest when its module is imported. Calling it again is harmless."""
    for name, register in WAITING.items():
        if name in sys.modules:
            register(sys.modules[name])
    if not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())
