"""Code generation: complete a function, sample several and run them, and measure how often they work."""

from deepseek_lab.applications.code.completion import Completion, complete, complete_many, stream
from deepseek_lab.applications.code.evaluate import Measured, measure, summary
from deepseek_lab.applications.code.function_end import FunctionText, as_prompt
from deepseek_lab.applications.code.pass_at_k import Estimate, estimate, pass_at_k
from deepseek_lab.applications.code.solve import Candidate, solve

__all__ = [
    "Candidate",
    "Completion",
    "Estimate",
    "FunctionText",
    "Measured",
    "as_prompt",
    "complete",
    "complete_many",
    "estimate",
    "measure",
    "pass_at_k",
    "solve",
    "stream",
    "summary",
]
