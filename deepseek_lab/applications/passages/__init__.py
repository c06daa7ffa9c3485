"""Passages about invented things (and a few real ones), and questions about them, in English and Chinese.

From the outside in: `draw.py` (splits and seeds), `ask.py` (questions), `compose.py` (passages), `topics/` (what is
said and asked of each kind of thing), `base.py` (the topics' notation), `values.py`, `names.py`, `compound.py` and
`words.py` (what facts are made of), `asides.py` (sentences beside the point).
"""

from deepseek_lab.applications.passages.base import Example as Example
from deepseek_lab.applications.passages.draw import SPLITS as SPLITS
from deepseek_lab.applications.passages.draw import draw as draw
from deepseek_lab.applications.passages.draw import examples as examples
