"""Small functions and classes that the project writes itself: to fine-tune a code model on, and to measure it with.

A `Family` is one task (sort with quicksort, count words) with names, wordings, right bodies and a way to make unit
tests. `draw` makes programs of it. Whole families and, of the others, wordings are held out of training.
"""

from deepseek_lab.applications.programs.base import ClassFamily, Family, Program
from deepseek_lab.applications.programs.draw import (
    FAMILIES,
    HELD_OUT_FAMILIES,
    SPLITS,
    draw,
    fine_tuning_texts,
    programs,
)

__all__ = [
    "FAMILIES",
    "HELD_OUT_FAMILIES",
    "SPLITS",
    "ClassFamily",
    "Family",
    "Program",
    "draw",
    "fine_tuning_texts",
    "programs",
]
