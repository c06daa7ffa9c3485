"""How often the model's span is the right one: a quick look, for training."""

from collections.abc import Sequence

import torch

from deepseek_lab.applications.passages import Example
from deepseek_lab.applications.qa.rows import by_length, encode, stack
from deepseek_lab.applications.qa.spans import best_spans, trimmed

BATCH = 4096  # tokens


@torch.no_grad()
def predictions(model, tokenizer, examples: Sequence[Example]) -> list[tuple[str, float]]:
    """For each example, in its order: the best span's text, and by how much it beats "not in the context" (logits)."""
    rows = [encode(tokenizer, example.question, example.context) for example in examples]
    found: list[tuple[str, float]] = [("", 0.0)] * len(rows)
    for batch in by_length([len(row.ids) for row in rows], BATCH):
        ids, mask = (x.to(model.device) for x in stack([rows[i].ids for i in batch], tokenizer.pad_token_id))
        output = model(ids, attention_mask=mask)
        logits = zip(batch, output.start_logits.float().cpu(), output.end_logits.float().cpu(), strict=True)
        for number, start, end in logits:
            row = rows[number]
            spans, null = best_spans(start, end, range(row.first, len(row.ids) - 1), row.offsets)
            context = examples[number].context
            left, right = trimmed(context, spans[0].start, spans[0].end) if spans else (0, 0)
            found[number] = context[left:right], (spans[0].logit if spans else float("-inf")) - null.logit
    return found


def exact_share(model, tokenizer, examples: Sequence[Example], threshold: float = 0.0) -> float:
    """Share of examples that are answered right, letter for letter, "not in the context" among them."""
    right = 0
    for example, (text, margin) in zip(examples, predictions(model, tokenizer, examples), strict=True):
        right += text in example.answers if margin > threshold else not example.answers
    return right / len(examples)


def best_threshold(model, tokenizer, examples: Sequence[Example]) -> float:
    """The margin above which answers count, chosen so that most of these examples are answered right."""
    gains = []  # what lowering the threshold below an example's margin does
    for example, (text, margin) in zip(examples, predictions(model, tokenizer, examples), strict=True):
        gains.append((margin, (text in example.answers) - (not example.answers)))
    gains.sort(reverse=True)
    best, total, threshold = 0, 0, gains[0][0]
    for number, (margin, gain) in enumerate(gains):
        total += gain
        if total > best:
            below = gains[number + 1][0] if number + 1 < len(gains) else margin - 1
            best, threshold = total, (margin + below) / 2
    return threshold
