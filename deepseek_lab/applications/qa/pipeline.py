"""`transformers.pipeline("question-answering")` again, which transformers 5 has no more.

The call, its options and its results are those of transformers 4; the code is our own. It takes any model whose output
has `start_logits` and `end_logits`, with a fast tokenizer that puts the question first.
"""

from collections.abc import Iterator, Mapping
from types import GeneratorType

import torch
from transformers.pipelines.base import ChunkPipeline

from deepseek_lab.applications.qa.spans import LONGEST_ANSWER, best_spans, merged
from deepseek_lab.applications.qa.windows import LONGEST_QUESTION, check_text, windows
from deepseek_lab.config import require, require_whole

WINDOWING = ("max_seq_len", "doc_stride", "max_question_len")


class QuestionAnsweringPipeline(ChunkPipeline):
    """`qa(question=..., context=...)` -> `{"score": ..., "start": ..., "end": ..., "answer": ...}`.

    Takes a question and a context, lists of them (several questions may share one context), a dict with both, a list or
    a generator of dicts, or objects with `question_text` and `context_text`. Returns a list if there are several.

    - `top_k` (1): how many answers; a list of dicts if there are several.
    - `handle_impossible_answer` (False): whether "not in the context", the answer "" from 0 to 0, may be the result.
    - `max_answer_len` (40): in tokens. `align_to_words` (True): answers are made of whole words.
    - `max_seq_len` (384), `doc_stride` (128), `max_question_len` (64): the windows, in tokens; see `windows`.

    `score` is the probability within the best window; "not in the context" has that of the window that is least sure
    of it. Raises `KeyError` for a dict without question or context, `ValueError` for anything else that doesn't fit.
    """

    default_input_names = "question,context"
    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = True

    def _sanitize_parameters(self, top_k=None, topk=None, max_answer_len=None, **others):
        top_k = topk if top_k is None else top_k  # the older name
        given = {"top_k": top_k, "max_answer_len": max_answer_len}
        given |= {name: others.pop(name, None) for name in ("handle_impossible_answer", "align_to_words")}
        before = {name: others.pop(name, None) for name in WINDOWING}
        others.pop("padding", None)  # batches are padded as they must be
        require(not others, "option", ", ".join(others), "one of those of QuestionAnsweringPipeline")
        after = {name: value for name, value in given.items() if value is not None}
        require_whole(1, **{name: after[name] for name in ("top_k", "max_answer_len") if name in after})
        return {name: value for name, value in before.items() if value is not None}, {}, after

    def __call__(self, *args, **options):
        """See the class."""
        samples = samples_of(args, options)
        if isinstance(samples, GeneratorType):
            return super().__call__(samples, **options)
        return super().__call__(samples[0] if len(samples) == 1 else samples, **options)

    @staticmethod
    def create_sample(question, context):
        """One sample, or one for each pair of two lists."""
        if isinstance(question, list):
            return [sample_of({"question": q, "context": c}) for q, c in zip(question, context, strict=True)]
        return sample_of({"question": question, "context": context})

    def preprocess(self, inputs, max_seq_len=None, doc_stride=None, max_question_len=LONGEST_QUESTION):
        """The windows of one sample."""
        sample = sample_of(inputs)
        cut = windows(self.tokenizer, sample["question"], sample["context"], max_seq_len, doc_stride, max_question_len)
        for number, window in enumerate(cut):
            tensors = {name: torch.tensor([values]) for name, values in window.inputs.items()}
            yield {**tensors, "window": window, "sample": sample, "is_last": number == len(cut) - 1}

    def _forward(self, model_inputs):
        kept = {name: model_inputs.pop(name) for name in ("window", "sample", "is_last")}
        output = self.model(**model_inputs)
        return {"start": output.start_logits, "end": output.end_logits, **kept}

    def postprocess(
        self,
        model_outputs,
        top_k=1,
        handle_impossible_answer=False,
        max_answer_len=LONGEST_ANSWER,
        align_to_words=True,
    ):
        """The best answer of all windows, or a list of the best `top_k`: dicts of score, start, end and answer."""
        found, nulls = [], []
        context = model_outputs[0]["sample"]["context"]
        for output in model_outputs:
            window = output["window"]
            start, end = (output[name].flatten().float() for name in ("start", "end"))
            words = window.words if align_to_words else None
            spans, null = best_spans(start, end, window.places, window.offsets, top_k, max_answer_len, words)
            found += spans
            nulls.append(null.score)
        results = [
            {"score": span.score, "start": span.start, "end": span.end, "answer": context[span.start : span.end]}
            for span in merged(found, context)
        ]
        if handle_impossible_answer or not results:
            results.append({"score": min(nulls), "start": 0, "end": 0, "answer": ""})
            results.sort(key=lambda result: result["score"], reverse=True)
        return results[0] if top_k == 1 or len(results) == 1 else results[:top_k]


def samples_of(args: tuple, options: dict) -> list[dict[str, str]] | Iterator[dict[str, str]]:
    """The questions and contexts of a call; takes what it uses out of `options`.

    Raises `ValueError` for none, or what is no text.
    """
    if len(args) == 2 and all(isinstance(part, str) for part in args):
        given = [{"question": args[0], "context": args[1]}]
    elif args:
        given = args[0] if len(args) == 1 else list(args)
    elif "X" in options or "data" in options:
        given = options.pop("X" if "X" in options else "data")
    else:
        missing = [name for name in ("question", "context") if name not in options]
        require(not missing, " and ".join(missing), "nothing", "a text, or a list of texts")
        given = pairs(options.pop("question"), options.pop("context"))
    if isinstance(given, GeneratorType):
        return (sample_of(item) for item in given)
    several = isinstance(given, (list, tuple))
    samples = [sample_of(item) for item in (given if several else [given])]
    require(bool(samples), "questions", "none", "at least one")
    return samples


def pairs(question, context) -> list[dict]:
    """Lists of questions and contexts side by side; one context may serve all questions.

    Raises `ValueError` if their numbers don't fit.
    """
    if not isinstance(question, (list, tuple)):
        return [{"question": question, "context": context}]
    contexts = context if isinstance(context, (list, tuple)) else [context] * len(question)
    fits = len(contexts) == len(question)
    require(fits, "contexts", f"{len(contexts)} for {len(question)} questions", "one for each question, or one for all")
    return [{"question": q, "context": c} for q, c in zip(question, contexts, strict=True)]


def sample_of(item) -> dict[str, str]:
    """`{"question": ..., "context": ...}` of a dict, or of an object as transformers' SquadExample was.

    Raises `KeyError` or `ValueError` for anything else.
    """
    if not isinstance(item, Mapping):
        texts = {name: getattr(item, f"{name}_text", None) for name in ("question", "context")}
        known = None not in texts.values()
        require(known, "question and context", item, "a dict, or an object with question_text and context_text")
        item = texts
    for name in ("question", "context"):
        if name not in item:
            raise KeyError(f"{name} is missing: a dict for question-answering has the keys question and context")
        check_text(name, item[name])
    return {"question": item["question"], "context": item["context"]}
