"""After an error in the middle of something, caches and batchers are as before, or say that they can't be."""

import pytest
import torch
from helpers import families
from helpers.compare import relative_error

from deepseek_lab.inference import Batcher, PagedCache, PagedDisk, PrefixStore, generate, generate_batch
from deepseek_lab.inference.blocks import OutOfBlocks
from deepseek_lab.inference.quantised import quantised_cache
from deepseek_lab.inference.sampling import Sampling

each_family = pytest.mark.parametrize("family", families.CONFIGS)
WARM = Sampling(temperature=0.9)


def alone(model, prompt, count: int, seed: int | None = None) -> list[int]:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    tokens = generate(model, torch.tensor([list(prompt)]), count, 0.9 if generator else 0.0, generator=generator)
    return tokens[0, len(prompt) :].tolist()


class Broken:
    """Raises in one layer of a model, in the call number `call`."""

    def __init__(self, model, layer: int, call: int = 1, error: type[BaseException] = KeyboardInterrupt):
        self.calls, self.call, self.error = 0, call, error
        self.hook = model.blocks[layer].mlp.register_forward_pre_hook(self._look)

    def _look(self, *_):
        self.calls += 1
        if self.calls == self.call:
            raise self.error("broken")


@each_family
def test_a_cache_goes_back_when_a_call_fails_half_way(family):
    model = families.model(family)
    ids = torch.randint(61, (2, 20))
    with torch.no_grad():
        cache, whole = model.new_cache(2, 200), model(ids)
        model(ids[:, :10], cache=cache)
        broken = Broken(model, layer=1)
        with pytest.raises(KeyboardInterrupt):
            model(ids[:, 10:15], cache=cache)
        broken.hook.remove()
        assert [layer.length for layer in cache.layers] == [10, 10, 10]
        assert relative_error(model(ids[:, 10:], cache=cache), whole[:, 10:]) < 1e-5


def test_v4_says_that_a_long_step_cannot_be_taken_back():
    model = families.model("v4")
    cache = model.new_cache(1, 200)
    broken = Broken(model, layer=1)
    with pytest.raises(KeyboardInterrupt):
        model(torch.ones(1, 100, dtype=torch.long), cache=cache)
    broken.hook.remove()
    with pytest.raises(ValueError, match="a call failed half-way"):
        model(torch.ones(1, 1, dtype=torch.long), cache=cache)


@each_family
@pytest.mark.parametrize("call", [1, 2, 5, 9])
def test_a_batcher_goes_on_after_an_error_in_the_model(family, call):
    model = families.model(family)
    batcher = Batcher(PagedCache(model, 30, 4, 3), 3, tokens_per_step=10)
    requests = [batcher.submit(range(i, 9 + 4 * i), 8, WARM, seed=i) for i in range(4)]
    broken = Broken(model, layer=2, call=call, error=MemoryError)
    with pytest.raises(MemoryError):
        batcher.run()
    broken.hook.remove()
    assert batcher.cache.blocks.held == 0
    batcher.run()
    assert [r.tokens for r in requests] == [alone(model, r.prompt, 8, seed=i) for i, r in enumerate(requests)]


def test_a_token_that_cannot_be_drawn_spoils_nobody_elses_text(monkeypatch):
    model = families.model("v3")
    batcher = Batcher(PagedCache(model, 30, 4, 3), 3)
    first, second = batcher.submit([1, 2, 3], 6, WARM, seed=5), batcher.submit([4, 5], 6, WARM, seed=6)
    batcher.step()
    choose, calls = Sampling.choose, []

    def fails_once(self, *arguments):
        calls.append(1)
        token = choose(self, *arguments)
        if len(calls) == 2:
            raise RuntimeError("probability tensor contains inf")
        return token

    monkeypatch.setattr(Sampling, "choose", fails_once)
    with pytest.raises(RuntimeError, match="probability"):
        batcher.step()
    batcher.run()
    assert (first.tokens, second.tokens) == (alone(model, [1, 2, 3], 6, seed=5), alone(model, [4, 5], 6, seed=6))


def test_memory_held_by_others_is_an_error_and_no_endless_loop():
    model = families.model("v3")
    cache = PagedCache(model, 6, 4, 3)
    batcher, other = Batcher(cache, 2), cache.new_sequence()
    with torch.no_grad(), cache.step([(other, 16)]) as step:
        model(torch.ones(1, 16, dtype=torch.long), cache=step)
    request = batcher.submit(range(6), 10)
    with pytest.raises(OutOfBlocks, match="outside this batcher"):
        batcher.run()
    other.free()
    batcher.run()
    assert request.tokens == alone(model, range(6), 10)


def test_a_request_is_not_lost_when_it_cannot_be_admitted(tmp_path, monkeypatch):
    model = families.model("v3")
    cache = PagedCache(model, 20, 4, 2)
    batcher = Batcher(cache, 2, disk=PagedDisk(cache, PrefixStore(tmp_path, 10**6)))
    request = batcher.submit(range(9), 4)
    with monkeypatch.context() as patch:
        patch.setattr(PrefixStore, "get", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            batcher.step()
    assert len(cache.free_rows) == 2 and cache.blocks.held == 0
    batcher.run()
    assert request.tokens == alone(model, range(9), 4)


def test_weights_that_change_make_old_blocks_useless(tmp_path):
    model, store = families.model("v3"), PrefixStore(tmp_path, 10**7)
    cache = PagedCache(model, 20, 4, 2)
    batcher = Batcher(cache, 2, disk=PagedDisk(cache, store))
    before = batcher.submit(range(13), 6)
    batcher.run()
    running = batcher.submit(range(20, 33), 6)
    batcher.step()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.3)
    after = batcher.submit(range(13), 6)
    batcher.run()
    assert after.found == 0 and after.tokens == alone(model, range(13), 6) != before.tokens
    assert running.tokens[1:] == alone(model, [*range(20, 33), running.tokens[0]], 5)
    old = families.model("v3")
    cache = PagedCache(old, 20, 4, 2)
    again = Batcher(cache, 2, disk=PagedDisk(cache, store))
    request = again.submit(range(13), 6)
    again.run()
    assert request.found == 12 and request.tokens == before.tokens


@each_family
def test_a_fork_within_a_step_and_a_step_without_a_call(family):
    model = families.model(family)
    cache = PagedCache(model, 12, 4, 3)
    a = cache.new_sequence()
    with torch.no_grad():
        with cache.step([(a, 5)]) as step:
            fork = a.fork()
            model(torch.tensor([[1, 2, 3, 4, 5]]), cache=step)
            with pytest.raises(ValueError, match="used before"):
                model(torch.tensor([[1, 2, 3, 4, 5]]), cache=step)
        with cache.step([(fork, 5)]) as step:
            model(torch.tensor([[9, 9, 9, 9, 9]]), cache=step)
        with pytest.raises(ValueError, match="the model didn't run"), cache.step([(a, 3)]):
            pass
        with pytest.raises(ValueError, match="outside its with"):
            model(torch.tensor([[6]]), cache=step)
        assert (a.length, fork.length) == (5, 5)
        with cache.step([(a, 1)]) as step:
            row = model(torch.tensor([[6]]), cache=step)
        assert relative_error(row[0, -1], model(torch.tensor([[1, 2, 3, 4, 5, 6]]))[0, -1]) < 1e-5


def test_both_of_two_sharers_may_write_where_one_block_is_free():
    model = families.model("v3")
    cache = PagedCache(model, 2, 4, 2)
    a = cache.new_sequence()
    with torch.no_grad():
        with cache.step([(a, 2)]) as step:
            model(torch.tensor([[1, 2]]), cache=step)
        b = a.fork()
        with cache.step([(a, 1), (b, 1)]) as step:
            rows = model(torch.tensor([[3, 4]]), cache=step)[0]
        for row, text in zip(rows, ([1, 2, 3], [1, 2, 4]), strict=True):
            assert relative_error(row, model(torch.tensor([text]))[0, -1]) < 1e-5


def test_v4_keeps_windows_on_disk_once_they_are_there(tmp_path):
    model, store, found = families.model("v4"), PrefixStore(tmp_path, 10**7), []
    for end in (1, 2, 1, 2):
        cache = PagedCache(model, 20, 4, 1)
        batcher = Batcher(cache, 1, disk=PagedDisk(cache, store))
        request = batcher.submit([*range(9), end], 3)
        batcher.run()
        found.append(request.found)
    assert found == [0, 8, 8, 8]


def test_what_is_often_found_in_memory_stays_on_disk(tmp_path):
    model = families.model("v3")
    cache = PagedCache(model, 40, 4, 2)
    disk = PagedDisk(cache, PrefixStore(tmp_path, 40_000))  # room for a few blocks
    batcher = Batcher(cache, 2, disk=disk)
    for other in range(12):
        for prompt in (range(9), range(other, other + 9)):
            batcher.submit(prompt, 2)
        batcher.run()
    cache = PagedCache(model, 40, 4, 2)
    batcher = Batcher(cache, 2, disk=PagedDisk(cache, disk.store))
    request = batcher.submit(range(9), 2)
    batcher.run()
    assert request.found == 8
    with pytest.raises(ValueError, match="PagedDisk of another cache"):
        Batcher(PagedCache(model, 40, 4, 2), 2, disk=disk)


def test_odd_arguments():
    model = families.model("v3")
    expected = alone(model, [1, 2], 3)
    for prompt in (torch.tensor([1, 2]), (1, 2), iter([1, 2])):
        batcher = Batcher(PagedCache(model, 8, 4, 1), 1)
        request = batcher.submit(prompt, 3)
        batcher.run()
        assert request.tokens == expected
    for change, words in (
        ({"prompt": "12"}, "prompt: got"), ({"prompt": [1.5]}, "prompt: got"), ({"eos_token_id": -1}, "eos_token_id"),
        ({"sampling": 0.7}, "sampling: got 0.7"), ({"seed": 2**70}, "seed: got"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            batcher.submit(**{"prompt": [1], "max_new_tokens": 2, **change})
    for settings in ({"temperature": 1e-40}, {"repetition_penalty": 1e-40}):
        with pytest.raises(ValueError, match="1e-08"):
            Sampling(**settings)
    for wrong in (5, batcher.cache, [1, 2, 3]):
        with pytest.raises(ValueError, match="cache: got"):
            generate(model, torch.tensor([[1]]), 2, cache=wrong)
    assert len(generate_batch(model, [[1]] * 300, 1, max_batch=300)) == 300
    with pytest.raises(ValueError, match="one that another model has made"):
        families.model("v3", seed=1)(torch.tensor([[1]]), cache=quantised_cache(model, 1, 4))
