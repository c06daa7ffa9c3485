"""The question-answering model's tokenizer: byte-level BPE whose borders are where answers begin and end.

No text is unknown to it. Every Chinese character, every sign and every group of up to three digits is cut off before
BPE merges anything, so that no token holds the end of an answer and what comes after it. A space is put before the text
so that a name at its beginning has the tokens that it has elsewhere.
"""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from deepseek_lab.config import is_whole, require
from deepseek_lab.training.data import BEGIN, END, PAD

HAN = r" ?\p{Han}"
NUMBERS = r" ?\p{N}{1,3}"
WORDS = r" ?[\p{L}\p{M}]+| ?[\p{P}\p{S}]|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = 3  # begin, end and padding have the ids 0, 1 and 2


def train_qa_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer for pairs: begin, question, end, context, end. `max_length` is what the model can read, in tokens.

    Raises `ValueError` for a vocabulary that can't hold all 256 bytes and the special tokens.
    """
    least = 256 + SPECIAL
    takes = f"a whole number of at least {least}"
    require(is_whole(vocab_size) and vocab_size >= least, "vocab_size", vocab_size, takes)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Prepend(" ")
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in (HAN, NUMBERS, WORDS)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BEGIN, END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
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
