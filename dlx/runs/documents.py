"""JSON documents that dlx reads back: each ends with a digest of its other fields.

`digest` is the SHA-256, in hexadecimal, of the other fields in canonical form: JSON with sorted
keys, without white space, in UTF-8. Documents of schema 1 were written without one.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlx.errors import RunError
from dlx.runs.files import finite, read_plain, write_atomic

SCHEMA = 2
_DIGEST = "digest"


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document with its schema and digest, atomically."""
    write_atomic(path, encode(document))


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the content of a document's file; numbers that are not finite are null."""
    fields = finite({"schema": SCHEMA} | {k: v for k, v in document.items() if k != "schema"})
    sealed = fields | {_DIGEST: sha256(_canonical(fields))}
    text = json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # A command may name a file by bytes that are no text: JSON has an escape for each.
    return text.encode("utf-8", "backslashreplace")


def read(path: Path) -> dict[str, Any]:
    """Return the fields of a document, or raise FileNotFoundError; RunError as by `decode`."""
    try:
        content = read_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    return decode(content, path)


def decode(content: bytes, path: Path) -> dict[str, Any]:
    """Return the fields in a document's content; RunError if damaged or written by a newer dlx."""
    try:
        fields = json.loads(content, parse_constant=_refuse)
        if not isinstance(fields, dict):
            raise ValueError("it is no JSON object")
        digest, schema = fields.pop(_DIGEST, None), fields.get("schema", 1)
        if not isinstance(schema, int) or isinstance(schema, bool):
            raise ValueError(f"its schema is {schema!r}")
        if schema > SCHEMA:
            raise RunError(
                f"{path} was written by a newer dlx (schema {schema}; this one reads up to "
                f"{SCHEMA}): upgrade dlx to use it"
            )
        if digest != sha256(_canonical(fields)) and (digest is not None or schema > 1):
            raise ValueError("its fields were changed: they do not match its digest")
    except RecursionError:
        raise RunError(f"{path} is damaged: it is nested too deeply") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from error
    return fields


def misfit(value: Any, shape: Any, name: str = "content") -> str | None:
    """Return what of a value is of another shape, or None.

    A shape is a type, or several; a list of the shape of all its entries; or a mapping with the
    shape of each key, of which `str` stands for all.
    """
    if isinstance(shape, list) and isinstance(value, list):
        parts = [(entry, shape[0], f"{name}[{place}]") for place, entry in enumerate(value)]
    elif isinstance(shape, Mapping) and isinstance(value, Mapping):
        keys = value if str in shape else shape
        parts = [(value.get(key), shape.get(str, shape.get(key)), f"{name}.{key}") for key in keys]
    elif isinstance(shape, Mapping | list) or not isinstance(value, shape):
        return f"its {name} is {value!r}"
    else:
        return None
    return next(filter(None, (misfit(*part) for part in parts)), None)


def check(document: Mapping[str, Any], shape: Mapping[str, Any], path: Path) -> None:
    """Raise a RunError if fields of a document that was read are missing, or of another shape."""
    for key, inner in shape.items():
        if problem := misfit(document.get(key), inner, key):
            raise RunError(f"{path} is damaged: {problem}")


def _canonical(fields: Mapping[str, Any]) -> bytes:
    text = json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which JSON does not know")
