"""Train the question-answering model on passages that the course makes up; stop it when you like, it carries on.

    python tools/train_qa.py --threads 1     # three hours on one core
    python tools/publish_qa.py               # measures it, and writes data/checkpoints/qa

Two stages, each with a learning rate that rises and falls. The first goes from one thing in a passage to four. After it
81 % of the answers were right, on training passages too: the model had seen too few, not the wrong ones. So the second
goes on with the same kind of passages, nearly twice as many. `--folder` holds the tokenizer and the states.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from deepseek_lab import DeepSeekConfig
from deepseek_lab.applications.passages import draw
from deepseek_lab.applications.qa.config import QuestionAnsweringConfig
from deepseek_lab.applications.qa.model import DeepSeekForQuestionAnswering
from deepseek_lab.applications.qa.rows import texts_of
from deepseek_lab.applications.qa.tokenizer import train_qa_tokenizer
from deepseek_lab.applications.qa.training import QAHistory, QARecipe, train_qa

ROOT = Path(__file__).resolve().parents[1]
STAGES = {
    "first": QARecipe(rounds=500),
    "second": QARecipe(rounds=896, begin=2, mixed=0, decay=0.85, seed=1),
}
TOKENIZER_EXAMPLES = 12_000
SHAPE = DeepSeekConfig(
    vocab_size=4096,
    hidden_size=256,
    num_hidden_layers=4,
    num_attention_heads=8,
    q_lora_rank=None,
    kv_lora_rank=96,
    qk_nope_head_dim=32,
    qk_rope_head_dim=16,
    v_head_dim=32,
    intermediate_size=512,
    first_k_dense_replace=2,
    moe_intermediate_size=128,
    n_routed_experts=8,
    num_experts_per_tok=2,
    n_shared_experts=1,
    n_group=1,
    topk_group=1,
    routed_scaling_factor=1.0,
    num_nextn_predict_layers=0,
    max_position_embeddings=512,
    rope_scaling=None,
)


def tokenizer_for(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, made once and kept in the folder."""
    kept = folder / "tokenizer"
    if not (kept / "tokenizer_config.json").exists():
        texts = texts_of(draw(0, TOKENIZER_EXAMPLES, "train"))
        made = train_qa_tokenizer(texts, SHAPE.vocab_size, SHAPE.max_position_embeddings)
        made.save_pretrained(kept)
    return AutoTokenizer.from_pretrained(kept)


def new_model(shape: DeepSeekConfig = SHAPE) -> DeepSeekForQuestionAnswering:
    """Random weights."""
    return DeepSeekForQuestionAnswering(QuestionAnsweringConfig(shape.to_hf()))


def report(done: int, history: QAHistory) -> None:
    """A line for each look."""
    if done in history.validation:
        stage, new = history.validation[done]
        rate = history.tokens / history.seconds
        print(
            f"round {done}, {history.examples} examples, {history.seconds:.0f} s, {rate:.0f} tokens/s, "
            f"stage {history.stage[-1]}: loss {history.loss[-1]:.3f}, right {stage:.3f}, new passages {new:.3f}",
            flush=True,
        )


def train(model: DeepSeekForQuestionAnswering, tokenizer, stage: str, folder: Path, bf16: bool) -> None:
    """Do what is left of a stage: the weights that come in are those of the stage before."""
    print(f"{stage} stage", flush=True)
    train_qa(model, tokenizer, replace(STAGES[stage], bf16=bf16), folder=folder / stage, after_round=report)


def main() -> None:
    """Read the command line; train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "qa")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--fp32", action="store_true", help="for processors without bf16 products, which are slow there"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = tokenizer_for(options.folder)
    torch.manual_seed(STAGES["first"].seed)
    model = new_model()
    for stage in STAGES:
        train(model, tokenizer, stage, options.folder, bf16=not options.fp32)


if __name__ == "__main__":
    main()
