"""Real checkpoints by name: DeepSeek's formats in small, two codes and one text, chats, broken folders."""

import json
import re
import sys
from pathlib import Path
from string import ascii_letters

import pytest
import torch
from helpers import real_formats
from helpers.checkpoints import edit_json, rewrite
from helpers.real_formats import BROKEN, EOT, MANY_LAYERS, SYSTEM
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from deepseek_lab import load_pretrained
from deepseek_lab.applications.checkpoints import OurWriter, TheirWriter, hub, open_writer
from deepseek_lab.applications.checkpoints.opening import load_theirs
from deepseek_lab.inference import complete_texts, stream_text
from deepseek_lab.model.checkpoint_files import CheckpointError, read_json
from deepseek_lab.training.data import BEGIN, END

LAB = Path(__file__).resolve().parents[1] / "data" / "checkpoints" / "lab"
CPU = torch.device("cpu")


def opened(folder: Path):
    """A folder by its name; the lab must not be needed."""
    return open_writer(folder, lab=folder / "no-lab")


def by_theirs(ours: OurWriter) -> TheirWriter:
    """The same checkpoint, run by transformers' code."""
    folder = Path(ours.name)
    model = load_theirs(folder, read_json(folder / "config.json"), CPU, torch.float32)
    model.set_experts_implementation("eager")
    return TheirWriter(ours.name, "", model, ours.tokenizer, ours.begin, ours.ends)


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> OurWriter:
    return opened(real_formats.chat(tmp_path_factory.mktemp("chat"), ends=[1, 259]))


@pytest.fixture(scope="module")
def theirs(chat) -> TheirWriter:
    return by_theirs(chat)


@pytest.fixture(scope="module")
def coder(tmp_path_factory) -> TheirWriter:
    return opened(real_formats.coder(tmp_path_factory.mktemp("coder")))


def seen_by(writer, act) -> list[int]:
    """The tokens that reach the model first while `act` runs."""
    model, seen = writer.model, []
    embedding = model.get_input_embeddings() if isinstance(writer, TheirWriter) else model.model.embed_tokens
    hook = embedding.register_forward_pre_hook(lambda _, args: seen.append(args[0].flatten().tolist()))
    act()
    hook.remove()
    return seen[0]


def test_the_labs_own_model():
    writer = open_writer("lab", lab=LAB)
    model, tokenizer = load_pretrained(LAB), AutoTokenizer.from_pretrained(LAB)
    assert isinstance(writer, OurWriter) and writer.name == "lab" and not writer.chats
    assert writer.sentence == (
        "The lab's own model: 2.9 million parameters of the kind deepseek_v3, "
        "run by this course's code in float32 on cpu."
    )
    prompts, how = ["def add(", "import "], dict(stop="\n\n", seed=3, temperature=0.8, top_p=0.9)
    assert writer.complete(prompts, 20, **how) == complete_texts(model, tokenizer, prompts, 20, **how)
    assert writer.complete([BEGIN + prompts[0]], 20, **how) == writer.complete(prompts[:1], 20, **how)
    assert [*writer.stream(prompts[0], 20, **how)] == [*stream_text(model, tokenizer, prompts[0], 20, **how)]
    with pytest.raises(ValueError, match="ask: got 'lab', but it takes a model with a chat template"):
        writer.ask("What is a list?", 5)


def test_v2_chat_runs_with_our_code_and_none_of_its_own(chat):
    folder = Path(chat.name)
    assert isinstance(chat, OurWriter) and chat.chats and chat.ends == (1, 259)
    assert "deepseek_v2, run by this course's code" in chat.sentence
    assert len([*folder.glob("*.safetensors")]) > 2 and not [*folder.rglob("ran")]
    assert chat.chat_prompt("Hi") == f"{BEGIN}User: Hi\n\nAssistant:"
    talk = [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c")]
    messages = [{"role": role, "content": content} for role, content in talk]
    assert chat.chat_prompt(messages) == f"{BEGIN}Be brief.\n\nUser: a\n\nAssistant: b{END}User: c\n\nAssistant:"


def test_coder_runs_with_transformers(coder, tmp_path):
    assert isinstance(coder, TheirWriter) and coder.chats and coder.ends == (259,)
    assert "llama, run by transformers' code in float32 on cpu." in coder.sentence
    assert coder.chat_prompt("Sort a list.") == f"{BEGIN}{SYSTEM}\n### Instruction:\nSort a list.\n### Response:\n"
    assert coder.model.config.rope_parameters["rope_type"] == "linear"
    ids = torch.tensor([coder.tokenizer("one two").input_ids])
    plain = real_formats.copy(Path(coder.name), tmp_path / "plain")
    edit_json(plain, rope_scaling=None)
    with torch.no_grad():
        assert not torch.allclose(coder.model(ids).logits, opened(plain).model(ids).logits, atol=1e-3)


@pytest.mark.parametrize("kind", ["chat", "coder"])
def test_one_begin_token_before_everything(kind, request):
    writer = request.getfixturevalue(kind)
    text = writer.tokenizer("def f(", add_special_tokens=False).input_ids
    for prompt in ("def f(", BEGIN + "def f("):
        assert seen_by(writer, lambda prompt=prompt: [*writer.stream(prompt, 1)]) == [0, *text]
        assert seen_by(writer, lambda prompt=prompt: writer.complete([prompt], 1)) == [0, *text]
    asked = seen_by(writer, lambda: [*writer.ask("x?", 1)])
    assert asked == writer.tokenizer(writer.chat_prompt("x?"), add_special_tokens=False).input_ids
    assert asked.count(0) == 1 == asked.index(0) + 1
    assert seen_by(writer, lambda: [*writer.stream("", 1)]) == [0]


def test_tokens_are_those_of_tokenizer_json(coder):
    """Not those of the class that tokenizer_config.json names: Llama's puts a blank before a text, and more."""
    for text in ("def f(x):\n    return x", " a  b", "漢字 é"):
        ids = coder.tokenizer(text, add_special_tokens=False).input_ids
        assert len(ids) == len(text.encode()) and coder.tokenizer.decode(ids) == text


how = st.fixed_dictionaries(
    {"seed": st.integers(-3, 9), "temperature": st.sampled_from([0.0, 0.7]), "top_p": st.sampled_from([None, 0.8])},
    optional={
        "stop": st.lists(st.sampled_from(["e", "th", "\ufffd", EOT]), max_size=2),
        "repetition_penalty": st.just(1.3),
    },
)


@settings(max_examples=12)
@given(st.lists(st.sampled_from(["", "def f", "one", "two", "漢"]), max_size=3), st.integers(0, 6), how)
def test_both_codes_write_the_same(chat, theirs, prompts, count, how):
    ours = chat.complete(prompts, count, max_batch=2, **how)
    assert theirs.complete(prompts, count, max_batch=2, **how) == ours
    for i, prompt in enumerate(prompts):
        each = {**how, "seed": how["seed"] + i}
        assert [*theirs.stream(prompt, count, **each)] == [*chat.stream(prompt, count, **each)]
        assert "".join(theirs.stream(prompt, count, **each)) == ours[i][0]


def test_texts_differ_at_all(chat, theirs):
    """Without this, the test above might compare one text with itself."""
    for writer in (chat, theirs):
        texts = {text for text, _ in writer.complete(["one"] * 6, 8, temperature=1.0)}
        assert len(texts) == 6
        assert [*writer.ask("a?", 5)] == [*writer.stream(writer.chat_prompt("a?"), 5)] != [*writer.stream("a?", 5)]


@pytest.mark.parametrize("end", [1, 259])
def test_any_of_several_ends_ends_a_text(end, chat, tmp_path):
    """The weights are changed so that the third token is this end."""
    folder = real_formats.copy(Path(chat.name), tmp_path / "model")
    edit_json(folder, "generation_config.json", eos_token_id=[259, 1])
    prompt = next(letter for letter in ascii_letters if len({0, end, *written(chat, letter, 3)[2:]}) == 5)
    *_, first, second, third = written(chat, prompt, 3)
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]

    def swap(tensors):
        head = tensors["lm_head.weight"]
        head[[third, end]] = head[[end, third]]

    rewrite(folder, swap, index["lm_head.weight"])
    ours = opened(folder)
    before = chat.tokenizer.decode([first, second])
    for writer in (ours, by_theirs(ours)):
        assert "".join(writer.stream(prompt, 9)) == before
        assert writer.complete([prompt, prompt], 9) == [(before, True)] * 2
        assert writer.complete([prompt], 2) == [(before, False)]


def written(writer, prompt: str, count: int) -> list[int]:
    """Begin token, prompt and the `count` likeliest tokens after it."""
    ids = [0, *writer.tokenizer(prompt, add_special_tokens=False).input_ids]
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(writer.model(torch.tensor([ids]))[0, -1].argmax()))
    return ids


def test_a_folder_wins_over_the_hub_and_may_begin_with_a_tilde(chat, tmp_path, monkeypatch):
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "model").symlink_to(chat.name)
    monkeypatch.chdir(tmp_path)
    assert open_writer("owner/model", lab="").name == "owner/model"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert isinstance(open_writer("~/owner/model", lab=""), OurWriter)


def test_dtype(coder):
    folder = coder.name
    assert {p.dtype for p in coder.model.parameters()} == {torch.float32}  # though the file says bfloat16
    half = open_writer(folder, lab="", dtype=torch.bfloat16)
    assert {p.dtype for p in half.model.parameters()} == {torch.bfloat16} and "bfloat16" in half.sentence
    for bad in (torch.int8, torch.float8_e4m3fn, "float32", [torch.float32]):
        with pytest.raises(ValueError, match=r"dtype: got .* takes None, torch\.float64 or torch\.float32 or"):
            open_writer(folder, lab="", dtype=bad)


@pytest.mark.parametrize("name", [None, 3, "", " "])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match=r"name: got .*a folder or a hub id"):
        open_writer(name, lab=LAB)


NO_PATHS = {
    "~no-such-user/x": ("'?~no-such-user/x'?", "Could not determine home directory"),
    "a" * 5000: ("a{100}\\.\\.\\.", "File name too long"),
}


@pytest.mark.parametrize("name", NO_PATHS, ids=["nobody's home", "too long"])
def test_a_name_that_is_no_path(name, chat):
    writer, (shown, reason) = open_writer(name, lab=chat.name), NO_PATHS[name]
    looks = rf"{shown} can't be used here: it can't be looked up as a folder \({reason}\), so the lab's own .*"
    assert writer.name == "lab" and re.fullmatch(looks, writer.sentence)


@pytest.mark.parametrize("name", ["a\0b", "owner/mo\ndel", "a\udcff", "a\x1b[1m"])
def test_a_sentence_can_always_be_printed(name, chat):
    writer = open_writer(name, lab=chat.name)
    assert writer.sentence.isprintable() and writer.sentence.startswith(f"{name!r} can't be used here: there is no")


def test_the_sentence_of_a_folder_with_an_odd_name(chat, tmp_path):
    writer = opened(real_formats.copy(Path(chat.name), tmp_path / "two\nlines"))
    assert writer.sentence.isprintable() and writer.sentence.startswith(f"{writer.name!r}: ")


@pytest.mark.parametrize("question", [[], [{"role": "user"}], ["a"], 3, None])
def test_what_is_no_question(chat, question):
    with pytest.raises(ValueError, match=r"question: got .*a list of messages with role and content"):
        chat.ask(question, 3)


def test_a_template_that_refuses(coder, tmp_path):
    folder = real_formats.copy(Path(coder.name), tmp_path / "model")
    edit_json(folder, "tokenizer_config.json", chat_template="{{ raise_exception('only one message') }}")
    with pytest.raises(ValueError, match=r"question: the chat template of .* refuses it \(only one message\)"):
        opened(folder).ask("a", 3)


@pytest.mark.parametrize("kind", ["chat", "coder"])
def test_bad_arguments_raise_at_the_call(kind, request):
    writer = request.getfixturevalue(kind)
    for bad in (dict(stop=""), dict(seed="a"), dict(temperature=-1), dict(top_p=2.0), dict(max_new_tokens=-1)):
        arguments = {"max_new_tokens": 3, **bad}
        with pytest.raises(ValueError, match=next(iter(bad))):
            writer.stream("a", **arguments)
        with pytest.raises(ValueError, match=next(iter(bad))):
            writer.complete(["a"], **arguments)
    with pytest.raises(ValueError, match="prompts: got 'a'"):
        writer.complete("a", 3)
    with pytest.raises(ValueError, match="prompt: got 3"):
        writer.stream(3, 3)
    assert (
        writer.complete([], 3) == [] and writer.complete(["a"], 0) == [("", False)] and [*writer.stream("a", 0)] == []
    )


@pytest.mark.parametrize("kind", ["chat", "coder"])
def test_a_prompt_longer_than_the_model_reads(kind, request):
    writer, takes = request.getfixturevalue(kind), "got '513 tokens', but it takes at most 512 with this model"
    around = len(writer.chat_prompt("")) - len(BEGIN)
    for act in (
        lambda: writer.stream("a" * 500, 12),
        lambda: writer.stream(BEGIN + "a" * 510, 2),
        lambda: writer.stream("", 512),
        lambda: writer.complete(["a", "a" * 500], 12),
        lambda: writer.ask("a" * (512 - around - 3), 3),
    ):
        with pytest.raises(ValueError, match=takes):
            act()
    ((text, ended),) = writer.complete(["a" * 509], 2)
    assert text == "".join(writer.stream("a" * 509, 2)) and not ended


@pytest.mark.parametrize("kind", ["chat", "coder"])
def test_half_a_surrogate_pair_is_no_text(kind, request):
    writer, says = request.getfixturevalue(kind), r"prompt: got \"'\\\\ud83d' at \d+\", but it takes whole characters"
    for act in (
        lambda: writer.stream("ab\ud83d", 2),
        lambda: writer.complete(["a", "\ud83d"], 2),
        lambda: writer.ask("a\ud83d", 2),
    ):
        with pytest.raises(ValueError, match=says):
            act()
    assert len(writer.complete(["\U0001f600"], 1)) == 1


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_an_error(case, tmp_path, coder):
    folder = real_formats.copy(Path(coder.name), tmp_path / "model")
    breaks, message = BROKEN[case]
    breaks(folder)
    with pytest.raises(CheckpointError, match=message):
        open_writer(folder, lab=LAB)


def test_broken_folders_of_ours(tmp_path, chat):
    folder = real_formats.copy(Path(chat.name), tmp_path / "model")
    shard = sorted(folder.glob("*.safetensors"))[0]
    tensors = load_file(shard)
    save_file(dict(list(tensors.items())[1:]), shard)
    with pytest.raises(CheckpointError, match="index"):
        open_writer(folder, lab=LAB)
    with pytest.raises(CheckpointError, match="found a file, expected a folder"):
        open_writer(folder / "config.json", lab=LAB)
    save_file(tensors, shard)
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    edit_json(folder, num_hidden_layers=300)
    with pytest.raises(CheckpointError, match=MANY_LAYERS.replace(r"\d", str(layers))):
        open_writer(folder, lab=LAB)
    edit_json(folder, num_hidden_layers=layers)
    edit_json(folder, "tokenizer_config.json", bos_token=None)
    with pytest.raises(CheckpointError, match="bos_token_id of the tokenizer: got None"):
        open_writer(folder, lab=LAB)


def test_a_model_that_does_not_write_is_told_so():
    with pytest.raises(CheckpointError, match=r"found 'deepseek_lab_qa', for which neither .* code that writes texts"):
        open_writer(LAB.with_name("qa"), lab=LAB)


def test_too_large_for_the_memory(coder, monkeypatch):
    """In bfloat16 it would fit, and it isn't tried in float32. The lab's model isn't asked how large it is."""
    numbers = hub.count_numbers(Path(coder.name))
    assert numbers == sum(p.numel() for p in coder.model.parameters())
    monkeypatch.setattr(hub, "free_memory", lambda device: 3.0 * numbers)
    writer = open_writer(coder.name, lab=LAB)
    assert writer.name == "lab" and writer.complete(["def "], 1)
    assert writer.sentence == (
        f"{coder.name} can't be used here: in float32 it takes about 0.0 GB of memory, and 0.0 GB are free on cpu, "
        "so the lab's own model goes on."
    )
    assert open_writer(coder.name, lab=LAB, dtype=torch.bfloat16).name == coder.name


def test_memory_is_counted(monkeypatch):
    assert 1e8 < hub.free_memory(CPU) < 1e15
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert hub.free_memory(CPU) == float("inf")  # nobody says


def test_memory_that_runs_out_on_the_way(coder, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", full)
    writer = open_writer(coder.name, lab=LAB)
    assert writer.name == "lab" and "it doesn't fit into the memory of cpu, so the lab's" in writer.sentence
