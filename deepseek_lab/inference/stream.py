"""Text as it is written: pieces that never split a character and never show the start of a stop string."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.inference.generate import generate_tokens
from deepseek_lab.inference.sampling import Sampling
from deepseek_lab.model.decoder import DeepSeekForCausalLM

REPLACEMENT = "\ufffd"  # what decoding makes of bytes that are no character, or not yet one
# An unfinished character has at most 3 bytes, and a token at least 1: what is unfinished lies in the last 3 tokens.
UNFINISHED = 3


class TextStream:
    """Tokens in, text out, piece by piece: `feed` gives what is certain, `finish` the rest.

    For byte-level BPE tokenizers, as DeepSeek's are: a token is a piece of UTF-8, and may hold a part of a character.
    All pieces together are `tokenizer.decode(tokens)`, up to the first of the strings `stop` to be completed, which
    is left out; `stopped` is that string, None until then. Of two completed by the same character the longer counts.
    A token costs the decoding of a few tokens, however long the text is.

    Raises `ValueError` for a stop string that is empty or no string, and for a tokenizer whose decoding tidies spaces
    up: that rewrites text already given.
    """

    def __init__(self, tokenizer, stop: str | Iterable[str] = ()):
        tidy = getattr(tokenizer, "clean_up_tokenization_spaces", False)
        require(not tidy, "clean_up_tokenization_spaces of the tokenizer", tidy, "False")
        self.tokenizer, self.stop = tokenizer, stop_strings(stop)
        self.stopped: str | None = None
        self._tail: list[int] = []  # tokens that an unfinished character may begin in
        self._given = 0  # characters of the decoded tail that were certain already
        self._held = ""  # certain text that a stop string may begin in
        self._finished = False

    @property
    def closed(self) -> bool:
        """Whether no text will follow: a stop string came, or the stream is finished."""
        return self._finished or self.stopped is not None

    def feed(self, token_id: int) -> str:
        """The text that is certain with this token; "" after a stop string. Raises `ValueError` after `finish`."""
        require_whole(0, token_id=token_id)
        require(not self._finished, "token_id", token_id, "nothing more: the stream is finished")
        return "" if self.stopped is not None else self._release(self._decode(token_id))

    def finish(self) -> str:
        """The text that was held back. Bytes that never became a character are U+FFFD here."""
        rest = self.tokenizer.decode(self._tail)[self._given :] if self._tail else ""
        self._tail, self._given, self._finished = [], 0, True
        text = "" if self.stopped is not None else self._release(rest) + self._held
        self._held = ""
        return text

    def _decode(self, token: int) -> str:
        """The characters that this token completes."""
        if self._tail and not self.tokenizer.decode([token]):
            return ""  # an id without text: nothing of an unfinished character may be pushed out of the tail by it
        text = self.tokenizer.decode([*self._tail, token])
        self._tail.append(token)
        # Bytes of an unfinished character are one U+FFFD, the last; nothing that follows changes what is before it.
        # (A U+FFFD that was really written looks the same, and waits too.)
        unfinished = text.endswith(REPLACEMENT)
        piece = text[self._given : len(text) - unfinished]
        if not unfinished:
            self._tail = []
        elif len(self._tail) > UNFINISHED:
            # The tail may now begin within a character: that changes how its first characters are decoded, which are
            # given already, and not the last one, for UTF-8 finds its feet again at the next character.
            self._tail = self._tail[-UNFINISHED:]
            text = self.tokenizer.decode(self._tail)
        self._given = len(text) - 1 if unfinished else 0
        return piece

    def _release(self, piece: str) -> str:
        """Add certain text; what of it may be given, with regard to stop strings."""
        text = self._held + piece
        found = [(start + len(stop), start, stop) for stop in self.stop if (start := text.find(stop)) >= 0]
        if found:
            _, start, self.stopped = min(found)
            self._held = ""
            return text[:start]
        longest = max(map(len, self.stop), default=1) - 1
        held = next((n for n in range(min(longest, len(text)), 0, -1) if self._may_begin(text[-n:])), 0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def _may_begin(self, text: str) -> bool:
        return any(stop.startswith(text) for stop in self.stop)


def stop_strings(stop: str | Iterable[str]) -> tuple[str, ...]:
    """One string or several, as a tuple. Raises `ValueError` for an empty one and for what is no string."""
    strings = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, Iterable) else None
    good = strings is not None and all(isinstance(s, str) and s for s in strings)
    require(good, "stop", stop, "a string or several, none of them empty")
    return strings


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """A begin token and the prompt's. Raises `ValueError` for what is no string, and without a begin or end token."""
    require(isinstance(prompt, str), "prompt", prompt, "a string")
    for name in ("bos_token_id", "eos_token_id"):
        token = getattr(tokenizer, name, None)
        require(is_whole(token), f"{name} of the tokenizer", token, "a token: generation begins and ends with one")
    return [tokenizer.bos_token_id, *tokenizer(prompt, add_special_tokens=False).input_ids]


def stream_text(
    model: DeepSeekForCausalLM,
    tokenizer,
    prompt: str,
    max_new_tokens: int,
    *,
    stop: str | Iterable[str] = (),
    seed: int = 0,
    **sampling,
) -> Iterator[str]:
    """What follows the prompt, as it is written: pieces of text, none empty, none with a part of a character.

    Ends where the model ends its text, before the first stop string, or after `max_new_tokens`. A begin token stands
    before the prompt. `sampling`: `temperature`, `top_k`, `top_p`, `min_p`, `repetition_penalty`, as in `Sampling`;
    the same seed gives the same text. A caller that wants no more just stops asking.

    Raises `ValueError` at the call for arguments that make no sense.
    """
    stream, ids, settings = TextStream(tokenizer, stop), prompt_ids(tokenizer, prompt), Sampling(**sampling)
    require(is_whole(seed), "seed", seed, "a whole number")
    device = model.lm_head.weight.device
    generator, end = torch.Generator(device).manual_seed(seed), tokenizer.eos_token_id
    tokens = generate_tokens(
        model, torch.tensor([ids], device=device), max_new_tokens, settings, generator=generator, eos_token_id=end
    )
    return _pieces(stream, tokens, end)


def _pieces(stream: TextStream, tokens: Iterator[Tensor], end: int) -> Iterator[str]:
    for new in tokens:
        token = int(new)
        if piece := stream.finish() if token == end else stream.feed(token):
            yield piece
        if stream.closed:
            return
    if piece := stream.finish():
        yield piece
