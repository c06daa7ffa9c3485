"""Train the course's code model: the lab's model, trained on with programs that the project writes itself.

    python tools/train_code.py               # about an hour on one core; stop it when you like, it carries on
    python tools/publish_code.py             # measures it, and writes data/checkpoints/code

Texts are programs of the "train" split of deepseek_lab.applications.programs and this Python's standard library, mixed.
The model sees whole texts, prompts and tests included: what it has to learn is what follows a prompt. There are two
stages: in the second, more programs have made-up names and words (`bold` in `fine_tuning_texts`). After the first
alone, the model knew its tasks but wrote names that it was used to in place of those that the prompt gave.
"""

import argparse
import random
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from deepseek_lab import load_pretrained
from deepseek_lab.applications.programs import draw, fine_tuning_texts
from deepseek_lab.course.setup import choose_device
from deepseek_lab.model.decoder import DeepSeekForCausalLM
from deepseek_lab.training.data import Documents, TokenCorpus, python_documents
from deepseek_lab.training.pretrain import History, Recipe, describe, pretrain

ROOT = Path(__file__).resolve().parents[1]
LAB = ROOT / "data" / "checkpoints" / "lab"
STAGES = {
    "first": Recipe(steps=3400, batch=16, length=256, lr=2e-3, warmup=100, decay=0.3, seed=0),
    "second": Recipe(steps=2800, batch=16, length=256, lr=1.5e-3, warmup=100, decay=0.4, seed=1),
}
TEXTS, VALIDATION = 130_000, 2_000  # of programs: about 14 million tokens, beside 3 million of the standard library


def corpus(tokenizer: PreTrainedTokenizerFast, seed: int, bold: bool) -> TokenCorpus:
    """Programs and standard library in random order; programs in new wordings to validate on."""
    texts = fine_tuning_texts(seed, TEXTS, bold) + python_documents(packages=False).train
    random.Random(seed).shuffle(texts)
    unseen = [program.source for program in draw(seed, VALIDATION, "new wording")]
    return TokenCorpus.of(tokenizer, Documents(texts, unseen))


def train(model: DeepSeekForCausalLM, stage: str, folder: Path) -> History:
    """Begin a stage, or carry it on; print a line now and then."""
    recipe = STAGES[stage]
    tokenizer = AutoTokenizer.from_pretrained(LAB)
    torch.manual_seed(recipe.seed)

    def report(done: int, history: History) -> None:
        if done % 100 == 0 or done == recipe.steps:
            held_out = list(history.validation.values())[-1:]
            print(f"{stage} {done}/{recipe.steps}: {describe(history, recipe)}, new wordings {held_out}", flush=True)

    return pretrain(
        model,
        corpus(tokenizer, recipe.seed, bold=stage == "second"),
        recipe,
        folder=folder / stage,
        save_every=100,
        validate_every=500,
        after_step=report,
        progress=lambda loop, label: loop,
    )


def main() -> None:
    """Read the command line; train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "code")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_pretrained(LAB, device=choose_device())
    for stage in STAGES:
        train(model, stage, options.folder)


if __name__ == "__main__":
    main()
