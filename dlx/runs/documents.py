"""JSON documents that dlx reads back: each ends with a digest of its other fields.

`digest` is the SHA-256, in hexadecimal, of the other fields in canonical form: JSON with sorted
keys, without white space, in UTF-8. Documents of schema 1 were written without one.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from dlx.errors import RunError
from dlx.runs.files import finite, read_plain, refuse, write_atomic

SCHEMA = 2
MOST = 2**64 - 1  # that an integer may be, or its opposite
NUMBER = float | int
METRICS = {str: {str: NUMBER | None}}  # by split and name
_LONGEST = 200  # text of a value in a message
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
        fields = json.loads(content, parse_constant=refuse)
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

    A shape is a type, or several; None; a set of texts; a function that says whether a value fits;
    a list of the shape of all its entries; a tuple of shapes, one of which fits; or a mapping with
    the shape of each key, of which `str` stands for all others. What a key with a question mark
    names may be missing, or null. No integer is beyond `MOST`, no number is without end.
    """
    if isinstance(shape, tuple):
        problems = [misfit(value, one, name) for one in shape]
        return None if None in problems else problems[-1]
    parts: Iterable[tuple[Any, Any, str]] = ()
    if isinstance(shape, list) and isinstance(value, list):
        parts = ((entry, shape[0], f"{name}[{place}]") for place, entry in enumerate(value))
    elif isinstance(shape, Mapping) and isinstance(value, Mapping):
        named = {key.removesuffix("?"): key for key in shape if key is not str}
        for key, own in named.items():
            if key not in value and key == own:
                missing = f"{name}.{key}".removeprefix(".")
                return f"its {missing} is missing"
        parts = (
            (entry, shape[named.get(key, str)], f"{name}.{short(key)}".removeprefix("."))
            for key, entry in value.items()
            if (key in named or str in shape)
            and not (entry is None and named.get(key, "").endswith("?"))
        )
    elif isinstance(shape, Mapping | list) or not _fits(value, shape):
        ending = f", none of {', '.join(sorted(shape))}" if isinstance(shape, Set) else ""
        return f"its {name} is {short(repr(value))}{ending}"
    return next(filter(None, (misfit(*part) for part in parts)), None)


def count(value: Any) -> bool:
    """Say whether a value is a whole number from 0 on."""
    return _fits(value, int) and value >= 0


def short(text: str) -> str:
    """Return a text for a message, cut if it is long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _fits(value: Any, shape: Any) -> bool:
    if shape is None or isinstance(shape, Set):
        return value is None if shape is None else isinstance(value, str) and value in shape
    if not isinstance(shape, type | UnionType):
        return shape(value)
    if isinstance(value, bool):
        return shape is object or bool in (shape, *get_args(shape))
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(value, int) and abs(value) > MOST:
        return False
    return isinstance(value, shape)


def check(document: Mapping[str, Any], shape: Mapping[Any, Any], path: Path) -> None:
    """Raise a RunError if fields of a document that was read are missing, or of another shape."""
    if problem := misfit(document, shape, ""):
        raise RunError(f"{path} is damaged: {problem}; put it back as dlx wrote it")


def _canonical(fields: Mapping[str, Any]) -> bytes:
    text = json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")
