"""Answering questions from a given text: the answer is marked in it, or said not to be there.

From the outside in: `pipeline.py` (transformers' old call), `spans.py` (`answer`), `windows.py`, `model.py`; to train
and to measure: `training.py`, `rows.py`, `tokenizer.py`, `evaluate.py`, `metrics.py`, `baselines.py`. What is named
here is loaded when it is used, so that transformers can be told about the model before it is loaded itself.
"""

from importlib import import_module

_HOME = {
    "Answer": "spans",
    "answer": "spans",
    "bm25_sentence": "baselines",
    "random_span": "baselines",
    "QuestionAnsweringConfig": "config",
    "DeepSeekForQuestionAnswering": "model",
    "QuestionAnsweringPipeline": "pipeline",
    "exact_match": "metrics",
    "f1": "metrics",
    "score": "metrics",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
