"""Small random checkpoints in the formats of DeepSeek's real ones, written as their folders on the hub have them."""

import json
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, LlamaConfig, LlamaForCausalLM

from deepseek_lab.training.data import BEGIN, END, train_tokenizer
from helpers.checkpoints import TINY, edit_json, filled, rewrite

EOT = "<|EOT|>"
VOCABULARY = 272  # more than the tokenizers have tokens, as in the real ones
SYSTEM = (
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by Deepseek Company, and you "
    "only answer questions related to computer science. For politically sensitive questions, security and privacy "
    "issues, and other non-computer science questions, you will refuse to answer"
)
CODER_TEMPLATE = (
    "{% if not add_generation_prompt is defined %}\n{% set add_generation_prompt = false %}\n{% endif %}\n"
    "{%- set ns = namespace(found=false) -%}\n{%- for message in messages -%}\n"
    "    {%- if message['role'] == 'system' -%}\n        {%- set ns.found = true -%}\n    {%- endif -%}\n"
    "{%- endfor -%}\n{{bos_token}}{%- if not ns.found -%}\n{{'" + SYSTEM + "\\n'}}\n{%- endif %}\n"
    "{%- for message in messages %}\n    {%- if message['role'] == 'system' %}\n{{ message['content'] }}\n"
    "    {%- else %}\n        {%- if message['role'] == 'user' %}\n"
    "{{'### Instruction:\\n' + message['content'] + '\\n'}}\n        {%- else %}\n"
    "{{'### Response:\\n' + message['content'] + '\\n<|EOT|>\\n'}}\n        {%- endif %}\n    {%- endif %}\n"
    "{%- endfor %}\n{% if add_generation_prompt %}\n{{'### Response:'}}\n{% endif %}"
)
CHAT_TEMPLATE = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ bos_token }}"
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% elif message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
# What a checkpoint with code of its own brings along; whoever runs it leaves a file behind.
CODE = "from pathlib import Path\nPath(__file__).with_name('ran').write_text('x')\n"


def special(text: str) -> dict:
    """A special token as the older tokenizer_config.json spell it."""
    flags = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return {"__type": "AddedToken", "content": text, **flags}


def write_tokenizer(folder: Path, template: str, end: str) -> None:
    """Byte-level BPE, 260 tokens; the class that its config names is Llama's, as in DeepSeek's files."""
    tokenizer = train_tokenizer([], 259)
    tokenizer.add_tokens([EOT], special_tokens=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings = dict(
        add_bos_token=True, add_eos_token=False, bos_token=special(BEGIN), eos_token=special(end),
        pad_token=special(END), unk_token=None, clean_up_tokenization_spaces=False, legacy=True,
        model_max_length=16384, sp_model_kwargs={}, use_default_system_prompt=False,
        tokenizer_class="LlamaTokenizerFast", chat_template=template,
    )  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def write_json(folder: Path, name: str, **content) -> None:
    """A JSON file of this content."""
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def coder(folder: Path, **changes) -> Path:
    """As deepseek-ai/deepseek-coder-1.3b-instruct: a Llama whose positions are a quarter as far apart."""
    fields = dict(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6, hidden_act="silu",
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=259, rope_theta=100000,
        rope_scaling={"factor": 4.0, "type": "linear"},
    ) | changes  # fmt: skip
    model = filled(LlamaForCausalLM(LlamaConfig(**fields)))
    model.save_pretrained(folder)
    write_json(
        folder, "config.json", architectures=["LlamaForCausalLM"], model_type="llama", torch_dtype="bfloat16",
        pretraining_tp=1, use_cache=True, **fields,
    )  # fmt: skip
    write_json(folder, "generation_config.json", _from_model_config=True, bos_token_id=0, eos_token_id=259)
    write_tokenizer(folder, CODER_TEMPLATE, EOT)
    return folder


def chat(folder: Path, ends: object = 1, **changes) -> Path:
    """As deepseek-ai/DeepSeek-V2-Lite-Chat: a V2 in several files, with code of its own that nobody needs."""
    fields = dict(TINY, vocab_size=VOCABULARY, q_lora_rank=None, n_group=1, topk_group=1) | dict(
        num_key_value_heads=2, bos_token_id=0, eos_token_id=1, topk_method="greedy", scoring_func="softmax",
        norm_topk_prob=False, n_shared_experts=1, routed_scaling_factor=1.0, attention_bias=False, rope_theta=10000,
        hidden_act="silu", rms_norm_eps=1e-6, tie_word_embeddings=False, max_position_embeddings=512,
    ) | changes  # fmt: skip
    torch.manual_seed(0)
    model = filled(DeepseekV2ForCausalLM(DeepseekV2Config(**fields)))
    model.set_experts_implementation("eager")
    model.save_pretrained(folder, max_shard_size="40KB")
    code = {
        "AutoConfig": "configuration_deepseek.DeepseekV2Config",
        "AutoModelForCausalLM": "modeling_deepseek.DeepseekV2ForCausalLM",
    }
    write_json(
        folder, "config.json", architectures=["DeepseekV2ForCausalLM"], auto_map=code, model_type="deepseek_v2",
        torch_dtype="bfloat16", moe_layer_freq=1, rope_scaling=None, **fields,
    )  # fmt: skip
    for name in ("configuration_deepseek", "modeling_deepseek", "tokenization_deepseek_fast"):
        (folder / f"{name}.py").write_text(CODE)
    write_json(folder, "generation_config.json", bos_token_id=0, eos_token_id=ends, do_sample=True, temperature=0.3)
    write_tokenizer(folder, CHAT_TEMPLATE, END)
    return folder


def copy(folder: Path, to: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(folder, to))


def hub_cache(root: Path, hub_id: str, folder: Path) -> Path:
    """The cache of huggingface_hub with one model in it, as a download leaves it behind."""
    repository, commit = root / f"models--{hub_id.replace('/', '--')}", "0123456789abcdef" * 2 + "01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(folder, repository / "snapshots" / commit)
    return root


def _remove_tensor(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("model.layers.1.mlp.up_proj.weight"))


def _not_finite(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))


def _cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])


def _only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _sentence_pieces(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["decoder"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    (folder / "tokenizer.json").write_text(json.dumps(content))


def _many_tokens(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"word{i}" for i in range(20)])
    tokenizer.save(str(folder / "tokenizer.json"))


MANY_LAYERS = r"config\.json: num_hidden_layers: found 300, but the weights are those of at most \d layers"
# What can be wrong with a coder's folder: how it is broken, and what the error says.
BROKEN = {
    "no config": (lambda f: (f / "config.json").unlink(), r"config\.json: there is no such file"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), r"tokenizer\.json: there is no such file"),
    "bad tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), r"tokenizer\.json: can't be read"),
    "cut tokenizer config": (
        lambda f: (f / "tokenizer_config.json").write_text("{"),
        r"tokenizer_config\.json: found no valid JSON",
    ),
    "odd tokenizer config": (
        lambda f: edit_json(f, "tokenizer_config.json", bos_token=[3]),
        r"tokenizer_config\.json: can't be read",
    ),
    "other tokenizer": (_sentence_pieces, "expected byte-level BPE"),
    "large tokenizer": (_many_tokens, r"has a token number 279, expected numbers below vocab_size .*, 272"),
    "other sizes": (lambda f: edit_json(f, intermediate_size=40), "found no fitting|transformers can't open it"),
    "missing weight": (_remove_tensor, "found no fitting model.layers.1.mlp.up_proj.weight"),
    "NaN": (_not_finite, "NaN or infinite"),
    "cut short": (_cut_short, "not a whole safetensors file"),
    "pickles": (_only_pickles, "Pickled weights can run code"),
    "unknown kind": (
        lambda f: edit_json(f, model_type="own_kind", auto_map={"AutoConfig": "m.C", "AutoModelForCausalLM": "m.M"}),
        "found 'own_kind', for which neither this course nor transformers has code",
    ),
    "no kind": (lambda f: edit_json(f, model_type=["x"]), r"model_type: found \['x'\], for which neither"),
    "no kind at all": (lambda f: edit_json(f, model_type={}), r"model_type: found \{\}, for which neither"),
    "no language model": (lambda f: edit_json(f, model_type="vit"), "found 'vit', .* has code that writes texts"),
    "odd activation": (lambda f: edit_json(f, hidden_act="no_such"), "transformers can't open it"),
    "many layers": (lambda f: edit_json(f, num_hidden_layers=300), MANY_LAYERS),
    "bad ends": (lambda f: edit_json(f, "generation_config.json", eos_token_id=["a"]), "eos_token_id: found"),
}  # fmt: skip
