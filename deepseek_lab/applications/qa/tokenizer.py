"""The question-answering model's tokenizer: byte-level BPE whose borders are where answers begin and end.

No text is unknown to it. Every Chinese character, every sign and every group of up to three digits is cut off before
BPE merges anything, so that no token holds the end of an answer and what comes after it. A space is put before the text
so that a name at its beginning has the tokens that it has elsewhere.
"""

from collections.abc import Iterable

from tokenizers import decoders, normalizers, processors
from transformers import PreTrainedTokenizerFast

from deepseek_lab.training.data import BEGIN, END, PAD, byte_level_bpe

HAN = r" ?\p{Han}"
NUMBERS = r" ?\p{N}{1,3}"
WORDS = r" ?[\p{L}\p{M}]+| ?[\p{P}\p{S}]|\s*[\r\n]+|\s+(?!\S)|\s+"


def train_qa_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer for pairs: begin, question, end, context, end. `max_length` is what the model can read, in tokens.

    Raises `ValueError` for a vocabulary that can't hold all 256 bytes and the special tokens.
    """
    tokenizer = byte_level_bpe(texts, vocab_size, cuts=(HAN, NUMBERS, WORDS), normalizer=normalizers.Prepend(" "))
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}",
        pair=f"{BEGIN} $A {END} $B:1 {END}:1",
        special_tokens=[(BEGIN, 0), (END, 1)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        cls_token=BEGIN,
        eos_token=END,
        sep_token=END,
        pad_token=PAD,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
