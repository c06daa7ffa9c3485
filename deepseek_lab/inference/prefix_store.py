"""What attention kept of a prompt's beginning, on disk: the next prompt that begins so needn't be read again.

Source: DeepSeek's API, "Context Caching on Disk" (https://api-docs.deepseek.com/guides/kv_cache). Tokens are kept in
blocks, and only whole blocks count. An entry is a safetensors file whose name says which model and which tokens it
belongs to. Losing one costs time and nothing else, so whatever is doubtful is taken for absent. The checksum is against
damage; whoever may write into the folder can also forge entries.
"""

import hashlib
import json
import os
import re
import stat
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from deepseek_lab.config import is_whole, require, require_whole
from deepseek_lab.model.decoder import DeepSeekForCausalLM

FORMAT_VERSION = "1"
STALE_SECONDS = 3600  # a file that its writer left unfinished for so long is nobody's any more
ENTRY = re.compile(r"([0-9a-f]{64})\.safetensors")
UNFINISHED = re.compile(r"\.[0-9a-f]{64}\.([0-9]+)\.[0-9a-f]{32}\.part")  # with the bytes that it will have
CHECKSUM = re.compile(rb'"checksum":"([0-9a-f-]{64})"')
BLANK = "-" * 64  # stands where the checksum goes while it is computed


def fingerprint(model: DeepSeekForCausalLM) -> str:
    """sha256 of what the model computes with: its config, its modules' settings, and all weights, dtypes included.

    Reads every weight once, about a second per gigabyte: keep the result. A cache of another form (quantised, under
    autocast) isn't told apart: add a word to the fingerprint for it. Raises `ValueError` for a model on the meta
    device.
    """
    digest = hashlib.sha256()

    def add(*words: object) -> None:
        digest.update(json.dumps(words, default=str).encode() + b"\n")

    add("deepseek_lab.fingerprint", FORMAT_VERSION, asdict(model.config))
    for name, module in model.named_modules():
        plain = {k: v for k, v in vars(module).items() if isinstance(v, int | float | str) and k[0] != "_"}
        plain.pop("training", None)
        add(name, type(module).__qualname__, sorted(plain.items()))
    for name, tensor in sorted(model.state_dict().items()):
        require(not tensor.is_meta, "model", f"{name} on the meta device", "weights")
        add(name, str(tensor.dtype), list(tensor.shape))
        content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(content.numpy().data)
    return digest.hexdigest()


def block_keys(fingerprint: str, tokens: Sequence[int], block_size: int) -> list[str]:
    """A key for each whole block of `block_size` tokens: T // block_size of them, 64 hexadecimal digits each.

    Key i depends on the model, the block size, and every token from the first to the end of block i: what attention
    keeps of a token depends on all tokens before it. Raises `ValueError` for what are no token ids.
    """
    require(isinstance(fingerprint, str) and fingerprint, "fingerprint", fingerprint, "a string, as fingerprint(model)")
    require_whole(1, block_size=block_size)
    ids = tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)
    wrong = next((i for i in ids if not is_whole(i) or not 0 <= i < 2**63), None)
    require(wrong is None, "tokens", wrong, "whole numbers from 0 on, in one dimension")
    keys, digest = [], hashlib.sha256(json.dumps([fingerprint, block_size]).encode()).digest()
    for end in range(block_size, len(ids) + 1, block_size):
        block = b"".join(i.to_bytes(8, "little") for i in ids[end - block_size : end])
        digest = hashlib.sha256(digest + block).digest()
        keys.append(digest.hex())
    return keys


class PrefixStore:
    """A folder of entries, key -> named tensors, of at most `max_bytes` together; the longest unused ones go first.

    Any number of processes may share the folder. An entry is written beside its place and moved there when complete.
    One that is damaged, cut off or of another kind counts as absent, and is removed. Files with other names are neither
    touched nor counted.
    """

    def __init__(self, folder: str | os.PathLike, max_bytes: int):
        """Makes the folder. Where that can't be, nothing is found and nothing is kept."""
        require_whole(1, max_bytes=max_bytes)
        self.folder, self.max_bytes = Path(folder), max_bytes
        self.hits = self.misses = 0
        self._warned = False
        self._sizes: dict[str, int] = {}  # entries' names and bytes, as last seen
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(0)

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The tensors put under this key, on the CPU, to the bit; or None. Raises `ValueError` for what is no key."""
        path = self._path(key)
        data = _read(path, self.max_bytes)
        tensors = None if data is None else _decode(key, data)
        if tensors is None:
            self.misses += 1
            if data is not None:
                _remove(path)
            return None
        self.hits += 1
        with suppress(OSError):  # gone meanwhile, or a folder that may only be read
            _touch(path)
        return tensors

    def put(self, key: str, tensors: dict[str, Tensor]) -> bool:
        """Keep these tensors under this key, and say whether they are kept. Older entries make room.

        False for an entry larger than `max_bytes`; and, with one warning, where the disk is full or can't be written.
        Raises `ValueError` for what is no key and for what isn't named tensors.
        """
        path = self._path(key)
        head, body = _encode(key, tensors)
        size = len(head) + len(body)
        if size > self.max_bytes:
            return False
        beside = self.folder / f".{key}.{size}.{uuid.uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with beside.open("xb") as file:  # from here on its name reserves the room
                if not self._make_room(size, beside.name, replacing=path.name):
                    raise OSError("files that are in the way can't be removed")
                file.write(head)
                file.write(body)
            # Not forced onto the disk: what a power cut leaves half-written fails its checksum.
            _touch(beside)
            beside.replace(path)
        except OSError as error:
            self._warn(error)
            return False
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        return True

    def touch(self, key: str) -> bool:
        """Whether there is an entry with this key, which then counts as used now."""
        try:
            _touch(self._path(key))
        except OSError:
            return False
        return True

    @property
    def nbytes(self) -> int:
        """Bytes of all entries' files."""
        return sum(status.st_size for _, status in self._files(self._names(ENTRY)))

    def clear(self) -> None:
        """Remove all entries. Those that can't be removed stay."""
        for path, _ in self._files(self._names(ENTRY)):
            _remove(path)

    def _path(self, key: str) -> Path:
        takes = "64 hexadecimal digits, as block_keys makes them"
        require(isinstance(key, str) and bool(ENTRY.fullmatch(f"{key}.safetensors")), "key", key, takes)
        return self.folder / f"{key}.safetensors"

    def _names(self, pattern: re.Pattern) -> list[str]:
        try:
            with os.scandir(self.folder) as found:
                return [entry.name for entry in found if pattern.fullmatch(entry.name)]
        except OSError:
            return []

    def _files(self, names: Iterable[str]) -> Iterator[tuple[Path, os.stat_result]]:
        """Those that are regular files, and still there: other processes add and remove files all the time."""
        for name in names:
            with suppress(OSError):
                status = os.lstat(self.folder / name)
                if stat.S_ISREG(status.st_mode):
                    yield self.folder / name, status

    def _make_room(self, size: int, own: str = "", replacing: str = "") -> bool:
        """Remove unfinished files that are stale, and the longest unused entries until `size` bytes more fit.

        What others are writing counts as if it were there. They do the same, so whoever looks last sees all the others,
        and the bound holds when all are done. Sizes are remembered (the same key has the same shapes): as long as there
        is room, the folder is listed, some microseconds for each entry, and no more. False if room can't be made.
        """
        now, room = time.time(), self.max_bytes - size
        # These first: one that becomes an entry meanwhile is counted twice, and not overlooked.
        for path, status in self._files(name for name in self._names(UNFINISHED) if name != own):
            if abs(now - status.st_mtime) > STALE_SECONDS:
                _remove(path)
            else:
                room -= int(UNFINISHED.fullmatch(path.name)[1])
        names = [name for name in self._names(ENTRY) if name != replacing]
        for path, status in self._files(set(names) - self._sizes.keys()):
            self._sizes[path.name] = status.st_size
        self._sizes = {name: self._sizes[name] for name in names if name in self._sizes}
        if sum(self._sizes.values()) <= room:
            return True

        def last_use(entry: tuple[Path, os.stat_result]) -> tuple[int, str]:
            path, status = entry
            ahead = status.st_mtime > now + STALE_SECONDS  # the clock was wrong: old, or it would never go
            return (0 if ahead else status.st_mtime_ns), path.name

        entries = sorted(self._files(names), key=last_use)
        total = sum(status.st_size for _, status in entries)
        for path, status in entries:
            if total <= room:
                break
            if _remove(path):
                total -= status.st_size
        return total <= room

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            words = f"{self.folder}: a prefix could not be stored ({error}); prompts will be read again instead"
            warnings.warn(words, stacklevel=3)


def _touch(path: Path) -> None:
    """Used now, to the nanosecond: a file system's own clock may tick every few milliseconds only."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _remove(path: Path) -> bool:
    """Whether the file is gone, by us or by another process."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _encode(key: str, tensors: dict[str, Tensor]) -> tuple[bytes, memoryview]:
    """A safetensors file in two parts: the header, with the checksum of the whole file, and the tensors' bytes."""
    named = isinstance(tensors, dict) and all(isinstance(x, Tensor) and not x.is_meta for x in tensors.values())
    require(named, "tensors", type(tensors).__name__, "a dict of names and tensors that have memory")
    good = all(isinstance(name, str) and name != "__metadata__" for name in tensors)
    require(good, "names of tensors", list(tensors), "strings other than __metadata__")
    # Copies, because safetensors takes no views that share memory, and a cache's slots are cut into such.
    owned = {
        name: tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    try:
        data = save(owned, {"format_version": FORMAT_VERSION, "key": key, "checksum": BLANK})
    except (KeyError, SafetensorError) as error:
        raise ValueError(f"tensors: got a dtype that safetensors can't hold ({error})") from error
    size = _header_size(data)
    head, body = data[:size], memoryview(data)[size:]
    return head.replace(BLANK.encode(), _checksum(head, body).encode(), 1), body


def _decode(key: str, data: bytes) -> dict[str, Tensor] | None:
    """The tensors of an entry's file, if it is one, whole, and of this key. Nothing is read before its checksum is."""
    size = _header_size(data)
    head, body = data[:size], memoryview(data)[size:]
    found = CHECKSUM.search(head)
    if not found:
        return None
    blank = head[: found.start(1)] + BLANK.encode() + head[found.end(1) :]
    if _checksum(blank, body) != found[1].decode():
        return None
    try:
        about = json.loads(head[8:])["__metadata__"]
        if (about["format_version"], about["key"]) != (FORMAT_VERSION, key):
            return None
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None


def _header_size(data: bytes) -> int:
    """Bytes before the tensors': eight with the header's length, and the header."""
    return 8 + int.from_bytes(data[:8], "little")


def _checksum(head: bytes, body: memoryview) -> str:
    digest = hashlib.sha256(head)
    digest.update(body)
    return digest.hexdigest()


def _read(path: Path, max_bytes: int) -> bytes | None:
    """The whole file at once: what another process does to it later can't matter. None where there is none."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            return None
        return path.read_bytes()
    except OSError:
        return None
