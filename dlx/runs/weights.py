"""Tensors on disk: safetensors, which cannot execute code, with JSON metadata and a schema version.

A checkpoint is such a file too. All metadata is one JSON text under one key, since safetensors
writes several keys in no fixed order: equal tensors and metadata give equal bytes.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.errors import RunError
from dlx.runs.documents import short
from dlx.runs.files import digest_of, parsed, replace_atomic

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 1
_KEY = "dlx"
_COPIES = 3  # of all tensors that safetensors may hold while it writes them out


def load(content: bytes, path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Return what `decode` does, but raise a RunError about damage too."""
    try:
        return decode(content, path)
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}); resume or train the run again") from error


def save(path: Path, tensors: "dict[str, Tensor]", metadata: dict[str, Any]) -> str:
    """Write tensors to a file, atomically, and return its SHA-256.

    Unlike `encode`, it needs no room for a second copy of them, but for those that share memory.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        storage = value.untyped_storage().data_ptr()
        whole[name] = value.clone() if storage in storages else value
        storages.add(storage)

    def write(temporary: Path) -> None:
        temporary.touch()  # with the rights of other files; safetensors' own is for its owner alone
        mode = temporary.stat().st_mode
        try:
            save_file(whole, temporary, {_KEY: _document(metadata)})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        temporary.chmod(mode)

    replace_atomic(path, write)
    return digest_of(path)


def _document(metadata: dict[str, Any]) -> str:
    return json.dumps({"schema": SCHEMA, "metadata": metadata}, sort_keys=True, allow_nan=False)


def encode(tensors: "dict[str, Tensor]", metadata: dict[str, Any]) -> bytes:
    """Return the bytes of a safetensors file, of tensors that may be views and on any device."""
    import torch
    from safetensors.torch import save as serialize

    # Views of one buffer are cloned: safetensors refuses tensors that share memory.
    whole = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    size = sum(tensor.nbytes for tensor in whole.values())
    try:  # where there is no memory for its copies, safetensors ends the process
        bytearray(_COPIES * size)
    except MemoryError:
        raise MemoryError(f"no room to write {size:,} bytes of tensors out") from None
    return serialize(whole, {_KEY: _document(metadata)})


def decode(content: bytes, path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Return the tensors and the metadata of a file's bytes; `path` is for messages.

    ValueError: dlx did not write these bytes; RunError: a newer dlx wrote them.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as deserialize

    try:
        header_end = 8 + int.from_bytes(content[:8], "little")
        document = parsed(parsed(content[8:header_end])["__metadata__"][_KEY])
        schema, metadata = int(document["schema"]), dict(document["metadata"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("not a file that dlx wrote, or cut short") from error
    if schema > SCHEMA:
        raise RunError(
            f"{path} was written by a newer dlx (schema {schema}; this one reads up to {SCHEMA}): "
            "upgrade dlx to use it"
        )
    try:
        return deserialize(content), metadata
    except SafetensorError as error:
        raise ValueError(short(str(error))) from error
